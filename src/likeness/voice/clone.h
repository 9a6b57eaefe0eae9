// SPDX-License-Identifier: Apache-2.0
// One person's voice: a converter that was taught that voice, frames of the person to draw content
// from, and how high the person speaks. Whoever opens one holds the person's consent (tasks/).
//
// What is said comes from the content encoder; a share of it is replaced by the mean of the nearest
// frames of the person (Baas et al. 2023, kNN-VC; the share is RVC's index ratio), the melody is
// moved to the person's range, and the vocoder of our own voice makes the sound. Sound keeps its
// length and timing to the sample. A person whose recordings came with texts has an acoustic model
// too, which speaks without the way through another voice. No torch in this header.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/audio.h"
#include "likeness/base/run.h"
#include "likeness/voice/pretrain.h"
#include "likeness/voice/speaker.h"
#include "likeness/voice/voice.h"

namespace likeness::voice {

struct CloneOptions {
  LearnOptions learn{.minutes = 4, .learning_rate = 3e-4, .adversarial_from = 0, .save_minutes = 1};
};
template <typename V>
void visit(CloneOptions& o, V&& f) {
  visit(o.learn, f);
}

struct CloneClip {
  AudioClip clip;    ///< mono, 24 kHz
  std::string text;  ///< what is said in it, or empty
};
/// Fine-tunes our own converter on clips of one person and, where half a minute of them has texts
/// and our acoustic model is there, that too, each for half of the time; writes `out`: {steps,
/// minutes, loss, frames, f0_median_hz, held_out, acoustic: the same of the acoustic model, or why
/// there is none}. Checkpoints in `folder` are gone on from. Throws kMissing (our own weights),
/// kBadInput (under 10 s of speech).
nlohmann::json train_clone(const std::vector<CloneClip>& clips, const SpeakerVector& speaker,
                           const CloneOptions& options, const std::filesystem::path& folder,
                           const std::filesystem::path& out,
                           const std::map<std::string, std::string>& metadata, Progress& progress,
                           const Cancel& cancel);

struct ConvertOptions {
  double retrieval = 0.4;  ///< 0 to 1: share of content from the person's own frames
  double pitch_st = 0;     ///< semitones on top of the person's own height
  bool map_pitch = true;   ///< to the person's height and range
};

class Clone {
 public:
  struct Impl;
  /// Throws kNotFound, kDamaged, kMissing (our own weights), kUnsupported (made with other
  /// weights).
  explicit Clone(const std::filesystem::path& model);
  ~Clone();
  Clone(Clone&&) noexcept;
  /// Any rate and channels in; mono, 24 kHz, of the same length out. Throws kBadInput (silence).
  AudioClip convert(const AudioClip& clip, const ConvertOptions& options = {},
                    Progress* progress = nullptr, const Cancel* cancel = nullptr) const;
  const std::map<std::string, std::string>& metadata() const;
  /// Speaks with the person's own sounds and melody; null when there were no texts to learn from.
  const Voice* voice() const;

 private:
  friend class ConvertStream;
  std::unique_ptr<Impl> impl_;
};

}  // namespace likeness::voice
