// SPDX-License-Identifier: Apache-2.0
// Sound as every module passes it.
#pragma once

#include <cstddef>
#include <vector>

namespace likeness {

/// Mono or more channels, float in [-1, 1], interleaved frame by frame.
struct AudioClip {
  int rate_hz = 0;
  int channels = 1;
  std::vector<float> samples;

  size_t frames() const {
    return channels > 0 ? samples.size() / static_cast<size_t>(channels) : 0;
  }
  double duration_s() const { return rate_hz > 0 ? static_cast<double>(frames()) / rate_hz : 0.0; }
};

}  // namespace likeness
