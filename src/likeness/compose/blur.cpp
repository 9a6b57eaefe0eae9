// SPDX-License-Identifier: Apache-2.0
// Gaussian blur and separable resampling.
#include <algorithm>
#include <cmath>
#include <utility>

#include "likeness/compose/compose.h"
#include "likeness/compose/internal.h"

namespace likeness::compositing {
namespace detail {
namespace {

constexpr int kChunk = 64;  // floats handled together, so that the sums stay in registers

// Half kernel, weights[0] at the centre. Miller's backward recurrence I(n-1) = I(n+1) + 2n/t I(n),
// normalised by I(0) + 2 sum I(n) = e^t.
std::vector<float> discrete_gaussian(float sigma) {
  double t = static_cast<double>(sigma) * sigma;
  int radius = static_cast<int>(std::ceil(4.0f * sigma)) + 1;
  int start = radius + 24;
  std::vector<double> bessel(static_cast<size_t>(start) + 2, 0.0);
  bessel[start] = 1e-280;
  for (int n = start; n > 0; --n) {
    bessel[n - 1] = bessel[n + 1] + 2.0 * n / t * bessel[n];
    if (bessel[n - 1] > 1e250)
      for (int k = n - 1; k <= start; ++k) bessel[k] *= 1e-250;
  }
  double sum = 0;
  for (int n = 0; n <= radius; ++n) sum += (n ? 2 : 1) * bessel[n];
  std::vector<float> kernel(static_cast<size_t>(radius) + 1);
  for (int n = 0; n <= radius; ++n) kernel[n] = static_cast<float>(bessel[n] / sum);
  while (kernel.size() > 1 && kernel.back() < 1e-7f) kernel.pop_back();
  return kernel;
}

// out[i] = k0 in[i] + sum k_j (in[i - j step] + in[i + j step]) for i in [0, n).
void symmetric_taps(const float* in, float* out, int n, int step,
                    const std::vector<float>& kernel) {
  const int radius = static_cast<int>(kernel.size()) - 1;
  int i = 0;
  for (; i + kChunk <= n; i += kChunk) {
    float sum[kChunk];
    const float* p = in + i;
    for (int u = 0; u < kChunk; ++u) sum[u] = kernel[0] * p[u];
    for (int j = 1; j <= radius; ++j) {
      const float k = kernel[j];
      const float *a = p - static_cast<ptrdiff_t>(j) * step,
                  *b = p + static_cast<ptrdiff_t>(j) * step;
      for (int u = 0; u < kChunk; ++u) sum[u] += k * (a[u] + b[u]);
    }
    for (int u = 0; u < kChunk; ++u) out[i + u] = sum[u];
  }
  for (; i < n; ++i) {
    float sum = kernel[0] * in[i];
    for (int j = 1; j <= radius; ++j)
      sum += kernel[j] *
             (in[i - static_cast<ptrdiff_t>(j) * step] + in[i + static_cast<ptrdiff_t>(j) * step]);
    out[i] = sum;
  }
}

void blur_rows(ImageF& image, const std::vector<float>& kernel) {
  const int radius = static_cast<int>(kernel.size()) - 1, c = image.channels, n = image.width * c;
  std::vector<float> padded(static_cast<size_t>(n) + 2 * radius * c);
  for (int y = 0; y < image.height; ++y) {
    float* row = image.row(y);
    std::copy(row, row + n, padded.begin() + radius * c);
    for (int j = 0; j < radius; ++j)
      for (int k = 0; k < c; ++k) {
        padded[j * c + k] = row[k];
        padded[(radius + image.width + j) * c + k] = row[n - c + k];
      }
    symmetric_taps(padded.data() + radius * c, row, n, c, kernel);
  }
}

void blur_columns(ImageF& image, const std::vector<float>& kernel) {
  const int radius = static_cast<int>(kernel.size()) - 1, h = image.height;
  const int n = image.width * image.channels;
  // Strips of columns: the strip, padded, stays in the cache.
  std::vector<float> strip(static_cast<size_t>(h + 2 * radius) * kChunk);
  for (int x0 = 0; x0 < n; x0 += kChunk) {
    const int width = std::min(kChunk, n - x0);
    for (int y = -radius; y < h + radius; ++y) {
      const float* row = image.data.data() + static_cast<size_t>(std::clamp(y, 0, h - 1)) * n + x0;
      std::copy(row, row + width, strip.begin() + static_cast<ptrdiff_t>(y + radius) * kChunk);
    }
    for (int y = 0; y < h; ++y)
      symmetric_taps(strip.data() + static_cast<size_t>(y + radius) * kChunk,
                     image.data.data() + static_cast<size_t>(y) * n + x0, width, kChunk, kernel);
  }
}

// The way down is the transpose of the way up (tents of width 2 factor), so that first moments are
// kept: a box would move a point by up to half a coarse pixel.
Axis reduce_axis(int size, int factor) {
  Axis axis;
  const int out = (size + factor - 1) / factor;
  axis.taps = std::min(2 * factor + 1, size);
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * factor - 0.5;
    const int first = static_cast<int>(std::ceil(centre - factor));
    const int start = std::clamp(first, 0, size - axis.taps);
    axis.start.push_back(start);
    std::vector<double> weights(axis.taps, 0.0);
    for (int k = first; k <= centre + factor; ++k)
      weights[std::clamp(k, start, start + axis.taps - 1) - start] +=
          std::max(0.0, 1 - std::fabs(k - centre) / factor) / factor;
    axis.weights.insert(axis.weights.end(), weights.begin(), weights.end());
  }
  return axis;
}

Axis tent_axis(int size, int factor, int out) {
  Axis axis;
  axis.taps = std::min(2, size);
  for (int i = 0; i < out; ++i) {
    float at = (i + 0.5f) / factor - 0.5f;
    at = std::clamp(at, 0.0f, static_cast<float>(size - 1));
    int start = std::min(static_cast<int>(at), size - axis.taps);
    axis.start.push_back(start);
    float f = at - start;
    axis.weights.push_back(axis.taps == 1 ? 1.0f : 1.0f - f);
    if (axis.taps == 2) axis.weights.push_back(f);
  }
  return axis;
}

Axis same_axis(int size) {
  Axis axis;
  axis.taps = 1;
  axis.weights.assign(size, 1.0f);
  for (int i = 0; i < size; ++i) axis.start.push_back(i);
  return axis;
}

// Factor to reduce by, and the sigma left over on the reduced grid: the tents of the way down and
// up add f^2 / 6 of variance each.
std::pair<int, float> reduction(float sigma) {
  if (sigma <= 8.0f) return {1, sigma};
  int f = static_cast<int>(sigma / 4.0f);
  float variance = sigma * sigma - f * f / 3.0f;
  return {f, std::sqrt(variance) / f};
}

}  // namespace

void require_channels(const ImageF& image, int a, int b, const char* function) {
  bool sound =
      image.width >= 0 && image.height >= 0 &&
      image.data.size() == static_cast<size_t>(image.width) * image.height * image.channels;
  if (!sound || (image.channels != a && image.channels != b))
    throw Error(ErrorCode::kUsage,
                std::string(function) + ": an image with " + std::to_string(image.channels) +
                    " channels cannot be used here",
                "give float images with " + std::to_string(a) +
                    (a == b ? "" : " or " + std::to_string(b)) + " channels");
}

void require_range(double value, double low, double high, const char* name) {
  if (!(value >= low && value <= high))
    throw Error(ErrorCode::kUsage,
                std::string(name) + " = " + std::to_string(value) + " is out of range",
                "use a value from " + std::to_string(low) + " to " + std::to_string(high));
}

// Rows first into the narrower image, then columns.
ImageF resample(const ImageF& image, const Axis& ax, const Axis& ay) {
  const int c = image.channels, w = static_cast<int>(ax.start.size()),
            h = static_cast<int>(ay.start.size());
  ImageF narrow(w, image.height, c), out(w, h, c);
  for (int y = 0; y < image.height; ++y) {
    const float* in = image.row(y);
    float* to = narrow.row(y);
    for (int x = 0; x < w; ++x) {
      const float* p = in + static_cast<size_t>(ax.start[x]) * c;
      const float* weight = ax.weights.data() + static_cast<size_t>(x) * ax.taps;
      for (int k = 0; k < c; ++k) {
        float sum = 0;
        for (int t = 0; t < ax.taps; ++t) sum += weight[t] * p[t * c + k];
        to[x * c + k] = sum;
      }
    }
  }
  const int n = w * c;
  for (int y = 0; y < h; ++y) {
    float* to = out.row(y);
    for (int t = 0; t < ay.taps; ++t) {
      const float weight = ay.weights[static_cast<size_t>(y) * ay.taps + t];
      const float* in = narrow.row(ay.start[y] + t);
      for (int i = 0; i < n; ++i) to[i] += weight * in[i];
    }
  }
  return out;
}

void gaussian_blur_xy(ImageF& image, float sigma_x, float sigma_y) {
  if (image.empty()) return;
  auto [fx, sx] = reduction(sigma_x);
  auto [fy, sy] = reduction(sigma_y);
  const int width = image.width, height = image.height;
  const bool reduced = fx > 1 || fy > 1;
  if (reduced)
    image = resample(image, fx > 1 ? reduce_axis(width, fx) : same_axis(width),
                     fy > 1 ? reduce_axis(height, fy) : same_axis(height));
  if (sx > 0.02f) blur_rows(image, discrete_gaussian(sx));
  if (sy > 0.02f) blur_columns(image, discrete_gaussian(sy));
  if (reduced)
    image = resample(image, fx > 1 ? tent_axis(image.width, fx, width) : same_axis(width),
                     fy > 1 ? tent_axis(image.height, fy, height) : same_axis(height));
}

}  // namespace detail

