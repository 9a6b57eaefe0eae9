// SPDX-License-Identifier: Apache-2.0
// Images and the small geometry every module shares.
// Pixels: RGB (or 1 channel), row-major HxWxC, no padding between rows. uint8 is encoded (0..255),
// float is encoded in [0,1] unless a name says `linear`. Coordinates: x to the right, y down, the
// centre of the top left pixel is (0.5, 0.5), (0, 0) is its outer corner; all in pixels.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace likeness {

template <typename T>
struct ImageT {
  int width = 0;
  int height = 0;
  int channels = 0;
  std::vector<T> data;

  ImageT() = default;
  ImageT(int w, int h, int c, T fill = T{})
      : width(w), height(h), channels(c), data(static_cast<size_t>(w) * h * c, fill) {}
  bool empty() const { return data.empty(); }
  T* row(int y) { return data.data() + static_cast<size_t>(y) * width * channels; }
  const T* row(int y) const { return data.data() + static_cast<size_t>(y) * width * channels; }
  T& at(int x, int y, int c = 0) { return row(y)[static_cast<size_t>(x) * channels + c]; }
  const T& at(int x, int y, int c = 0) const {
    return row(y)[static_cast<size_t>(x) * channels + c];
  }
};
using Image8 = ImageT<uint8_t>;
using ImageF = ImageT<float>;

ImageF to_float(const Image8& image);  ///< /255
Image8 to_uint8(const ImageF& image);  ///< clamps, rounds to nearest

struct Point2 {
  float x = 0, y = 0;
};
struct Point3 {
  float x = 0, y = 0, z = 0;
};
inline Point2 operator+(Point2 a, Point2 b) { return {a.x + b.x, a.y + b.y}; }
inline Point2 operator-(Point2 a, Point2 b) { return {a.x - b.x, a.y - b.y}; }
inline Point2 operator*(Point2 a, float s) { return {a.x * s, a.y * s}; }
inline float distance(Point2 a, Point2 b) { return std::hypot(a.x - b.x, a.y - b.y); }

/// Axis-aligned box in pixels, half-open: [x0, x1) x [y0, y1).
struct Box {
  float x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  float width() const { return x1 - x0; }
  float height() const { return y1 - y0; }
  Point2 centre() const { return {(x0 + x1) / 2, (y0 + y1) / 2}; }
  float area() const { return std::fmax(0.f, width()) * std::fmax(0.f, height()); }
};
float intersection_over_union(const Box& a, const Box& b);

/// Integer rectangle, half-open.
struct Rect {
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  int width() const { return x1 - x0; }
  int height() const { return y1 - y0; }
  bool empty() const { return x1 <= x0 || y1 <= y0; }
};
/// Smallest pixel rectangle that holds the box grown by `margin_px`, clipped to the image.
Rect clip_rect(const Box& box, float margin_px, int width, int height);

/// 2x3 affine map. Name variables target_from_source: crop_from_image maps image points to the
/// crop.
struct Affine2 {
  // x' = m[0] x + m[1] y + m[2];  y' = m[3] x + m[4] y + m[5]
  std::array<float, 6> m{1, 0, 0, 0, 1, 0};
  Point2 operator()(Point2 p) const {
    return {m[0] * p.x + m[1] * p.y + m[2], m[3] * p.x + m[4] * p.y + m[5]};
  }
  Affine2 inverse() const;
  float scale() const { return std::sqrt(std::fabs(m[0] * m[4] - m[1] * m[3])); }
};
/// (a after b): the map p -> a(b(p)).
Affine2 compose(const Affine2& a, const Affine2& b);

}  // namespace likeness
