// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/loss_kernel.h"

#include <algorithm>
#include <cmath>

namespace likeness::nets {
namespace {

constexpr float kC1 = 0.01f * 0.01f, kC2 = 0.03f * 0.03f;

constexpr int kBlock = 32;  // floats summed in registers at a time

/// out[i] = sum_j taps[j] * in[i + j * step] for i < n. May write up to kBlock - 1 floats past the
/// end and read as far: buffers are padded, and rows are written in order.
void correlate(const float* in, long step, const float* taps, int k, int n, float* out) {
  for (int begin = 0; begin < n; begin += kBlock) {
    float sum[kBlock];
    for (int i = 0; i < kBlock; ++i) sum[i] = taps[0] * in[begin + i];
    for (int j = 1; j < k; ++j) {
      const float* from = in + begin + j * step;
      const float tap = taps[j];
      for (int i = 0; i < kBlock; ++i) sum[i] += tap * from[i];
    }
    for (int i = 0; i < kBlock; ++i) out[begin + i] = sum[i];
  }
}

/// out (valid x valid) = separable correlation of in (side x side); tmp: valid x side.
void blur(const float* in, int side, const std::vector<float>& taps, float* tmp, float* out) {
  const int k = static_cast<int>(taps.size()), valid = side - k + 1;
  for (int y = 0; y < valid; ++y)
    correlate(in + static_cast<long>(y) * side, side, taps.data(), k, side,
              tmp + static_cast<long>(y) * side);
  for (int y = 0; y < valid; ++y)
    correlate(tmp + static_cast<long>(y) * side, 1, taps.data(), k, valid,
              out + static_cast<long>(y) * valid);
}

/// The transpose of blur: out (side x side) from in (valid x valid). The window is symmetric, so it
/// is the same correlation over the input with zeros around it. `padded` holds side + k - 1 rows of
/// side, `line` one row of those.
void blur_transposed(const float* in, int side, const std::vector<float>& taps, float* padded,
                     float* line, float* out) {
  const int k = static_cast<int>(taps.size()), valid = side - k + 1, border = k - 1;
  std::fill(padded, padded + static_cast<long>(border) * side, 0.0f);
  std::fill(line, line + side + border + kBlock, 0.0f);
  for (int y = 0; y < valid; ++y) {
    std::copy(in + static_cast<long>(y) * valid, in + static_cast<long>(y + 1) * valid,
              line + border);
    correlate(line, 1, taps.data(), k, side, padded + static_cast<long>(y + border) * side);
  }
  float* after = padded + static_cast<long>(valid + border) * side;
  std::fill(after, after + static_cast<long>(border) * side, 0.0f);
  for (int y = 0; y < side; ++y)
    correlate(padded + static_cast<long>(y) * side, side, taps.data(), k, side,
              out + static_cast<long>(y) * side);
}

struct Planes {
  float *x, *y, *grad, *product, *mu_x, *mu_y, *e_xy, *e_sq, *wide, *tmp, *line;
};

/// tmp comes last but one: it is the largest (side + border rows).
Planes carve(PlaneScratch& scratch, int side) {
  const size_t n = static_cast<size_t>(side) * side + kBlock;
  const size_t tmp = 2 * n, line = 2 * static_cast<size_t>(side) + 2 * kBlock;
  scratch.values.resize(9 * n + tmp + line);
  float* p = scratch.values.data();
  return {p,         p + n,     p + 2 * n, p + 3 * n, p + 4 * n,      p + 5 * n,
          p + 6 * n, p + 7 * n, p + 8 * n, p + 9 * n, p + 9 * n + tmp};
}

/// Adds the gradient of weight * (1 - mean SSIM(x, y)) / 2 to p.grad and gives the value.
double add_dssim(const Planes& p, int side, const std::vector<float>& taps, float weight) {
  const int valid = side - static_cast<int>(taps.size()) + 1;
  const long n = static_cast<long>(side) * side, positions = static_cast<long>(valid) * valid;
  blur(p.x, side, taps, p.tmp, p.mu_x);
  blur(p.y, side, taps, p.tmp, p.mu_y);
  for (long i = 0; i < n; ++i) p.product[i] = p.x[i] * p.y[i];
  blur(p.product, side, taps, p.tmp, p.e_xy);
  for (long i = 0; i < n; ++i) p.product[i] = p.x[i] * p.x[i] + p.y[i] * p.y[i];
  blur(p.product, side, taps, p.tmp, p.e_sq);
  const float scale = -0.5f * weight / static_cast<float>(positions);
  double sum = 0;
  for (int row = 0; row < valid; ++row) {
    float row_sum = 0;
    const long begin = static_cast<long>(row) * valid;
#pragma omp simd reduction(+ : row_sum)
    for (long i = begin; i < begin + valid; ++i) {
      const float mx = p.mu_x[i], my = p.mu_y[i], mxy = mx * my, msq = mx * mx + my * my;
      const float a1 = 2 * mxy + kC1, b1 = msq + kC1;
      const float a2 = 2 * (p.e_xy[i] - mxy) + kC2, b2 = std::max(p.e_sq[i] - msq, 0.0f) + kC2;
      const float inverse = 1 / (b1 * b2), s = a1 * a2 * inverse;
      row_sum += s;
      p.mu_x[i] = scale * (2 * my * (a2 - a1) * inverse + 2 * mx * s * (b1 - b2) * inverse);
      p.e_xy[i] = scale * 2 * a1 * inverse;
      p.e_sq[i] = -scale * s * b1 * inverse;
    }
    sum += row_sum;
  }
  blur_transposed(p.mu_x, side, taps, p.tmp, p.line, p.wide);
  for (long i = 0; i < n; ++i) p.grad[i] += p.wide[i];
  blur_transposed(p.e_xy, side, taps, p.tmp, p.line, p.wide);
  for (long i = 0; i < n; ++i) p.grad[i] += p.wide[i] * p.y[i];
  blur_transposed(p.e_sq, side, taps, p.tmp, p.line, p.wide);
  for (long i = 0; i < n; ++i) p.grad[i] += p.wide[i] * 2 * p.x[i];
  return weight * 0.5 * (1 - sum / static_cast<double>(positions));
}

float sign(float v) { return v > 0 ? 1.0f : v < 0 ? -1.0f : 0.0f; }

/// Mean absolute difference of the forward differences of x - y, along x and along y.
double add_edge(const Planes& p, int side, float weight) {
  const float scale = weight / static_cast<float>(static_cast<long>(side) * (side - 1));
  double sum = 0;
  for (int direction = 0; direction < 2; ++direction) {
    const long step = direction ? side : 1;
    const int width = direction ? side : side - 1, height = direction ? side - 1 : side;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        const long i = static_cast<long>(y) * side + x;
        const float d = (p.x[i + step] - p.y[i + step]) - (p.x[i] - p.y[i]);
        sum += std::fabs(d);
        p.grad[i + step] += scale * sign(d);
        p.grad[i] -= scale * sign(d);
      }
  }
  return scale * sum;
}

}  // namespace

