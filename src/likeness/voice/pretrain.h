// SPDX-License-Identifier: Apache-2.0
// How the weights of our own base voice are made, reproducibly: one part at a time, from folders of
// recordings, with checkpoints that a later call goes on from. No torch in this header.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/options.h"
#include "likeness/base/run.h"
#include "likeness/tensor/model_card.h"

namespace likeness::voice {

/// What training of any part is told.
struct LearnOptions {
  double minutes = 60;
  int batch = 8;
  double learning_rate = 5e-4;
  int threads = 1;
  double adversarial_from = 0.5;
  double save_minutes = 5;
  int seed = 1;
};
template <typename V>
void visit(LearnOptions& o, V&& f) {
  using enum OptionLevel;
  using I = OptionInfo;
  f("minutes", o.minutes,
    I{.help = "training time in all, over all runs", .unit = "min", .min = 0.01, .max = 1e5});
  f("batch", o.batch, I{.help = "stretches of sound in a step", .min = 1, .max = 1024});
  f("learning_rate", o.learning_rate, I{.help = "highest rate", .min = 1e-7, .max = 1});
  f("threads", o.threads,
    I{.help = "of one process; recurrent nets are fastest with 1", .min = 1, .max = 256});
  f("adversarial_from", o.adversarial_from,
    I{.help = "acoustic, converter, vocoder: share of the time after which a second net that tells "
              "made from real joins; 1 = never",
      .min = 0,
      .max = 1,
      .level = kAdvanced});
  f("save_minutes", o.save_minutes,
    I{.help = "between checkpoints", .unit = "min", .min = 0.01, .max = 1e4, .level = kAdvanced});
  f("seed", o.seed, I{.help = "of everything random", .min = 0, .max = 1e9, .level = kAdvanced});
}

struct PretrainOptions {
  LearnOptions learn;
  int held_out = 60;
};
template <typename V>
void visit(PretrainOptions& o, V&& f) {
  using I = OptionInfo;
  visit(o.learn, f);
  f("held_out", o.held_out,
    I{.help = "recordings of each corpus, evenly spread, that are never learned from; at most 6 %",
      .min = 0,
      .max = 100000});
}

struct PretrainRequest {
  std::string part;  ///< one of pretrain_parts()
  std::vector<std::filesystem::path> corpora;
  std::filesystem::path work;     ///< checkpoints and log.jsonl; gone on from when it holds some
  std::filesystem::path out;      ///< .safetensors; its card is written beside it as .toml
  std::string licence;            ///< of the recordings, for the card
  std::filesystem::path content;  ///< content encoder for acoustic and converter; empty: ours
};

/// Where the weights of our own voice lie: $LIKENESS_ASSETS/voice, assets/voice of the source tree,
/// or /usr/share/likeness/assets/voice; the first that has `part`.safetensors.
std::optional<std::filesystem::path> find_voice_weights(const std::string& part);
/// The same, checked. Throws kMissing, and what check_weights throws.
std::filesystem::path voice_weights(const std::string& part);
/// The card that lies beside them. Throws kRefused (there is none), kDamaged.
tensor::ModelCard weights_card(const std::filesystem::path& weights);
/// Whether the card lies beside them and they are what it says. Throws kRefused (no card),
/// kDamaged.
void check_weights(const std::filesystem::path& weights);

const std::vector<std::string>& pretrain_parts();  ///< acoustic content converter g2p vocoder
/// Trains until the minutes are over or a stop is asked for, then writes `out` from the averaged
/// weights: {part, steps, minutes, loss, held_out: {...}, parameters, out, bytes}. Throws kUsage
/// (unknown part, no licence), kBadInput (texts or recordings that the part needs are missing).
nlohmann::json pretrain(const PretrainRequest& request, const PretrainOptions& options,
                        Progress& progress, const Cancel& cancel);

}  // namespace likeness::voice
