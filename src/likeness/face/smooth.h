// SPDX-License-Identifier: Apache-2.0
// Smoothing and jitter of tracks that need not lie in one array. Inside the face module only.
#pragma once

#include <functional>

#include "likeness/face/geometry.h"

namespace likeness::face {

using ReadPoints = std::function<const Points&(size_t)>;
/// smooth_track in place: reads each frame before it, or one near it, is written. A few MB at a
/// time.
void smooth_sequence(size_t frames, float strength, const ReadPoints& read,
                     const std::function<void(size_t, const Points&)>& write);
/// Goes through a long track in blocks, so that memory stays small: `process` gives the new points
/// of frames [from, from + raw.size()), of which those that have `margin` frames on both sides, or
/// the end of the track, are written. It always sees the points as they were.
void smooth_in_blocks(
    size_t frames, size_t margin, const ReadPoints& read,
    const std::function<void(size_t, const Points&)>& write,
    const std::function<std::vector<Points>(size_t from, const std::vector<Points>& raw)>& process);
float jitter_of_sequence(size_t frames, const ReadPoints& read);

}  // namespace likeness::face
