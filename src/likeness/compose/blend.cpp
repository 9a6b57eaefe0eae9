// SPDX-License-Identifier: Apache-2.0
// Alpha and multi-band blending (Poisson: poisson.cpp).
#include <algorithm>
#include <cmath>

#include "likeness/compose/compose.h"
#include "likeness/compose/internal.h"

namespace likeness::compositing {
namespace {

void check_blend(const ImageF& base, const ImageF& over, const ImageF& mask, const char* name) {
  detail::require_channels(base, 3, 1, name);
  detail::require_channels(over, base.channels, base.channels, name);
  detail::require_channels(mask, 1, 1, name);
  detail::require_same_size(base, over, name);
  detail::require_same_size(base, mask, name);
}

// Mean of `planes` under the mask around every pixel: G(m v) / G(m), zero where the mask is far
// away.
ImageF masked_blur(const ImageF& premultiplied, float sigma) {
  ImageF out = premultiplied;
  detail::gaussian_blur_xy(out, sigma, sigma);
  return out;
}

}  // namespace

ImageF blend_alpha(const ImageF& base, const ImageF& over, const ImageF& mask) {
  check_blend(base, over, mask, "blend_alpha");
  ImageF out(base.width, base.height, base.channels);
  const int c = base.channels;
  const size_t pixels = mask.data.size();
  for (size_t i = 0; i < pixels; ++i) {
    const float m = mask.data[i];
    for (int k = 0; k < c; ++k) {
      const float b = base.data[i * c + k], o = over.data[i * c + k];
      const float mixed = b + m * (o - b);
      out.data[i * c + k] = m <= 0 ? b : (m >= 1 ? o : mixed);
    }
  }
  return out;
}

ImageF blend_multiband(const ImageF& base, const ImageF& over, const ImageF& mask, int bands) {
  check_blend(base, over, mask, "blend_multiband");
  detail::require_range(bands, 1, 12, "blend_multiband: bands");
  ImageF out = base;
  const Rect region = detail::support(mask, 2);
  if (region.empty()) return out;
  const ImageF m = detail::crop(mask, region), b = detail::crop(base, region),
               o = detail::crop(over, region);
  const ImageF distance = detail::inside_distance(m);
  const int c = base.channels, planes = c + 1;
  const size_t pixels = m.data.size();

  // The difference is split, not the images: equal images then give exactly the base.
  ImageF sums(m.width, m.height, planes), fine(m.width, m.height, c), result = b;
  for (size_t i = 0; i < pixels; ++i) {
    const float weight = std::clamp(m.data[i], 0.0f, 1.0f);
    sums.data[i * planes + c] = weight;
    if (!(weight > 0)) continue;
    for (int k = 0; k < c; ++k) {
      fine.data[i * c + k] = o.data[i * c + k] - b.data[i * c + k];
      sums.data[i * planes + k] = weight * fine.data[i * c + k];
    }
  }
  float done = 0;  // sigma that `sums` is blurred by already
  for (int band = 0; band < bands; ++band) {
    const float fade = std::ldexp(1.0f, band), sigma = 0.75f * fade;
    const bool last = band + 1 == bands;
    const ImageF weight = band == 0 ? m : detail::shrink_soft(m, distance, 0, fade);
    if (!last) sums = masked_blur(sums, std::sqrt(sigma * sigma - done * done));
    done = sigma;
    for (size_t i = 0; i < pixels; ++i) {
      if (!(m.data[i] > 0)) continue;
      const float n = 1 / std::max(sums.data[i * planes + c], 1e-6f);
      for (int k = 0; k < c; ++k) {
        float& f = fine.data[i * c + k];
        const float coarse = last ? 0 : sums.data[i * planes + k] * n;
        result.data[i * c + k] += weight.data[i] * (f - coarse);
        f = coarse;
      }
    }
  }
  detail::paste(out, result, region);
  return out;
}

}  // namespace likeness::compositing
