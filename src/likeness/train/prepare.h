// SPDX-License-Identifier: Apache-2.0
// From two facesets to tensors. The `fast` family lives in mesh space: unwrapped, light divided
// out, input = deviation from the person's mean, base = linear appearance. `df` and `liae` live in
// crop space: the aligned crops themselves.
#pragma once

#include "likeness/base/run.h"
#include "likeness/faceset/faceset.h"
#include "likeness/train/prepared_data.h"
#include "likeness/train/trainer.h"

namespace likeness::train {

struct Prepared {
  PreparedData data;
  /// metadata: space ("mesh" or "crop"), crop_type, faces; blobs: "appearance" in mesh space.
  ModelExtras extras;
};

/// At most `max_faces` per person, balanced over pose. Every tenth run of ten faces is held out.
/// Throws kNoFace (too few), kUsage (crop types differ).
Prepared prepare(const faceset::Faceset& identity, const faceset::Faceset& performer,
                 const TrainOptions& options, int max_faces, Progress& progress,
                 const Cancel& cancel);

}  // namespace likeness::train
