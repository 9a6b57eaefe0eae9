// SPDX-License-Identifier: Apache-2.0
// Trains the network of g2p.h: `likeness voice pretrain --part g2p`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/run.h"
#include "likeness/voice/g2p.h"

namespace likeness::voice {

struct G2pTraining {
  int64_t epochs = 8;
  int64_t batch = 96;  ///< words of one length at a time
  double rate = 2e-3;  ///< highest learning rate
  double dropout = 0.1;
  double smoothing = 0.05;  ///< of the labels
  int64_t encoder_dims = 128, decoder_dims = 192, hidden_dims = 128;
  // One sitting ends, with a checkpoint, after so long; 0: when all is done.
  double minutes = 0;
  int64_t steps = 0;
  double save_every_s = 120;
  uint64_t seed = 1;
  nlohmann::json to_json() const;
};

/// One thread. Checkpoints lie in `folder` (tensor/checkpoint_model.h); a run with the same options
/// goes on at the newest whole one. When all epochs are done the averaged weights are written as
/// float16 to `out` (.safetensors) with their card beside it. Returns whether that was reached.
/// Throws kUsage (options, no examples), kBadInput (a checkpoint of other options), kCancelled
/// (saved), kIo, kNoSpace.
bool train_g2p(const G2pTraining& options, const std::vector<G2pExample>& examples,
               const std::filesystem::path& folder, const std::filesystem::path& out,
               Progress& progress, const Cancel& cancel);

/// The whole part of `voice pretrain`: CMUdict without the held-out words is learned, and every
/// `score_every`-th held-out word is read. {part, done, words, held_out: {words,
/// phoneme_error_rate, word_error_rate, stress_error_rate}, parameters, out, bytes}; without
/// held_out and what follows it when a sitting's limit came first. Throws as train_g2p; kMissing
/// without CMUdict.
nlohmann::json pretrain_g2p(const G2pTraining& options, const std::filesystem::path& folder,
                            const std::filesystem::path& out, Progress& progress,
                            const Cancel& cancel, size_t score_every = 1);

}  // namespace likeness::voice
