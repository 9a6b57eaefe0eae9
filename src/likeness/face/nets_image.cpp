// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/nets_image.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "likeness/base/error.h"

namespace likeness::face {
namespace {

typedef float Float4 __attribute__((vector_size(16)));
typedef int32_t Int4 __attribute__((vector_size(16)));

inline Float4 load_pixel(const uint8_t* p) {  // reads one byte beyond the pixel
  int32_t bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  const Int4 lanes = (Int4{bytes, bytes, bytes, bytes} >> Int4{0, 8, 16, 24}) & 255;
  return __builtin_convertvector(lanes, Float4);
}

/// Bilinear sample of a pixel near or beyond the edge.
Float4 edge_sample(const Image8& image, int x0, int y0, float wx, float wy) {
  Float4 sum = {};
  for (int dy = 0; dy < 2; ++dy) {
    for (int dx = 0; dx < 2; ++dx) {
      const int sx = x0 + dx, sy = y0 + dy;
      if (sx < 0 || sy < 0 || sx >= image.width || sy >= image.height) continue;
      const float w = (dx ? wx : 1 - wx) * (dy ? wy : 1 - wy);
      const uint8_t* p = image.row(sy) + 3 * static_cast<ptrdiff_t>(sx);
      for (int c = 0; c < 3; ++c) sum[c] += p[c] * w;
    }
  }
  return sum;
}

/// Bilinear sample at (px, py), counted from the centre of the top left pixel; three lanes are
/// used.
inline Float4 sample(const Image8& image, float px, float py) {
  const float fx = std::floor(px), fy = std::floor(py);
  const int x0 = static_cast<int>(fx), y0 = static_cast<int>(fy);
  const float wx = px - fx, wy = py - fy;
  if (x0 < 0 || y0 < 0 || x0 + 2 >= image.width || y0 + 1 >= image.height) [[unlikely]]
    return edge_sample(image, x0, y0, wx, wy);
  const uint8_t* a = image.data.data() + 3 * (static_cast<ptrdiff_t>(y0) * image.width + x0);
  const uint8_t* b = a + 3 * static_cast<ptrdiff_t>(image.width);
  const Float4 top = load_pixel(a) * (1 - wx) + load_pixel(a + 3) * wx;
  const Float4 bottom = load_pixel(b) * (1 - wx) + load_pixel(b + 3) * wx;
  return top * (1 - wy) + bottom * wy;
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
  const float w = static_cast<float>(image.width) + 2, h = static_cast<float>(image.height) + 2;
  for (int y = 0; y < height; ++y) {
    float* to = out.data() + static_cast<ptrdiff_t>(y) * width * 3;
    for (int x = 0; x < width; ++x, to += 3) {
      Float4 sum = {};
      for (int j = 0; j < n; ++j) {
        const float cy = static_cast<float>(y) + (static_cast<float>(j) + 0.5f) * step;
        for (int i = 0; i < n; ++i) {
          const float cx = static_cast<float>(x) + (static_cast<float>(i) + 0.5f) * step;
          const float px = m[0] * cx + m[1] * cy + m[2] - 0.5f;  // pixel centres lie at halves
          const float py = m[3] * cx + m[4] * cy + m[5] - 0.5f;
          if (px > -2 && py > -2 && px < w && py < h) sum += sample(image, px, py);
        }
      }
      for (int c = 0; c < 3; ++c) to[c] = sum[c] * weight - norm.mean[c] * norm.scale;
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
