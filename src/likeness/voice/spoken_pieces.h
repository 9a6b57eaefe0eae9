// SPDX-License-Identifier: Apache-2.0
// Inside `voice` only: synthetic speech whose sounds and times are known, to learn from.
#pragma once

#include <string>
#include <vector>

#include "likeness/voice/corpus.h"
#include "likeness/voice/phonemes.h"

namespace likeness::voice {

struct LabelledPiece {
  Piece piece;
  std::vector<int> phone_class;  ///< of each frame, phoneme - 1; -1 where it is not known
};

/// `count` of the texts (evenly spread from `first`) in a flite voice, with exact labels.
std::vector<LabelledPiece> flite_pieces(const std::string& voice,
                                        const std::vector<std::string>& texts, size_t count,
                                        size_t first, const Cancel& cancel);
/// The same in any voice, without labels; the piece keeps its text.
std::vector<Piece> voice_pieces(const std::string& voice, const std::vector<std::string>& texts,
                                size_t count, size_t first, bool with_pitch, const Cancel& cancel);
/// One sentence out of a text, however many it has.
Sentence as_one_sentence(const std::string& text);

}  // namespace likeness::voice
