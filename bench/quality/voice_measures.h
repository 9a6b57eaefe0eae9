// SPDX-License-Identifier: Apache-2.0
// Distances between two recordings of the same words, and what a spoken sentence must hold.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "likeness/base/audio.h"
#include "likeness/voice/speaker.h"
#include "likeness/voice/voice.h"

namespace likeness::bench {

using Words = std::vector<std::string>;

/// Levenshtein distance of words.
size_t word_errors(const Words& want, const Words& got);
/// The longest run of words one after another that were left out, or that were added.
struct WordRuns {
  size_t errors = 0, longest_left_out = 0, longest_added = 0;
};
WordRuns word_runs(const Words& want, const Words& got);

/// A recording every 5 ms.
struct Track {
  static constexpr double kHop_s = 0.005;
  static constexpr size_t kCepstra = 25;
  int rate_hz = 24000;
  size_t frames = 0;
  /// [frames][25]: ln magnitude of 80 mel bands = c0 + 2 sum of c_k cos(k w), so that they are
  /// cepstra on the mel axis as the formula of the distortion wants them.
  std::vector<float> cepstra;
  std::vector<float> level_db;  ///< of the frame
  std::vector<float> f0_hz;     ///< 0 where not voiced
  float loudest_db = -200;
  bool speech(size_t frame) const { return level_db[frame] > loudest_db - 40; }
};
Track track_of(const AudioClip& clip, int rate_hz);

/// Dynamic time warping over cepstra 1 to 24 between the first and last speech of both (Sakoe and
/// Chiba 1978, steps of one). Frames that belong together, in order.
using Path = std::vector<std::pair<size_t, size_t>>;
Path warp(const Track& a, const Track& b);
/// Frame by frame, as far as both go.
Path straight(const Track& a, const Track& b);

/// `a` is the reference.
struct Distance {
  double cepstral_db = 0;  ///< mel-cepstral distortion, 10 / ln 10 sqrt(2 sum of squares), mean
  double f0_rmse_hz = 0, f0_rmse_cents = 0;  ///< of frames voiced in both
  double f0_correlation = 0;                 ///< of ln f0
  double f0_ratio = 1;                       ///< geometric mean of b over a
  double voicing_error = 0;                  ///< share of the frames
  size_t frames = 0, voiced = 0;
};
Distance distance_along(const Track& a, const Track& b, const Path& path);

/// How much the loudness curve of stretches of 0.8 s must be moved to fit the other's.
struct Timing {
  double median_s = 0, highest_95_s = 0;  ///< of the absolute values
  size_t stretches = 0;
};
Timing timing_between(const Track& a, const Track& b);

/// Log-spectral distance, dB: root mean square over frequency, mean over the reference's speech.
/// A constant delay of up to 30 ms is taken out first. What lies 80 dB under the highest magnitude
/// counts as there.
double log_spectral_distance_db(const AudioClip& reference, const AudioClip& other, int rate_hz);

/// Index of the vector that is nearest by cosine.
size_t nearest(const voice::SpeakerVector& v, const std::vector<voice::SpeakerVector>& centres);
/// Direction of the mean.
voice::SpeakerVector centre_of(const std::vector<voice::SpeakerVector>& vectors);

/// What is wrong with a spoken sentence, nothing when all is well: every word once, in order, with
/// sounds of plausible length and with sound in the clip; silence after the last.
std::vector<std::string> faults_of(const voice::Sentence& sentence, const voice::Speech& speech);

}  // namespace likeness::bench
