// SPDX-License-Identifier: Apache-2.0
// Making the new face look as if the same camera had taken it: sharpness, motion blur, noise.
#include <algorithm>
#include <cmath>

#include "likeness/base/rng.h"
#include "likeness/compose/compose.h"
#include "likeness/compose/internal.h"

namespace likeness::compositing {
namespace {

// Inverse of the normal distribution function at (i + 0.5) / n by Newton on erf, computed once.
constexpr int kQuantiles = 4096;
const std::array<float, kQuantiles>& normal_quantiles() {
  static const std::array<float, kQuantiles> table = [] {
    std::array<float, kQuantiles> t{};
    double z = -3.7, variance = 0;
    for (int i = 0; i < kQuantiles / 2; ++i) {
      const double p = (i + 0.5) / kQuantiles;
      for (int k = 0; k < 50; ++k) {
        const double error = 0.5 * std::erfc(-z / std::sqrt(2.0)) - p;
        const double step = error / (std::exp(-0.5 * z * z) / std::sqrt(2 * 3.14159265358979));
        z -= std::clamp(step, -0.5, 0.5);
        if (std::fabs(step) < 1e-13) break;
      }
      t[i] = static_cast<float>(z);
      t[kQuantiles - 1 - i] = static_cast<float>(-z);
      variance += 2 * z * z / kQuantiles;
    }
    for (float& v : t) v = static_cast<float>(v / std::sqrt(variance));
    return t;
  }();
  return table;
}

uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// Weighted median of |values| by two passes of a histogram: within 0.05 % of the largest bin's
// range.
double weighted_median(const std::vector<float>& values, const std::vector<float>& weights) {
  constexpr int kBins = 2048;
  double low = 0, high = 0, total = 0, below = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    high = std::max<double>(high, values[i]);
    total += weights[i];
  }
  if (!(total > 0) || !(high > 0)) return 0;
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<double> bins(kBins, 0.0);
    const double scale = kBins / (high - low);
    for (size_t i = 0; i < values.size(); ++i) {
      const double at = (values[i] - low) * scale;
      if (at >= 0 && at <= kBins) bins[std::min(kBins - 1, static_cast<int>(at))] += weights[i];
    }
    int k = 0;
    while (k < kBins - 1 && below + bins[k] < total / 2) below += bins[k++];
    const double width = (high - low) / kBins;
    low += k * width;
    high = low + width;
  }
  return 0.5 * (low + high);
}

}  // namespace

void unsharp(ImageF& image, float amount, float radius_px) {
  detail::require_range(amount, -10, 10, "unsharp: amount");
  detail::require_range(radius_px, 0, 1000, "unsharp: radius_px");
  if (image.empty() || amount == 0 || radius_px == 0) return;
  ImageF soft = image;
  detail::gaussian_blur_xy(soft, radius_px, radius_px);
  for (size_t i = 0; i < image.data.size(); ++i)
    image.data[i] += amount * (image.data[i] - soft.data[i]);
}

void motion_blur(ImageF& image, Point2 motion_px) {
  detail::require_range(motion_px.x, -4096, 4096, "motion_blur: motion_px.x");
  detail::require_range(motion_px.y, -4096, 4096, "motion_blur: motion_px.y");
  const float length = std::hypot(motion_px.x, motion_px.y);
  if (image.empty() || length < 0.01f) return;
  const int w = image.width, h = image.height, c = image.channels;
  const int samples = static_cast<int>(std::ceil(length)) + 1;
  ImageF out(w, h, c);
  std::vector<float> line(static_cast<size_t>(w) * c);
  // The exposure is centred on the frame; samples are midpoints of equal parts of it.
  for (int s = 0; s < samples; ++s) {
    const float t = (s + 0.5f) / samples - 0.5f, dx = motion_px.x * t, dy = motion_px.y * t;
    const float fx0 = std::floor(dx), fy0 = std::floor(dy), fx = dx - fx0, fy = dy - fy0;
    for (int y = 0; y < h; ++y) {
      const float* a = image.row(std::clamp(y + static_cast<int>(fy0), 0, h - 1));
      const float* b = image.row(std::clamp(y + static_cast<int>(fy0) + 1, 0, h - 1));
      for (int i = 0; i < w * c; ++i) line[i] = a[i] + fy * (b[i] - a[i]);
      float* to = out.row(y);
      for (int x = 0; x < w; ++x) {
        const int x0 = std::clamp(x + static_cast<int>(fx0), 0, w - 1) * c;
        const int x1 = std::clamp(x + static_cast<int>(fx0) + 1, 0, w - 1) * c;
        for (int k = 0; k < c; ++k)
          to[x * c + k] += line[x0 + k] + fx * (line[x1 + k] - line[x0 + k]);
      }
    }
  }
  for (size_t i = 0; i < out.data.size(); ++i)
    image.data[i] = out.data[i] / static_cast<float>(samples);
}

std::array<float, 3> noise_sigma(const ImageF& image, const ImageF& mask) {
  detail::require_channels(image, 3, 1, "noise_sigma");
  detail::require_channels(mask, 1, 1, "noise_sigma");
  detail::require_same_size(image, mask, "noise_sigma");
  std::array<float, 3> sigma{};
  const int c = image.channels, stride = image.width * c;
  for (int k = 0; k < c; ++k) {
    std::vector<float> values, weights;
    for (int y = 1; y + 1 < image.height; ++y)
      for (int x = 1; x + 1 < image.width; ++x) {
        const float m = mask.at(x, y);
        if (!(m > 0)) continue;
        const float* p = &image.at(x, y, k);
        if (*p <= 0 || *p >= 1) continue;
        const float *a = p - stride, *b = p + stride;
        const float r =
            a[-c] - 2 * a[0] + a[c] - 2 * p[-c] + 4 * p[0] - 2 * p[c] + b[-c] - 2 * b[0] + b[c];
        values.push_back(std::fabs(r));
        weights.push_back(m);
      }
    // |r| of noise sigma has median 0.6745 * 6 sigma: 6 is the norm of the mask (1 2 1; 2 4 2; 1 2
    // 1).
    sigma[k] = static_cast<float>(weighted_median(values, weights) / (0.674490 * 6.0));
  }
  if (c == 1) sigma[1] = sigma[2] = sigma[0];
  return sigma;
}

void add_grain(ImageF& image, const std::array<float, 3>& sigma, uint64_t seed, int64_t frame,
               int x0, int y0) {
  detail::require_channels(image, 3, 1, "add_grain");
  for (float s : sigma) detail::require_range(s, 0, 10, "add_grain: sigma");
  const auto& quantile = normal_quantiles();
  const uint64_t key = Rng(seed, frame, "grain").next();
  const int c = image.channels;
  for (int y = 0; y < image.height; ++y) {
    float* p = image.row(y);
    const uint64_t row =
        mix(key + 0x9e3779b97f4a7c15ull * static_cast<uint64_t>(static_cast<int64_t>(y) + y0 + 1));
    for (int x = 0; x < image.width; ++x, p += c) {
      const uint64_t bits = mix(row + 0x9e3779b97f4a7c15ull *
                                          static_cast<uint64_t>(static_cast<int64_t>(x) + x0 + 1));
      for (int k = 0; k < c; ++k)
        p[k] += sigma[k] * quantile[(bits >> (20 * k)) & (kQuantiles - 1)];
    }
  }
}

}  // namespace likeness::compositing
