// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/nets_image.h"

#include <algorithm>
#include <vector>

#include "likeness/base/error.h"

namespace likeness::face {
namespace {

/// Adds the bilinear sample at continuous (x, y) to rgb.
inline void add_sample(const Image8& image, float x, float y, float rgb[3]) {
  const float px = x - 0.5f, py = y - 0.5f;  // pixel centres lie at half coordinates
  const float fx = std::floor(px), fy = std::floor(py);
  const int x0 = static_cast<int>(fx), y0 = static_cast<int>(fy);
  const float wx = px - fx, wy = py - fy;
  if (x0 >= 0 && y0 >= 0 && x0 + 1 < image.width && y0 + 1 < image.height) {
    const uint8_t* a = image.row(y0) + 3 * static_cast<ptrdiff_t>(x0);
    const uint8_t* b = a + 3 * static_cast<ptrdiff_t>(image.width);
    const float w00 = (1 - wx) * (1 - wy), w01 = wx * (1 - wy), w10 = (1 - wx) * wy, w11 = wx * wy;
    for (int c = 0; c < 3; ++c) rgb[c] += a[c] * w00 + a[3 + c] * w01 + b[c] * w10 + b[3 + c] * w11;
    return;
  }
  if (x0 < -1 || y0 < -1 || x0 >= image.width || y0 >= image.height) return;
  for (int dy = 0; dy < 2; ++dy) {
    for (int dx = 0; dx < 2; ++dx) {
      const int sx = x0 + dx, sy = y0 + dy;
      if (sx < 0 || sy < 0 || sx >= image.width || sy >= image.height) continue;
      const float w = (dx ? wx : 1 - wx) * (dy ? wy : 1 - wy);
      const uint8_t* p = image.row(sy) + 3 * static_cast<ptrdiff_t>(sx);
      for (int c = 0; c < 3; ++c) rgb[c] += p[c] * w;
    }
  }
}

}  // namespace

void sample_crop(const Image8& image, const Affine2& image_from_crop, int width, int height,
                 const Normalisation& norm, std::span<float> out) {
  LIKENESS_REQUIRE(image.channels == 3 && !image.empty());
  LIKENESS_REQUIRE(out.size() == static_cast<size_t>(width) * height * 3);
  const float shrink = image_from_crop.scale();
  LIKENESS_REQUIRE(std::isfinite(shrink));
  const int n = std::clamp(static_cast<int>(std::lround(shrink)), 1, 4);
  const auto& m = image_from_crop.m;
  const float step = 1.f / static_cast<float>(n), weight = norm.scale * step * step;
  // Far outside, coordinates would not fit an int; nothing is seen there anyway.
  const float limit = 1e6f;
  for (int y = 0; y < height; ++y) {
    float* to = out.data() + static_cast<ptrdiff_t>(y) * width * 3;
    for (int x = 0; x < width; ++x, to += 3) {
      float rgb[3] = {0, 0, 0};
      for (int j = 0; j < n; ++j) {
        const float cy = static_cast<float>(y) + (static_cast<float>(j) + 0.5f) * step;
        for (int i = 0; i < n; ++i) {
          const float cx = static_cast<float>(x) + (static_cast<float>(i) + 0.5f) * step;
          const float ix = m[0] * cx + m[1] * cy + m[2], iy = m[3] * cx + m[4] * cy + m[5];
          if (std::fabs(ix) < limit && std::fabs(iy) < limit) add_sample(image, ix, iy, rgb);
        }
      }
      for (int c = 0; c < 3; ++c) to[c] = rgb[c] * weight - norm.mean[c] * norm.scale;
    }
  }
}

Image8 reduce(const Image8& image, int k) {
  LIKENESS_REQUIRE(k >= 1 && k <= image.width && k <= image.height && image.channels == 3);
  if (k == 1) return image;
  Image8 out(image.width / k, image.height / k, 3);
  const size_t row = static_cast<size_t>(out.width) * k * 3;
  std::vector<uint32_t> sums(row);
  const float scale = 1.f / static_cast<float>(k * k);
  for (int y = 0; y < out.height; ++y) {
    std::fill(sums.begin(), sums.end(), 0u);
    for (int j = 0; j < k; ++j) {
      const uint8_t* in = image.row(y * k + j);
      for (size_t i = 0; i < row; ++i) sums[i] += in[i];
    }
    uint8_t* to = out.row(y);
    for (int x = 0; x < out.width; ++x) {
      uint32_t rgb[3] = {0, 0, 0};
      const uint32_t* from = sums.data() + static_cast<size_t>(x) * k * 3;
      for (int i = 0; i < k; ++i)
        for (int c = 0; c < 3; ++c) rgb[c] += from[3 * i + c];
      for (int c = 0; c < 3; ++c)
        to[3 * x + c] = static_cast<uint8_t>(static_cast<float>(rgb[c]) * scale + 0.5f);
    }
  }
  return out;
}

Affine2 image_from_square(Point2 centre, float side_px, float angle_rad, int size) {
  const float s = side_px / static_cast<float>(size), half = static_cast<float>(size) / 2;
  const float c = std::cos(angle_rad) * s, d = std::sin(angle_rad) * s;
  return {{c, -d, centre.x - c * half + d * half, d, c, centre.y - d * half - c * half}};
}

}  // namespace likeness::face
