// SPDX-License-Identifier: Apache-2.0
// Recordings to learn from, as folders hold them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "likeness/base/run.h"
#include "likeness/voice/features.h"

namespace likeness::voice {

struct Utterance {
  std::string id;  ///< path under the corpus, without extension
  std::filesystem::path audio;
  std::string text;     ///< of metadata.csv (id|text) or NAME.txt beside it; may be empty
  std::string speaker;  ///< the folder, or what stands before the first '-' of the name
};
/// All sound files under a folder, sorted by id. Throws kNotFound (no folder, nothing in it).
std::vector<Utterance> read_corpus(const std::filesystem::path& folder);

/// `count` of `total`, evenly spread: what is kept out of training and measured on.
bool is_held_out(size_t index, size_t total, size_t count);

struct Piece {
  Utterance from;
  std::vector<float> sound;  ///< 24 kHz mono
  Features features;
};
/// Decodes and analyses on all threads. Pitch, the slow part, is kept in `cache` (a folder) for the
/// next time when it is not empty. A file that cannot be read is left out with a warning in the
/// log.
std::vector<Piece> load_pieces(const std::vector<Utterance>& utterances,
                               const std::filesystem::path& cache, Progress& progress,
                               const Cancel& cancel);

}  // namespace likeness::voice
