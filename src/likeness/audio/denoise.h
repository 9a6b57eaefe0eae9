// SPDX-License-Identifier: Apache-2.0
// Takes steady noise (hiss, fans, hum of a room) away from speech.
#pragma once

#include <span>
#include <vector>

namespace likeness::audio {

struct DenoiseOptions {
  double floor_db = -18;  ///< the most that is taken away: what stays sounds natural
  /// A sound whose mean level is this far above its quietest tenth is given back as it is.
  double clean_db = 45;
};
struct Denoised {
  std::vector<float> samples;  ///< as many as came in
  double noise_db = -120;      ///< level of the quietest tenth; 0 dB = full-scale square wave
  double taken_db = 0;         ///< how much lower the pauses are now; 0 = nothing was done
};

/// Gains by the minimum mean square error of the logarithm of the amplitude (Ephraim and Malah
/// 1985, eq. 20), with their decision-directed a priori ratio (1984, eq. 51). The noise is followed
/// by the probability of speech (Gerkmann and Hendriks 2012, eq. 18 and 22) and held by the minimum
/// over 1.5 s before and after it (after Martin 2001), which an offline filter may look at.
/// Rates from 8000.
Denoised remove_noise(std::span<const float> mono, int rate_hz, const DenoiseOptions& options = {});

}  // namespace likeness::audio
