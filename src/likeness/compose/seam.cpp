// SPDX-License-Identifier: Apache-2.0
// Light at the seam: what a generated face misses of the footage's shading is measured along the
// edge of the mask and carried inwards, fading.
#include <algorithm>
#include <cmath>

#include "likeness/compose/compose.h"
#include "likeness/compose/internal.h"

namespace likeness::compositing {
namespace {

constexpr float kReachPx = 10;                  // of the reduced images
constexpr float kFloor = 0.02f;                 // keeps ratios of near-black finite
constexpr float kAlike = 0.45f, kOther = 0.9f;  // log ratio of light: shading; hair or background
// A slight step is how the two people differ (a beard's shadow, a brow): it stays.
constexpr float kSlight = 0.1f, kPlain = 0.25f;

/// Means under the mask in a smaller image; zero where there is no mask.
ImageF reduce(const ImageF& image, const ImageF& mask, int width, int height,
              const ImageF& small_mask) {
  ImageF weighted = image;
  const int c = image.channels;
  for (size_t p = 0; p < mask.data.size(); ++p)
    for (int k = 0; k < c; ++k)
      weighted.data[p * c + k] = mask.data[p] > 0 ? mask.data[p] * image.data[p * c + k] : 0.0f;
  ImageF out = resize(weighted, width, height);
  for (size_t p = 0; p < small_mask.data.size(); ++p)
    for (int k = 0; k < c; ++k) {
      float& v = out.data[p * c + k];
      v = small_mask.data[p] > 1e-3f ? std::max(0.0f, v / small_mask.data[p]) : 0.0f;
    }
  return out;
}

float smooth_fall(float value, float from, float to) {
  const float t = std::clamp((value - from) / (to - from), 0.0f, 1.0f);
  return 1 - t * t * (3 - 2 * t);
}

}  // namespace

void match_edge(ImageF& over, const ImageF& base, const ImageF& mask, float reach_px,
                float amount) {
  detail::require_channels(over, 3, 3, "match_edge");
  detail::require_same_size(over, base, "match_edge");
  detail::require_same_size(over, mask, "match_edge");
  detail::require_range(reach_px, 0, 1e5, "match_edge: reach_px");
  detail::require_range(amount, 0, 1, "match_edge: amount");
  const Rect region = detail::support(mask, 1);
  if (region.empty() || reach_px <= 0 || amount <= 0) return;
  const ImageF m = detail::crop(mask, region);
  const float factor = std::max(1.0f, reach_px / kReachPx);
  const int w = std::max(1, static_cast<int>(std::lround(m.width / factor))),
            h = std::max(1, static_cast<int>(std::lround(m.height / factor)));
  const float reach = reach_px / factor;
  const ImageF sm = resize(m, w, h);
  const ImageF so = reduce(detail::crop(over, region), m, w, h, sm),
               sb = reduce(detail::crop(base, region), m, w, h, sm);
  const ImageF distance = detail::inside_distance(sm);

  ImageF sums(w, h, 4);
  for (size_t p = 0; p < sm.data.size(); ++p) {
    if (!(sm.data[p] > 0.05f)) continue;
    const float d = std::max(0.0f, distance.data[p]) / (0.25f * reach);
    float ratio[3], light = 0;
    for (int k = 0; k < 3; ++k) {
      ratio[k] = std::log((sb.data[3 * p + k] + kFloor) / (so.data[3 * p + k] + kFloor));
      light += ratio[k] / 3;
    }
    const float weight = std::min(sm.data[p], 1.0f) * std::exp(-d * d) *
                         smooth_fall(std::fabs(light), kAlike, kOther);
    for (int k = 0; k < 3; ++k) sums.data[4 * p + k] = weight * ratio[k];
    sums.data[4 * p + 3] = weight;
  }
  detail::gaussian_blur_xy(sums, reach / 2, reach / 2);
  ImageF field(w, h, 3);
  for (size_t p = 0; p < sm.data.size(); ++p) {
    const float d = std::max(0.0f, distance.data[p]) / reach;
    // The small constant lets the field vanish where nothing near it could be measured.
    const float n = amount * std::exp(-d * d) / (sums.data[4 * p + 3] + 0.01f);
    float light = 0;
    for (int k = 0; k < 3; ++k) light += sums.data[4 * p + k] / (sums.data[4 * p + 3] + 0.01f) / 3;
    const float gain = 1 - smooth_fall(std::fabs(light), kSlight, kPlain);
    for (int k = 0; k < 3; ++k) field.data[3 * p + k] = gain * n * sums.data[4 * p + k];
  }
  field = resize(field, m.width, m.height);
  for (int y = 0; y < m.height; ++y)
    for (int x = 0; x < m.width; ++x)
      if (m.at(x, y) > 0)
        for (int k = 0; k < 3; ++k)
          over.at(region.x0 + x, region.y0 + y, k) *= std::exp(field.at(x, y, k));
}

void firm_edge(ImageF& mask, const ImageF& firm, const ImageF& over, const ImageF& base,
               float reach_px) {
  constexpr float kEqual = 0.02f, kPlain = 0.05f;  // difference of the strongest channel
  constexpr float kReducedReachPx = 3;
  detail::require_channels(over, 3, 3, "firm_edge");
  detail::require_channels(mask, 1, 1, "firm_edge");
  detail::require_same_size(over, base, "firm_edge");
  detail::require_same_size(over, mask, "firm_edge");
  detail::require_same_size(over, firm, "firm_edge");
  detail::require_range(reach_px, 0, 1e5, "firm_edge: reach_px");
  ImageF sums(mask.width, mask.height, 2);
  for (size_t p = 0; p < mask.data.size(); ++p) {
    float weight = std::max(0.0f, firm.data[p] - mask.data[p]);
    if (weight <= 0) continue;
    weight *= weight;
    float difference = 0;
    for (size_t k = 0; k < 3; ++k)
      difference = std::max(difference, std::fabs(over.data[3 * p + k] - base.data[3 * p + k]));
    sums.data[2 * p] = weight * (1 - smooth_fall(difference, kEqual, kPlain));
    sums.data[2 * p + 1] = weight;
  }
  const float factor = std::max(1.0f, reach_px / kReducedReachPx);
  ImageF spread = resize(sums, std::max(1, static_cast<int>(std::lround(mask.width / factor))),
                         std::max(1, static_cast<int>(std::lround(mask.height / factor))));
  detail::gaussian_blur_xy(spread, reach_px / factor, reach_px / factor);
  spread = resize(spread, mask.width, mask.height);
  for (size_t p = 0; p < mask.data.size(); ++p) {
    const float more = firm.data[p] - mask.data[p];
    if (more <= 0) continue;
    const float share = spread.data[2 * p] / (spread.data[2 * p + 1] + 1e-4f);
    mask.data[p] += more * (1 - smooth_fall(share, 0.2f, 0.8f));
  }
}

}  // namespace likeness::compositing