PlaneTerms plane_loss(const float* predicted, long stride_y, long stride_x, const float* target,
                      const float* weight, const float* priority, int side,
                      const PlaneWeights& weights, float scale, float* gradient,
                      PlaneScratch& scratch) {
  const Planes p = carve(scratch, side);
  const long n = static_cast<long>(side) * side;
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      p.x[static_cast<long>(y) * side + x] = predicted[y * stride_y + x * stride_x];
  if (weight) {
    for (long i = 0; i < n; ++i) {
      p.x[i] *= weight[i];
      p.y[i] = target[i] * weight[i];
    }
  } else {
    std::copy(target, target + n, p.y);
  }
  const float per_pixel = 1.0f / static_cast<float>(n);
  const float l1 = weights.l1 * per_pixel, mse = weights.mse * per_pixel;
  PlaneTerms terms;
  for (int y = 0; y < side; ++y) {
    float square = 0, absolute = 0;
    const long begin = static_cast<long>(y) * side;
#pragma omp simd reduction(+ : square, absolute)
    for (long i = begin; i < begin + side; ++i) {
      const float d = p.x[i] - p.y[i];
      square += d * d;
      absolute += std::fabs(d);
      p.grad[i] = 2 * mse * d + l1 * sign(d);
    }
    terms.mse += static_cast<double>(mse) * square;
    terms.l1 += static_cast<double>(l1) * absolute;
  }
  if (weights.dssim > 0 && static_cast<int>(weights.window.size()) <= side)
    terms.dssim = add_dssim(p, side, weights.window, weights.dssim);
  if (weights.edge > 0) terms.edge = add_edge(p, side, weights.edge);
  if (weight)
    for (long i = 0; i < n; ++i) p.grad[i] *= weight[i];
  const float eyes = priority ? weights.priority * per_pixel : 0.0f;
  for (int y = 0; y < side; ++y) {
    float* to = gradient + y * stride_y;
    for (int x = 0; x < side; ++x) {
      const long i = static_cast<long>(y) * side + x;
      float g = p.grad[i];
      if (eyes > 0) {  // on the images as they are: eyes and mouth lie well inside the mask
        const float d = predicted[y * stride_y + x * stride_x] - target[i];
        terms.priority += eyes * priority[i] * std::fabs(d);
        g += eyes * priority[i] * sign(d);
      }
      to[x * stride_x] = scale * g;
    }
  }
  return terms;
}

}  // namespace likeness::nets