void gaussian_blur(ImageF& image, float sigma_px) {
  detail::require_range(sigma_px, 0, 1000, "gaussian_blur: sigma_px");
  detail::gaussian_blur_xy(image, sigma_px, sigma_px);
}

namespace {

detail::Axis resize_axis(int in, int out) {
  detail::Axis axis;
  const double step = static_cast<double>(in) / out;
  const bool down = out < in;
  axis.taps = std::min(in, in == out ? 1 : down ? static_cast<int>(std::ceil(step)) + 1 : 4);
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * step - 0.5, low = i * step, high = (i + 1) * step;
    const int first = in == out ? i
                      : down    ? static_cast<int>(low)
                                : static_cast<int>(std::floor(centre)) - 1;
    const int start = std::clamp(first, 0, in - axis.taps);
    const size_t at = axis.weights.size();
    axis.start.push_back(start);
    axis.weights.resize(at + axis.taps, 0.0f);
    const int last = in == out ? first
                     : down    ? std::min(in - 1, static_cast<int>(std::ceil(high)) - 1)
                               : first + 3;
    for (int k = first; k <= last; ++k) {
      double weight = 1;
      if (in != out && down) {
        weight = std::max(0.0, std::min<double>(high, k + 1) - std::max<double>(low, k)) / step;
      } else if (in != out) {  // Catmull-Rom (Keys 1981, a = -1/2)
        double d = std::fabs(k - centre);
        weight = d < 1   ? (1.5 * d - 2.5) * d * d + 1
                 : d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2
                         : 0;
      }
      axis.weights[at + std::clamp(k, start, start + axis.taps - 1) - start] +=
          static_cast<float>(weight);
    }
  }
  return axis;
}

}  // namespace

ImageF resize(const ImageF& image, int width, int height) {
  detail::require_range(width, 1, 1 << 16, "resize: width");
  detail::require_range(height, 1, 1 << 16, "resize: height");
  if (image.empty())
    throw Error(ErrorCode::kUsage, "resize: the image is empty",
                "give an image of at least 1x1 pixels");
  if (width == image.width && height == image.height) return image;
  return detail::resample(image, resize_axis(image.width, width),
                          resize_axis(image.height, height));
}

}  // namespace likeness::compositing
