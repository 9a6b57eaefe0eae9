// SPDX-License-Identifier: Apache-2.0
// What is wrong with a recording of speech, measured; and the removal of clicks.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "likeness/base/audio.h"

namespace likeness::audio {

struct Recording {
  double duration_s = 0, speech_s = 0;
  double speech_db = -120, noise_db = -120;  ///< see Activity
  double clipped = 0;                        ///< share of samples in flat tops
  double decay_s = 0;       ///< time to fall by 60 dB after speech ends; 0 = could not be measured
  double bandwidth_hz = 0;  ///< up to here there is sound 50 dB under the strongest part of speech
  double loudness_lufs = -120, true_peak_db = -120;
  double steady_share = 0;  ///< share of sounding time with steady tones, as music has: 0 to 1
  /// Share of all time in which two or more tones are held at once, in speech or behind it.
  double chord_share = 0;
  double snr_db() const { return speech_db - noise_db; }
};
Recording examine_recording(const AudioClip& clip);

enum class Severity { kWarning, kRefusal };
struct Finding {
  Severity severity = Severity::kWarning;
  std::string rule;  ///< silent, too-short, clipped, noisy, reverberant, narrow-band, music,
                     ///< music-behind
  std::string text;  ///< with the measured value and what to do
};
struct RecordingLimits {
  double least_speech_s = 1.0;
  double most_clipped = 0.001, clipped_refusal = 0.02;
  double least_snr_db = 20, snr_refusal_db = 6;
  double most_decay_s = 0.5, decay_refusal_s = 1.2;
  double least_bandwidth_hz = 6000;
  double most_steady = 0.5;
  double most_chords = 0.05, chords_refusal = 0.5;  ///< 134 recordings of real speech: 0.000
};
std::vector<Finding> judge_recording(const Recording& recording,
                                     const RecordingLimits& limits = {});

/// Finds clicks by the residual of a linear prediction (Godsill and Rayner 1998, ch. 5) and
/// replaces them by interpolation from both sides. Gives how many were mended. `mono` is changed in
/// place.
int remove_clicks(std::vector<float>& mono, int rate_hz);

}  // namespace likeness::audio
