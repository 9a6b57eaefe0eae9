// SPDX-License-Identifier: Apache-2.0
#include "likeness/train/augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace likeness::train {
namespace {

/// N(0,1) cut at 2.5 and divided by 2.5: in [-1, 1].
float bounded_normal(Rng& rng) {
  float v = rng.normal();
  while (std::fabs(v) > 2.5f) v = rng.normal();
  return v / 2.5f;
}

constexpr float kByte = 1.0f / 255.0f;

void copy_planes(const uint8_t* source, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(source[i]) * kByte;
}

}  // namespace

Augmentation draw_augmentation(const TrainOptions& o, int side, Rng& rng) {
  Augmentation a;
  // The draws are always made, so that switching one kind off leaves the others as they were.
  const float angle =
      rng.uniform(-1, 1) * static_cast<float>(o.rotation_deg * std::numbers::pi / 180);
  const float zoom_by = static_cast<float>(1 + o.zoom);
  const float zoom = rng.uniform(1 / zoom_by, zoom_by);
  const float dx = rng.uniform(-1, 1) * static_cast<float>(o.shift * side);
  const float dy = rng.uniform(-1, 1) * static_cast<float>(o.shift * side);
  const bool flip = rng.uniform() < static_cast<float>(o.flip);
  a.affine = flip || o.rotation_deg > 0 || o.zoom > 0 || o.shift > 0;
  const float centre = static_cast<float>(side - 1) / 2, c = std::cos(angle) / zoom,
              s = std::sin(angle) / zoom;
  const float mirror = flip ? -1.0f : 1.0f;
  a.source_from_output.m = {c * mirror,  s, centre + dx - c * mirror * centre - s * centre,
                            -s * mirror, c, centre + dy + s * mirror * centre - c * centre};
  const int cells = 2 << rng.below(3);  // 2, 4 or 8
  if (o.random_warp && side >= 16) {
    a.cells = cells;
    a.bend_px.assign(static_cast<size_t>(cells + 1) * (cells + 1), Point2{});
    const float reach = 0.24f * static_cast<float>(side) / static_cast<float>(cells);
    for (int y = 1; y < cells; ++y)
      for (int x = 1; x < cells; ++x)
        a.bend_px[static_cast<size_t>(y) * (cells + 1) + x] = {reach * bounded_normal(rng),
                                                               reach * bounded_normal(rng)};
  }
  if (o.colour > 0) {
    const float amount = static_cast<float>(o.colour);
    const float gain = 1 + rng.uniform(-1, 1) * amount, offset = rng.uniform(-1, 1) * amount * 0.5f;
    for (int k = 0; k < 3; ++k) {
      a.gain[k] = gain * (1 + rng.uniform(-1, 1) * amount * 0.5f);
      a.offset[k] = offset;
    }
  }
  return a;
}

void affine_map(const Augmentation& a, int side, SampleMap& map) {
  map.identity = !a.affine;
  if (map.identity) return;
  map.x.resize(static_cast<size_t>(side) * side);
  map.y.resize(map.x.size());
  const auto& m = a.source_from_output.m;
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      const size_t i = static_cast<size_t>(y) * side + x;
      map.x[i] = m[0] * static_cast<float>(x) + m[1] * static_cast<float>(y) + m[2];
      map.y[i] = m[3] * static_cast<float>(x) + m[4] * static_cast<float>(y) + m[5];
    }
}

void bent_map(const Augmentation& a, int side, SampleMap& map) {
  affine_map(a, side, map);
  if (a.cells == 0) return;
  if (map.identity) {
    Augmentation straight = a;
    straight.source_from_output = Affine2{};
    straight.affine = true;
    affine_map(straight, side, map);
  }
  const float scale = static_cast<float>(a.cells) / static_cast<float>(side - 1);
  const float last = static_cast<float>(a.cells) - 1e-3f;
  const int pitch = a.cells + 1;
  for (size_t i = 0; i < map.x.size(); ++i) {
    const float gx = std::clamp(map.x[i] * scale, 0.0f, last),
                gy = std::clamp(map.y[i] * scale, 0.0f, last);
    const int cx = static_cast<int>(gx), cy = static_cast<int>(gy);
    const float fx = gx - static_cast<float>(cx), fy = gy - static_cast<float>(cy);
    const Point2* node = a.bend_px.data() + static_cast<size_t>(cy) * pitch + cx;
    const Point2 top = node[0] * (1 - fx) + node[1] * fx,
                 bottom = node[pitch] * (1 - fx) + node[pitch + 1] * fx;
    map.x[i] += top.x * (1 - fy) + bottom.x * fy;
    map.y[i] += top.y * (1 - fy) + bottom.y * fy;
  }
}

