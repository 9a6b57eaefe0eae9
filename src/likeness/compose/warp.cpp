// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "likeness/compose/compose.h"
#include "likeness/compose/internal.h"

namespace likeness::compositing {
namespace {

// Catmull-Rom weights of the four neighbours for fraction t past the second.
void cubic_weights(float t, float* w) {
  w[0] = ((-0.5f * t + 1.0f) * t - 0.5f) * t;
  w[1] = (1.5f * t - 2.5f) * t * t + 1.0f;
  w[2] = ((-1.5f * t + 2.0f) * t + 0.5f) * t;
  w[3] = (0.5f * t - 0.5f) * t * t;
}

// Samples at (x, y) in index coordinates (pixel centres at integers); taps outside count as 0.
// Returns the share of the (bilinear) footprint that lies inside.
template <int C, int kTaps>
float sample(const ImageF& image, float x, float y, float* out) {
  const float floor_x = std::floor(x), floor_y = std::floor(y), tx = x - floor_x, ty = y - floor_y;
  const int x1 = static_cast<int>(floor_x), y1 = static_cast<int>(floor_y);
  constexpr int kBefore = kTaps / 2 - 1;
  const int x0 = x1 - kBefore, y0 = y1 - kBefore, w = image.width, h = image.height;
  float wx[4], wy[4], sum[C] = {};
  if constexpr (kTaps == 4) {
    cubic_weights(tx, wx);
    cubic_weights(ty, wy);
  } else {
    wx[0] = 1 - tx, wx[1] = tx, wy[0] = 1 - ty, wy[1] = ty;
  }
  if (x0 >= 0 && y0 >= 0 && x0 + kTaps <= w && y0 + kTaps <= h) {
    for (int j = 0; j < kTaps; ++j) {
      const float* p = image.data.data() + (static_cast<size_t>(y0 + j) * w + x0) * C;
      float line[C] = {};
      for (int i = 0; i < kTaps; ++i)
        for (int c = 0; c < C; ++c) line[c] += wx[i] * p[i * C + c];
      for (int c = 0; c < C; ++c) sum[c] += wy[j] * line[c];
    }
    for (int c = 0; c < C; ++c) out[c] = sum[c];
    return 1;
  }
  for (int j = 0; j < kTaps; ++j)
    for (int i = 0; i < kTaps; ++i) {
      const int px = x0 + i, py = y0 + j;
      if (px < 0 || py < 0 || px >= w || py >= h) continue;
      const float weight = wx[i] * wy[j];
      for (int c = 0; c < C; ++c)
        sum[c] += weight * image.data[(static_cast<size_t>(py) * w + px) * C + c];
    }
  for (int c = 0; c < C; ++c) out[c] = sum[c];
  auto share = [](int first, float t, int n) {
    return (first >= 0 && first < n ? 1 - t : 0.0f) + (first + 1 >= 0 && first + 1 < n ? t : 0.0f);
  };
  return share(x1, tx, w) * share(y1, ty, h);
}

template <int C, int kTaps>
void warp_rows(const ImageF& image, const Affine2& image_from_out, ImageF& out, ImageF* coverage) {
  const auto& m = image_from_out.m;
  // Beyond these no tap lies inside; the bounds also keep the conversion to int safe.
  const float far_x = static_cast<float>(image.width) + 1,
              far_y = static_cast<float>(image.height) + 1;
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      const float ox = x + 0.5f, oy = y + 0.5f;
      const float sx = m[0] * ox + m[1] * oy + m[2] - 0.5f,
                  sy = m[3] * ox + m[4] * oy + m[5] - 0.5f;
      if (!(sx > -2 && sy > -2 && sx < far_x && sy < far_y)) continue;
      const float inside = sample<C, kTaps>(image, sx, sy, &out.at(x, y));
      if (coverage) coverage->at(x, y) = inside;
    }
}

// The part of the image that the output can see, with room for filter and taps.
Rect visible(const ImageF& image, const Affine2& image_from_out, int width, int height,
             float margin) {
  Box box{1e9f, 1e9f, -1e9f, -1e9f};
  for (float x : {0.0f, static_cast<float>(width)})
    for (float y : {0.0f, static_cast<float>(height)}) {
      const Point2 p = image_from_out({x, y});
      box.x0 = std::min(box.x0, p.x), box.x1 = std::max(box.x1, p.x);
      box.y0 = std::min(box.y0, p.y), box.y1 = std::max(box.y1, p.y);
    }
  return clip_rect(box, margin, image.width, image.height);
}

// Sigma that takes away what the smaller grid cannot hold: from the image's own pixel to one output
// pixel.
float prefilter_sigma(float scale) {
  if (scale >= 0.95f) return 0;
  const float step = 1 / std::max(scale, 1e-3f);
  return 0.5f * std::sqrt(step * step - 1);
}

}  // namespace

ImageF warp_affine(const ImageF& image, const Affine2& out_from_image, int width, int height,
                   bool cubic, ImageF* coverage) {
  detail::require_channels(image, 3, 1, "warp_affine");
  detail::require_range(width, 0, 1 << 16, "warp_affine: width");
  detail::require_range(height, 0, 1 << 16, "warp_affine: height");
  const auto& m = out_from_image.m;
  for (float v : m) detail::require_range(v, -1e7, 1e7, "warp_affine: a number of the map");
  if (out_from_image.scale() < 1e-4f)
    throw Error(ErrorCode::kUsage, "warp_affine: the map has no inverse",
                "check the landmarks of this frame");
  ImageF out(width, height, image.channels);
  if (coverage) *coverage = ImageF(width, height, 1);
  if (image.empty() || out.empty()) return out;

  Affine2 image_from_out = out_from_image.inverse();
  const float sigma_x = prefilter_sigma(std::hypot(m[0], m[3]));
  const float sigma_y = prefilter_sigma(std::hypot(m[1], m[4]));
  ImageF filtered;
  const ImageF* from = &image;
  if (sigma_x > 0 || sigma_y > 0) {
    const Rect seen =
        visible(image, image_from_out, width, height, 4 + 4 * std::max(sigma_x, sigma_y));
    if (seen.empty()) return out;
    filtered = detail::crop(image, seen);
    detail::gaussian_blur_xy(filtered, sigma_x, sigma_y);
    image_from_out.m[2] -= static_cast<float>(seen.x0);
    image_from_out.m[5] -= static_cast<float>(seen.y0);
    from = &filtered;
  }
  const bool rgb = image.channels == 3;
  auto rows = rgb ? (cubic ? warp_rows<3, 4> : warp_rows<3, 2>)
                  : (cubic ? warp_rows<1, 4> : warp_rows<1, 2>);
  rows(*from, image_from_out, out, coverage);
  return out;
}

}  // namespace likeness::compositing
