// SPDX-License-Identifier: Apache-2.0
// Pixel metrics. Images are RGB 8-bit, masks 1-channel float; all of one size, otherwise kUsage. A
// metric over no pixels is NaN.
#pragma once

#include <array>

#include "likeness/base/image.h"

namespace likeness::evaluate {

inline constexpr double kPsnrCap = 100;  ///< what equal images get, dB

/// Mean squared error over the three channels, 8-bit scale, of pixels with mask > 0.5.
double masked_mse(const Image8& a, const Image8& b, const ImageF& mask);
/// 10 log10(255^2 / mse), at most kPsnrCap.
double psnr_of_mse(double mse);

/// Structural similarity (Wang, Bovik, Sheikh and Simoncelli 2004): Gaussian window 11x11 of
/// sigma 1.5, K1 = 0.01, K2 = 0.03, on BT.709 luma of the encoded values; mean of the map over
/// pixels with mask > 0.5. At the image border the window uses replicated pixels.
double masked_ssim(const Image8& a, const Image8& b, const ImageF& mask);

/// Mean colour of (a - b) weighted by the mask, 8-bit scale.
std::array<double, 3> masked_mean_difference(const Image8& a, const Image8& b, const ImageF& mask);

/// How much the images differ beyond fine coding noise: mean absolute value of the differences'
/// averages over blocks of 4x4 pixels and channels, over blocks whose centre has mask > 0.5; 8-bit
/// scale.
double block_difference(const Image8& a, const Image8& b, const ImageF& mask);

}  // namespace likeness::evaluate
