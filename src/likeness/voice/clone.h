// SPDX-License-Identifier: Apache-2.0
// One person's voice: a converter that was taught that voice, frames of the person to draw content
// from, and how high the person speaks. Whoever opens one holds the person's consent (tasks/).
//
// What is said comes from the content encoder; a share of it is replaced by the mean of the nearest
// frames of the person (Baas et al. 2023, kNN-VC; the share is RVC's index ratio), the melody is
// moved to the person's range, and the vocoder of our own voice makes the sound. Sound keeps its
// length and timing to the sample. No torch in this header.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/audio.h"
#include "likeness/base/options.h"
#include "likeness/base/run.h"
#include "likeness/voice/speaker.h"

namespace likeness::voice {

struct CloneOptions {
  double minutes = 4;
  double learning_rate = 3e-4;
  int batch = 8;
  int threads = 1;
  int seed = 1;
};
template <typename V>
void visit(CloneOptions& o, V&& f) {
  using enum OptionLevel;
  using I = OptionInfo;
  f("minutes", o.minutes,
    I{.help = "training time in all, over all runs", .unit = "min", .min = 0.01, .max = 1e4});
  f("learning_rate", o.learning_rate,
    I{.help = "highest rate", .min = 1e-7, .max = 1, .level = kAdvanced});
  f("batch", o.batch,
    I{.help = "stretches of sound in a step", .min = 1, .max = 256, .level = kAdvanced});
  f("threads", o.threads,
    I{.help = "recurrent nets are fastest with 1", .min = 1, .max = 256, .level = kAdvanced});
  f("seed", o.seed, I{.help = "of everything random", .min = 0, .max = 1e9, .level = kAdvanced});
}

/// Fine-tunes our own converter on clips of one person (mono, 24 kHz) and writes `out`: {steps,
/// minutes, loss, frames, f0_median_hz, held_out}. Checkpoints in `folder` are gone on from. Throws
/// kMissing (our own weights), kBadInput (under 10 s of speech).
nlohmann::json train_clone(const std::vector<AudioClip>& clips, const SpeakerVector& speaker,
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
  /// Throws kNotFound, kDamaged, kMissing (our own weights), kUnsupported (made with other
  /// weights).
  explicit Clone(const std::filesystem::path& model);
  ~Clone();
  Clone(Clone&&) noexcept;
  /// Any rate and channels in; mono, 24 kHz, of the same length out. Throws kBadInput (silence).
  AudioClip convert(const AudioClip& clip, const ConvertOptions& options = {},
                    Progress* progress = nullptr, const Cancel* cancel = nullptr) const;
  const std::map<std::string, std::string>& metadata() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace likeness::voice
