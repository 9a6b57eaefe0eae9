// SPDX-License-Identifier: Apache-2.0
#include "likeness/compose/transport.h"

#include <algorithm>
#include <cmath>

#include <Eigen/Dense>

#include "likeness/base/rng.h"
#include "likeness/compose/compose.h"
#include "likeness/compose/internal.h"

namespace likeness::compositing::detail {
namespace {

constexpr int kBins = 512;
constexpr uint64_t kSeed = 0x1d7;

struct Samples {
  std::vector<float> rgb;  // three planes of n
  std::vector<float> weight;
  size_t n = 0;
};

Samples gather(const ImageF& image, const ImageF& mask) {
  Samples s;
  for (float m : mask.data) s.n += m > 0;
  s.rgb.resize(3 * s.n);
  s.weight.reserve(s.n);
  for (size_t i = 0; i < mask.data.size(); ++i) {
    if (!(mask.data[i] > 0)) continue;
    for (int c = 0; c < 3; ++c) s.rgb[c * s.n + s.weight.size()] = image.data[i * 3 + c];
    s.weight.push_back(mask.data[i]);
  }
  return s;
}

void project(const Samples& s, const Eigen::Vector3f& d, std::vector<float>& out) {
  out.resize(s.n);
  const float *r = s.rgb.data(), *g = r + s.n, *b = g + s.n;
  for (size_t i = 0; i < s.n; ++i) out[i] = d(0) * r[i] + d(1) * g[i] + d(2) * b[i];
}

// Cumulative weight at the kBins + 1 edges, from 0 to 1.
std::vector<double> cumulative(const std::vector<float>& values, const std::vector<float>& weights,
                               float low, float scale) {
  std::vector<double> edges(kBins + 1, 0.0);
  for (size_t i = 0; i < values.size(); ++i)
    edges[1 + std::clamp(static_cast<int>((values[i] - low) * scale), 0, kBins - 1)] += weights[i];
  for (int k = 0; k < kBins; ++k) edges[k + 1] += edges[k];
  const double total = edges[kBins];
  for (double& e : edges) e /= total;
  return edges;
}

// Monotone map of the values of one distribution onto another, linear inside each bin. Where a
// distribution is empty its inverse jumps, so each bin keeps the limits from inside: equal
// distributions map to themselves.
struct Matcher {
  float low = 0, scale = 0;
  std::vector<float> from, to;  // image of a bin's two edges

  Matcher(const std::vector<float>& source, const std::vector<float>& source_weight,
          const std::vector<float>& reference, const std::vector<float>& reference_weight)
      : from(kBins), to(kBins) {
    auto [a, b] = std::minmax_element(source.begin(), source.end());
    auto [c, d] = std::minmax_element(reference.begin(), reference.end());
    low = std::min(*a, *c);
    const float range = std::max(std::max(*b, *d) - low, 1e-6f);
    scale = kBins / range;
    const std::vector<double> s = cumulative(source, source_weight, low, scale);
    const std::vector<double> r = cumulative(reference, reference_weight, low, scale);
    auto at = [&](int k, double p) {  // point inside reference bin k (occupied) where r reaches p
      return low +
             static_cast<float>((k + std::clamp((p - r[k]) / (r[k + 1] - r[k]), 0.0, 1.0)) / scale);
    };
    for (int k = 0; k < kBins; ++k) {
      // Lower edge: first bin that rises above s[k]. Upper edge: first bin that reaches s[k + 1].
      int up = static_cast<int>(std::upper_bound(r.begin(), r.end(), s[k]) - r.begin()) - 1;
      int reach = static_cast<int>(std::lower_bound(r.begin(), r.end(), s[k + 1]) - r.begin()) - 1;
      auto occupied = [&](int j) { return j >= 0 && j < kBins && r[j + 1] > r[j]; };
      if (!occupied(up)) {  // s[k] is 1 already: behind the last occupied bin
        up = kBins - 1;
        while (up > 0 && !occupied(up)) --up;
      }
      if (!occupied(reach)) {
        reach = 0;
        while (reach < kBins - 1 && !occupied(reach)) ++reach;
      }
      from[k] = at(up, s[k]);
      to[k] = std::max(from[k], at(reach, s[k + 1]));
    }
  }