void sample_bilinear(const uint8_t* source, int planes, int side, const SampleMap& map,
                     bool zero_outside, float* out) {
  const int64_t n = static_cast<int64_t>(side) * side;
  if (map.identity) return copy_planes(source, n * planes, out);
  const float last = static_cast<float>(side - 1);
  for (int64_t i = 0; i < n; ++i) {
    const float px = std::clamp(map.x[i], 0.0f, last), py = std::clamp(map.y[i], 0.0f, last);
    const bool outside =
        zero_outside && (std::fabs(px - map.x[i]) > 0.5f || std::fabs(py - map.y[i]) > 0.5f);
    const int x0 = std::min(static_cast<int>(px), side - 2),
              y0 = std::min(static_cast<int>(py), side - 2);
    const float fx = px - static_cast<float>(x0), fy = py - static_cast<float>(y0);
    const float k = outside ? 0.0f : kByte;
    const float w00 = (1 - fx) * (1 - fy) * k, w01 = fx * (1 - fy) * k, w10 = (1 - fx) * fy * k,
                w11 = fx * fy * k;
    const uint8_t* p = source + static_cast<int64_t>(y0) * side + x0;
    for (int c = 0; c < planes; ++c, p += n)
      out[c * n + i] = w00 * static_cast<float>(p[0]) + w01 * static_cast<float>(p[1]) +
                       w10 * static_cast<float>(p[side]) + w11 * static_cast<float>(p[side + 1]);
  }
}

namespace {
/// Catmull-Rom weights of the four neighbours at distance f past the second.
std::array<float, 4> cubic(float f) {
  return {f * (-0.5f + f * (1 - 0.5f * f)), 1 + f * f * (-2.5f + 1.5f * f),
          f * (0.5f + f * (2 - 1.5f * f)), f * f * (-0.5f + 0.5f * f)};
}
}  // namespace

void sample_bicubic(const uint8_t* source, int planes, int side, const SampleMap& map, float* out) {
  const int64_t n = static_cast<int64_t>(side) * side;
  if (map.identity) return copy_planes(source, n * planes, out);
  const float last = static_cast<float>(side - 1);
  for (int64_t i = 0; i < n; ++i) {
    const float px = std::clamp(map.x[i], 0.0f, last), py = std::clamp(map.y[i], 0.0f, last);
    const int x0 = static_cast<int>(px), y0 = static_cast<int>(py);
    const auto wx = cubic(px - static_cast<float>(x0)), wy = cubic(py - static_cast<float>(y0));
    std::array<int, 4> column;
    std::array<int64_t, 4> row;
    for (int k = 0; k < 4; ++k) {
      column[k] = std::clamp(x0 + k - 1, 0, side - 1);
      row[k] = static_cast<int64_t>(std::clamp(y0 + k - 1, 0, side - 1)) * side;
    }
    const uint8_t* p = source;
    for (int c = 0; c < planes; ++c, p += n) {
      float sum = 0;
      for (int r = 0; r < 4; ++r) {
        const uint8_t* line = p + row[r];
        sum += wy[r] * (wx[0] * static_cast<float>(line[column[0]]) +
                        wx[1] * static_cast<float>(line[column[1]]) +
                        wx[2] * static_cast<float>(line[column[2]]) +
                        wx[3] * static_cast<float>(line[column[3]]));
      }
      out[c * n + i] = std::clamp(sum * kByte, 0.0f, 1.0f);
    }
  }
}

void recolour(const Augmentation& a, int side, float* rgb) {
  const int64_t n = static_cast<int64_t>(side) * side;
  for (int c = 0; c < 3; ++c)
    for (int64_t i = 0; i < n; ++i)
      rgb[c * n + i] = std::clamp(rgb[c * n + i] * a.gain[c] + a.offset[c], 0.0f, 1.0f);
}

}  // namespace likeness::train
