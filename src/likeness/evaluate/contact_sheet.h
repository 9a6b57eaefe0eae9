// SPDX-License-Identifier: Apache-2.0
// Pictures for people: frames beside each other.
#pragma once

#include <filesystem>
#include <vector>

#include "likeness/base/image.h"
#include "likeness/base/run.h"
#include "likeness/evaluate/evaluate.h"

namespace likeness::evaluate {

/// One row per frame: target, result, truth (where given) and the difference of result and truth
/// (else target) times 4 about mid-grey. Every picture is `tile_px` high; columns and frame numbers
/// are labelled. Throws what media throws; frames beyond the end are left out, kUsage when none is
/// left.
Image8 contact_sheet(const Inputs& inputs, std::vector<int64_t> frames, int tile_px = 256);

/// `count` frames spread evenly over the clip; the named ones (worst frames) come first in line.
std::vector<int64_t> choose_frames(int64_t frames, int count,
                                   const std::vector<int64_t>& also = {});

/// target | result | truth as a video with the target's sound. Atomic.
void write_side_by_side(const Inputs& inputs, const std::filesystem::path& out, Progress& progress,
                        const Cancel& cancel, int height_px = 0);

}  // namespace likeness::evaluate