  float operator()(float v) const {
    const float t = (v - low) * scale;
    const int k = std::clamp(static_cast<int>(t), 0, kBins - 1);
    return from[k] + (to[k] - from[k]) * std::clamp(t - k, 0.0f, 1.0f);
  }
};

// Random rotation, uniform: normalised Gaussian quaternion.
Eigen::Matrix3f random_rotation(Rng& rng) {
  Eigen::Quaternionf q(rng.normal(), rng.normal(), rng.normal(), rng.normal());
  return q.normalized().toRotationMatrix();
}

// Adds `step` times the displacement of every rotation's three axes; all see the same starting
// point.
void advect(Samples& source, const Samples& reference,
            const std::vector<Eigen::Matrix3f>& rotations, float step) {
  Samples moved = source;
  std::vector<float> p, q;
  for (const Eigen::Matrix3f& rotation : rotations)
    for (int axis = 0; axis < 3; ++axis) {
      const Eigen::Vector3f d = rotation.row(axis).transpose();
      project(source, d, p);
      project(reference, d, q);
      const Matcher match(p, source.weight, q, reference.weight);
      for (size_t i = 0; i < source.n; ++i) p[i] = step * (match(p[i]) - p[i]);
      for (int c = 0; c < 3; ++c) {
        float* out = moved.rgb.data() + c * source.n;
        const float k = d(c);
        for (size_t i = 0; i < source.n; ++i) out[i] += k * p[i];
      }
    }
  source.rgb.swap(moved.rgb);
}

// Guided filter of the displacement with the source's luma as guide, all means taken under the
// mask.
void smooth_displacement(const ImageF& source, const ImageF& mask, ImageF& shift) {
  const float sigma =
      std::max(1.5f, static_cast<float>(std::min(source.width, source.height)) / 64.0f);
  constexpr float kEps = 4e-4f;
  const int w = source.width, h = source.height;
  const size_t pixels = mask.data.size();
  // planes: m, m I, m I^2, m D_c, m I D_c
  ImageF sums(w, h, 9), line(w, h, 7);
  std::vector<float> luma(pixels);
  for (size_t i = 0; i < pixels; ++i) {
    const float* p = &source.data[i * 3];
    const float m = std::max(0.0f, mask.data[i]);
    luma[i] = 0.2126f * p[0] + 0.7152f * p[1] + 0.0722f * p[2];
    float* s = &sums.data[i * 9];
    s[0] = m, s[1] = m * luma[i], s[2] = s[1] * luma[i];
    for (int c = 0; c < 3; ++c) s[3 + c] = m * shift.data[i * 3 + c], s[6 + c] = s[3 + c] * luma[i];
  }
  gaussian_blur_xy(sums, sigma, sigma);
  for (size_t i = 0; i < pixels; ++i) {
    const float m = std::max(0.0f, mask.data[i]);
    if (!(m > 0)) continue;
    const float *s = &sums.data[i * 9], n = 1 / std::max(s[0], 1e-6f);
    const float mean = s[1] * n, variance = std::max(0.0f, s[2] * n - mean * mean);
    float* l = &line.data[i * 7];
    l[0] = m;
    for (int c = 0; c < 3; ++c) {
      const float d = s[3 + c] * n, slope = (s[6 + c] * n - mean * d) / (variance + kEps);
      l[1 + c] = m * slope;
      l[4 + c] = m * (d - slope * mean);
    }
  }
  gaussian_blur_xy(line, sigma, sigma);
  for (size_t i = 0; i < pixels; ++i) {
    if (!(mask.data[i] > 0)) continue;
    const float *l = &line.data[i * 7], n = 1 / std::max(l[0], 1e-6f);
    for (int c = 0; c < 3; ++c) shift.data[i * 3 + c] = n * (l[1 + c] * luma[i] + l[4 + c]);
  }
}

}  // namespace

ImageF transport_colors(const ImageF& source, const ImageF& source_mask, const ImageF& reference,
                        const ImageF& reference_mask, bool sliced) {
  Samples from = gather(source, source_mask);
  const Samples to = gather(reference, reference_mask);
  if (from.n == 0 || to.n == 0) return source;
  Rng rng(kSeed, 0, sliced ? "sot" : "idt");
  if (sliced) {
    for (int step = 0; step < 10; ++step) {
      std::vector<Eigen::Matrix3f> rotations(4);
      for (auto& r : rotations) r = random_rotation(rng);
      advect(from, to, rotations, 1.0f / static_cast<float>(rotations.size()));
    }
  } else {
    advect(from, to, {Eigen::Matrix3f::Identity()}, 1.0f);
    for (int k = 1; k < 20; ++k) advect(from, to, {random_rotation(rng)}, 1.0f);
  }
  ImageF shift(source.width, source.height, 3), out = source;
  for (size_t i = 0, k = 0; i < source_mask.data.size(); ++i) {
    if (!(source_mask.data[i] > 0)) continue;
    for (int c = 0; c < 3; ++c)
      shift.data[i * 3 + c] = from.rgb[c * from.n + k] - source.data[i * 3 + c];
    ++k;
  }
  smooth_displacement(source, source_mask, shift);
  for (size_t i = 0; i < source_mask.data.size(); ++i)
    if (source_mask.data[i] > 0)
      for (int c = 0; c < 3; ++c) out.data[i * 3 + c] += shift.data[i * 3 + c];
  return out;
}

}  // namespace likeness::compositing::detail
