// SPDX-License-Identifier: Apache-2.0
#include "likeness/evaluate/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "likeness/base/error.h"

namespace likeness::evaluate {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int kRadius = 5;

void check(const Image8& a, const Image8& b, const ImageF& mask, const char* name) {
  const bool fits = a.width == b.width && a.height == b.height && a.width == mask.width &&
                    a.height == mask.height && a.channels == 3 && b.channels == 3 &&
                    mask.channels == 1;
  if (!fits)
    throw Error(ErrorCode::kUsage,
                std::string(name) + ": the images do not have one size and three channels",
                "compare frames of the same size");
}

Rect masked_rect(const ImageF& mask) {
  Rect r{mask.width, mask.height, 0, 0};
  for (int y = 0; y < mask.height; ++y) {
    const float* m = mask.row(y);
    for (int x = 0; x < mask.width; ++x)
      if (m[x] > 0.5f) {
        r.x0 = std::min(r.x0, x), r.x1 = std::max(r.x1, x + 1);
        r.y0 = std::min(r.y0, y), r.y1 = y + 1;
      }
  }
  return r.empty() ? Rect{} : r;
}

std::array<float, 2 * kRadius + 1> window() {
  std::array<float, 2 * kRadius + 1> w{};
  double sum = 0;
  for (int i = -kRadius; i <= kRadius; ++i) sum += std::exp(-i * i / (2 * 1.5 * 1.5));
  for (int i = -kRadius; i <= kRadius; ++i)
    w[i + kRadius] = static_cast<float>(std::exp(-i * i / (2 * 1.5 * 1.5)) / sum);
  return w;
}

constexpr int kPlanes = 5;       // x, y, xx, yy, xy
constexpr float kMiddle = 0.5f;  // taken off luma: small moments, exact differences of them

// Luma moments of one row, planes one after another, columns [x0 - kRadius, x1 + kRadius)
// replicated.
void moment_row(const Image8& a, const Image8& b, int y, Rect r, std::vector<float>& out) {
  const int n = r.width() + 2 * kRadius;
  out.resize(static_cast<size_t>(kPlanes) * n);
  const uint8_t *pa = a.row(y), *pb = b.row(y);
  auto luma = [](const uint8_t* p) {
    return (0.2126f * p[0] + 0.7152f * p[1] + 0.0722f * p[2]) * (1.0f / 255.0f) - kMiddle;
  };
  for (int i = 0; i < n; ++i) {
    const int x = std::clamp(r.x0 - kRadius + i, 0, a.width - 1) * 3;
    const float u = luma(pa + x), v = luma(pb + x);
    out[i] = u, out[n + i] = v, out[2 * n + i] = u * u, out[3 * n + i] = v * v,
    out[4 * n + i] = u * v;
  }
}

}  // namespace

double masked_mse(const Image8& a, const Image8& b, const ImageF& mask) {
  check(a, b, mask, "masked_mse");
  int64_t sum = 0, count = 0;
  for (size_t i = 0; i < mask.data.size(); ++i) {
    if (!(mask.data[i] > 0.5f)) continue;
    for (int c = 0; c < 3; ++c) {
      const int d = a.data[i * 3 + c] - b.data[i * 3 + c];
      sum += d * d;
    }
    count += 3;
  }
  return count ? static_cast<double>(sum) / static_cast<double>(count) : kNone;
}

double psnr_of_mse(double mse) {
  if (std::isnan(mse)) return kNone;
  return mse > 0 ? std::min(kPsnrCap, 10 * std::log10(255.0 * 255.0 / mse)) : kPsnrCap;
}

double masked_ssim(const Image8& a, const Image8& b, const ImageF& mask) {
  check(a, b, mask, "masked_ssim");
  const Rect r = masked_rect(mask);
  if (r.empty()) return kNone;
  static const auto kWindow = window();
  constexpr float kC1 = 0.01f * 0.01f, kC2 = 0.03f * 0.03f;
  const int n = r.width(), padded = n + 2 * kRadius, ring_rows = 2 * kRadius + 1;
  // A ring of the last eleven rows, already filtered along x: memory does not grow with the height.
  std::vector<float> ring(static_cast<size_t>(ring_rows) * kPlanes * n), row, sums(kPlanes * n);
  double total = 0;
  int64_t count = 0;
  for (int in = r.y0 - kRadius; in < r.y1 + kRadius; ++in) {
    moment_row(a, b, std::clamp(in, 0, a.height - 1), r, row);
    float* filtered =
        ring.data() + static_cast<size_t>((in - r.y0 + kRadius) % ring_rows) * kPlanes * n;
    for (int p = 0; p < kPlanes; ++p)
      for (int x = 0; x < n; ++x) {
        float s = 0;
        for (int k = 0; k < ring_rows; ++k)
          s += kWindow[k] * row[static_cast<size_t>(p) * padded + x + k];
        filtered[static_cast<size_t>(p) * n + x] = s;
      }
    const int y = in - kRadius;
    if (y < r.y0) continue;
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (int k = 0; k < ring_rows; ++k) {
      const float* line =
          ring.data() + static_cast<size_t>((y - r.y0 + k) % ring_rows) * kPlanes * n;
      for (int i = 0; i < kPlanes * n; ++i) sums[i] += kWindow[k] * line[i];
    }
    const float* m = mask.row(y) + r.x0;
    for (int x = 0; x < n; ++x) {
      if (!(m[x] > 0.5f)) continue;
      const float p = sums[x], q = sums[n + x], u = p + kMiddle, v = q + kMiddle;
      const float pp = sums[2 * n + x] - p * p, qq = sums[3 * n + x] - q * q,
                  pq = sums[4 * n + x] - p * q;
      total += (2 * u * v + kC1) * (2 * pq + kC2) / ((u * u + v * v + kC1) * (pp + qq + kC2));
      ++count;
    }
  }
  return total / static_cast<double>(count);
}

std::array<double, 3> masked_mean_difference(const Image8& a, const Image8& b, const ImageF& mask) {
  check(a, b, mask, "masked_mean_difference");
  double sum[3] = {}, weight = 0;
  for (size_t i = 0; i < mask.data.size(); ++i) {
    if (!(mask.data[i] > 0)) continue;
    weight += mask.data[i];
    for (int c = 0; c < 3; ++c) sum[c] += mask.data[i] * (a.data[i * 3 + c] - b.data[i * 3 + c]);
  }
  if (!(weight > 0)) return {kNone, kNone, kNone};
  return {sum[0] / weight, sum[1] / weight, sum[2] / weight};
}

double block_difference(const Image8& a, const Image8& b, const ImageF& mask) {
  check(a, b, mask, "block_difference");
  constexpr int kBlock = 4;
  double total = 0;
  int64_t count = 0;
  for (int y = 0; y + kBlock <= a.height; y += kBlock)
    for (int x = 0; x + kBlock <= a.width; x += kBlock) {
      if (!(mask.at(x + kBlock / 2, y + kBlock / 2) > 0.5f)) continue;
      int sum[3] = {};
      for (int j = 0; j < kBlock; ++j) {
        const uint8_t *p = &a.at(x, y + j), *q = &b.at(x, y + j);
        for (int i = 0; i < kBlock; ++i, p += 3, q += 3)
          for (int c = 0; c < 3; ++c) sum[c] += p[c] - q[c];
      }
      for (int s : sum) total += std::abs(s) / static_cast<double>(kBlock * kBlock);
      count += 3;
    }
  return count ? total / static_cast<double>(count) : kNone;
}

}  // namespace likeness::evaluate
