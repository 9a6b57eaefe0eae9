// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/image.h"

#include <algorithm>

namespace likeness {

ImageF to_float(const Image8& image) {
  ImageF out(image.width, image.height, image.channels);
  for (size_t i = 0; i < image.data.size(); ++i) out.data[i] = image.data[i] * (1.0f / 255.0f);
  return out;
}

Image8 to_uint8(const ImageF& image) {
  Image8 out(image.width, image.height, image.channels);
  for (size_t i = 0; i < image.data.size(); ++i)
    out.data[i] = static_cast<uint8_t>(std::clamp(image.data[i], 0.0f, 1.0f) * 255.0f + 0.5f);
  return out;
}

float intersection_over_union(const Box& a, const Box& b) {
  Box inner{std::max(a.x0, b.x0), std::max(a.y0, b.y0), std::min(a.x1, b.x1), std::min(a.y1, b.y1)};
  if (inner.x1 <= inner.x0 || inner.y1 <= inner.y0) return 0;
  float shared = inner.area();
  return shared / (a.area() + b.area() - shared);
}

Rect clip_rect(const Box& box, float margin_px, int width, int height) {
  auto bound = [](float v, int limit) {
    return static_cast<int>(std::clamp(v, 0.0f, static_cast<float>(limit)));
  };
  return {
      bound(std::floor(box.x0 - margin_px), width), bound(std::floor(box.y0 - margin_px), height),
      bound(std::ceil(box.x1 + margin_px), width), bound(std::ceil(box.y1 + margin_px), height)};
}

Affine2 Affine2::inverse() const {
  double det = static_cast<double>(m[0]) * m[4] - static_cast<double>(m[1]) * m[3];
  Affine2 r;
  if (det == 0) return r;
  double a = m[4] / det, b = -m[1] / det, c = -m[3] / det, d = m[0] / det;
  r.m = {static_cast<float>(a), static_cast<float>(b), static_cast<float>(-(a * m[2] + b * m[5])),
         static_cast<float>(c), static_cast<float>(d), static_cast<float>(-(c * m[2] + d * m[5]))};
  return r;
}

Affine2 compose(const Affine2& a, const Affine2& b) {
  Affine2 r;
  r.m = {a.m[0] * b.m[0] + a.m[1] * b.m[3],          a.m[0] * b.m[1] + a.m[1] * b.m[4],
         a.m[0] * b.m[2] + a.m[1] * b.m[5] + a.m[2], a.m[3] * b.m[0] + a.m[4] * b.m[3],
         a.m[3] * b.m[1] + a.m[4] * b.m[4],          a.m[3] * b.m[2] + a.m[4] * b.m[5] + a.m[5]};
  return r;
}

}  // namespace likeness
