// SPDX-License-Identifier: Apache-2.0
// Shared inside the compose module only.
#pragma once

#include <string>
#include <vector>

#include "likeness/base/error.h"
#include "likeness/base/image.h"

namespace likeness::compositing::detail {

/// Throws kUsage unless both images have the same width and height.
template <typename A, typename B>
void require_same_size(const A& a, const B& b, const char* function) {
  if (a.width != b.width || a.height != b.height)
    throw Error(ErrorCode::kUsage,
                std::string(function) + ": images of " + std::to_string(a.width) + "x" +
                    std::to_string(a.height) + " and " + std::to_string(b.width) + "x" +
                    std::to_string(b.height) + " pixels do not fit together",
                "give images and masks of one size");
}

/// Throws kUsage unless the image has one of the two channel counts and consistent storage.
void require_channels(const ImageF& image, int a, int b, const char* function);

/// Throws kUsage unless `value` is finite and inside [low, high].
void require_range(double value, double low, double high, const char* name);

/// Gaussian blur with a sigma of its own per axis, in place; borders replicate. Lindeberg's
/// discrete Gaussian (weights e^-t I_n(t), t = sigma^2), whose variance is exact even at small
/// sigma; above sigma 8 the image is reduced by box averaging first and the sigma corrected for it.
void gaussian_blur_xy(ImageF& image, float sigma_x_px, float sigma_y_px);

/// Signed distance in px of every pixel centre to the 0.5 contour of the mask, sub-pixel: exact
/// positive values inside; near the contour coverage - 0.5; outside never more than -0.5.
/// Everything is inside when no pixel is below 0.5 (then the value is kNoEdge). The image border is
/// not an edge.
inline constexpr float kNoEdge = 1e9f;
ImageF inside_distance(const ImageF& mask);

/// The mask eroded by `erode_px` (>= 0), fading over a Gaussian of sigma blur_px / 2 inside that
/// shape; `distance` is inside_distance(mask).
ImageF shrink_soft(const ImageF& mask, const ImageF& distance, float erode_px, float blur_px);

/// Smallest rectangle with all pixels > 0, grown by `margin`, clipped; empty when there is none.
Rect support(const ImageF& mask, int margin);
ImageF crop(const ImageF& image, Rect r);
void paste(ImageF& image, const ImageF& part, Rect r);

/// One axis of a separable resampling: output i is the sum of weights[i * taps + t] *
/// input[start[i] + t].
struct Axis {
  int taps = 0;
  std::vector<int> start;
  std::vector<float> weights;
};
ImageF resample(const ImageF& image, const Axis& x, const Axis& y);

}  // namespace likeness::compositing::detail
