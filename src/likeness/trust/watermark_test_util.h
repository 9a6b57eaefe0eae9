// SPDX-License-Identifier: Apache-2.0
// How much a mark changes what it is put into; for tests and bench/quality.
#pragma once

#include <cmath>

#include "likeness/base/audio.h"
#include "likeness/media/video.h"

namespace likeness::trust {

/// Mean squared difference of the 8-bit luma planes.
inline double luma_error(const media::Frame& a, const media::Frame& b) {
  const auto p = a.luma()[0], q = b.luma()[0];
  double sum = 0;
  for (int y = 0; y < p.height; ++y)
    for (int x = 0; x < p.width; ++x) {
      const double d = p.data[y * p.stride_bytes + x] - q.data[y * q.stride_bytes + x];
      sum += d * d;
    }
  return sum / p.width / p.height;
}

inline double snr_db(const AudioClip& before, const AudioClip& after) {
  double s = 0, n = 0;
  for (size_t i = 0; i < before.samples.size(); ++i) {
    const double d = after.samples[i] - before.samples[i];
    s += static_cast<double>(before.samples[i]) * before.samples[i];
    n += d * d;
  }
  return 10 * std::log10(s / n);
}

}  // namespace likeness::trust
