// SPDX-License-Identifier: Apache-2.0
// Loudness by EBU R 128 / ITU-R BS.1770-4 (libebur128), and a limiter for true peaks.
#pragma once

#include "likeness/base/audio.h"

namespace likeness::audio {

struct Loudness {
  double integrated_lufs = -120;  ///< -120 for silence
  double range_lu = 0;
  double true_peak_db = -120;  ///< dBTP, over all channels
};
/// Clips under 400 ms, too short for a gated block, are measured as if they were repeated.
Loudness measure_loudness(const AudioClip& clip);

/// Turns peaks down so that the true peak is at most `ceiling_db`: the gain falls over 5 ms before
/// a peak and comes back after it, smoothly, alike in all channels. Sound below the ceiling is
/// unchanged.
void limit_true_peak(AudioClip& clip, double ceiling_db);

struct LoudnessTarget {
  double lufs = -19;  ///< mono speech; -16 is usual for podcasts in stereo
  double true_peak_db = -1.5;
  double most_gain_db = 40;  ///< so that near silence does not become noise
};
/// One gain for the clip, then the limiter. Gives the gain in dB; 0 for silence.
double normalise_loudness(AudioClip& clip, const LoudnessTarget& target = {});

}  // namespace likeness::audio
