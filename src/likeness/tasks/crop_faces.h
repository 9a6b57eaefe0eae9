// SPDX-License-Identifier: Apache-2.0
// A stored face and its frame -> an aligned crop with its row.
#pragma once

#include "likeness/faceset/faceset.h"
#include "likeness/media/video.h"

namespace likeness::tasks {

struct Crop {
  faceset::Item item;
  Image8 image;
};

/// Pure. `source` and `source_hash` tell where the frame came from.
Crop crop_face(const media::Frame& frame, const face::Face& face, face::CropType type, int size_px,
               const std::string& source, const std::string& source_hash);

/// True when both show the same place of the same frame (whatever their track numbers are).
bool same_face(const faceset::Item& a, const faceset::Item& b, int size_px);

}  // namespace likeness::tasks
