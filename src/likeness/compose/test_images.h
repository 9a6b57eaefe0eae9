// SPDX-License-Identifier: Apache-2.0
// Seeded pictures for the tests of this module.
#pragma once

#include <cmath>

#include "likeness/base/image.h"
#include "likeness/base/rng.h"

namespace likeness::compositing {

/// Smooth colour texture with some noise, in about [0.1, 0.9].
inline ImageF texture(int width, int height, uint64_t seed, float noise = 0.02f) {
  Rng rng(seed, 0, "texture");
  ImageF image(width, height, 3);
  float phase[9], freq[9];
  for (float& p : phase) p = rng.uniform(0, 6.28f);
  for (float& f : freq) f = rng.uniform(0.02f, 0.12f);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const float shared = std::sin(freq[0] * x + freq[1] * y + phase[0]);
      for (int c = 0; c < 3; ++c)
        image.at(x, y, c) =
            0.45f + 0.08f * c + 0.15f * shared +
            0.1f * std::sin(freq[c * 2 + 2] * x - freq[c * 2 + 3] * y + phase[c + 1]) +
            noise * rng.normal();
    }
  return image;
}

/// Soft disc: 1 inside radius, falling to 0 over one pixel.
inline ImageF disc(int width, int height, float cx, float cy, float radius) {
  ImageF mask(width, height, 1);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      mask.at(x, y) = std::fmin(
          1.0f, std::fmax(0.0f, radius + 0.5f - std::hypot(x + 0.5f - cx, y + 0.5f - cy)));
  return mask;
}

inline double sum(const ImageF& image) {
  double total = 0;
  for (float v : image.data) total += v;
  return total;
}

inline double max_difference(const ImageF& a, const ImageF& b) {
  double most = a.data.size() == b.data.size() ? 0 : 1e9;
  for (size_t i = 0; i < a.data.size() && i < b.data.size(); ++i)
    most = std::fmax(most, std::fabs(a.data[i] - b.data[i]));
  return most;
}

}  // namespace likeness::compositing
