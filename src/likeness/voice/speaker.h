// SPDX-License-Identifier: Apache-2.0
// How somebody's voice sounds, as 256 numbers, and how alike two voices are.
//
// The network is the one of Wan et al. 2018 (generalised end-to-end loss) as Resemblyzer trained
// it: 40 mel bands, three LSTM layers of 256, a linear layer, ReLU, length 1. Its cosine alone says
// little; a comparison gives it together with how often such a value occurs between recordings of
// one and of two speakers (measured on LibriSpeech test-other, see docs/benchmarks.md). It is a
// measure, never a proof of identity.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/audio.h"

namespace likeness::voice {

using SpeakerVector = std::vector<float>;  ///< 256, length 1

class SpeakerEncoder {
 public:
  /// Throws kMissing (not installed), kRefused (no licence card), kDamaged.
  explicit SpeakerEncoder(const std::filesystem::path& weights);
  ~SpeakerEncoder();
  SpeakerEncoder(SpeakerEncoder&&) noexcept;
  /// The installed one: voices folder, speaker_encoder/. Throws kMissing with what to run.
  static const SpeakerEncoder& installed();
  static bool is_installed();

  /// Of mel frames [frames][40], 160 at a time with overlap; the mean of the parts, length 1.
  SpeakerVector embed_mel(std::span<const float> mel) const;
  /// Levels, cuts pauses out, computes the bands. Throws kBadInput with less than 0.5 s of speech.
  SpeakerVector embed(const AudioClip& clip) const;
  /// One vector for each window of `window_s`, where there is speech: for finding a second speaker.
  std::vector<SpeakerVector> embed_windows(const AudioClip& clip, double window_s = 3) const;
  /// The network alone: `count` stretches of 160 frames.
  std::vector<SpeakerVector> forward(std::span<const float> mel, size_t count) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Pauses cut out and level set as the network expects, 16 kHz mono.
std::vector<float> speech_only(const AudioClip& clip);
/// [frames][40]
std::vector<float> speaker_mel(std::span<const float> mono_16k);

/// Scales to length 1; nothing happens to zeros.
void to_unit_length(SpeakerVector& vector);
float cosine(const SpeakerVector& a, const SpeakerVector& b);

struct SpeakerMatch {
  double cosine = 0;
  /// How often two different speakers are at least this alike, and one speaker at most: 0 to 1.
  double different_share = 0, same_share = 0;
  std::string verdict;  ///< "same" "probably same" "uncertain" "probably different" "different"
  nlohmann::json to_json() const;
};
SpeakerMatch judge_match(double cosine);

/// What the scale rests on.
struct SpeakerCalibration {
  double same_mean, same_deviation, different_mean, different_deviation, equal_error_rate,
      threshold;
};
const SpeakerCalibration& speaker_calibration();

}  // namespace likeness::voice
