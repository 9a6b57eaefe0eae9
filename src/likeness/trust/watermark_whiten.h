// SPDX-License-Identifier: Apache-2.0
// Inside the watermark's readers: taking off what the surroundings predict, because the mark is
// white and its host is not.
#pragma once

#include <opencv2/core.hpp>

namespace likeness::trust {

/// image - linear prediction from 12 neighbours at distance `step` (1 and 2 steps along the axes, 1
/// along the diagonals); the coefficients are the least-squares ones for this image, so that no
/// model of the host is needed. 32-bit float in and out.
cv::Mat whitened(const cv::Mat& image, int step);

}  // namespace likeness::trust
