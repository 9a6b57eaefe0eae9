// SPDX-License-Identifier: Apache-2.0
// Where somebody speaks.
#pragma once

#include <span>
#include <vector>

namespace likeness::audio {

struct Segment {
  double begin_s = 0, end_s = 0;
  double duration_s() const { return end_s - begin_s; }
};

struct ActivityOptions {
  double hop_s = 0.01;
  double above_noise_db = 9;  ///< a frame is speech when its level is this far above the noise
  double under_peak_db = 38;  ///< and at most this far under the loud parts
  double shortest_speech_s = 0.06, shortest_pause_s = 0.2;
  double margin_s = 0.03;  ///< added at both ends of a segment
};
struct Activity {
  double hop_s = 0.01;
  std::vector<float> level_db;  ///< of frames, band 100 to 7000 Hz; 0 dB = a full-scale square wave
  std::vector<Segment> speech;
  double speech_s = 0;
  double speech_db = -120, noise_db = -120;  ///< mean level of speech, level of what lies between
};

/// By level over an estimate of the noise (percentiles of the frames). Finds sound, not words:
/// music is speech to it.
Activity find_activity(std::span<const float> mono, int rate_hz,
                       const ActivityOptions& options = {});

}  // namespace likeness::audio
