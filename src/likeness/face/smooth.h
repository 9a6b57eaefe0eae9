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
float jitter_of_sequence(size_t frames, const ReadPoints& read);

}  // namespace likeness::face
