// SPDX-License-Identifier: Apache-2.0
// The sounds of a sentence as numbers: what our own acoustic model reads. English.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "likeness/voice/text.h"

namespace likeness::voice {

/// The fixed inventory; a voice file that was trained on it may rely on the numbers. 0 is padding,
/// 1 silence, 2 to 40 ARPAbet without stress in alphabetical order.
inline constexpr std::array<std::string_view, 41> kPhonemes = {
    "",   "pau", "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER",
    "EY", "F",   "G",  "HH", "IH", "IY", "JH", "K",  "L", "M",  "N", "NG", "OW", "OY",
    "P",  "R",   "S",  "SH", "T",  "TH", "UH", "UW", "V", "W",  "Y", "Z",  "ZH"};
inline constexpr int kPhonemeCount = static_cast<int>(kPhonemes.size());
inline constexpr int kPhonemePadding = 0, kPhonemePause = 1, kPhonemeFirst = 2;

bool is_vowel_phoneme(int phoneme);
/// Of an ARPAbet name without stress ("AH") or "pau". Nothing for another.
std::optional<int> phoneme_index(std::string_view name);

/// A sound of a word, without the word.
struct Sound {
  int phoneme = 0;
  int stress = 0;  ///< 0, 1 (main) or 2 (secondary); of consonants 0
  bool operator==(const Sound&) const = default;
};
/// "AH0 B" to sounds and back; a vowel without digit has stress 0. Throws kBadInput for names that
/// are not ARPAbet.
std::vector<Sound> sounds_of_arpabet(const std::vector<std::string>& arpabet);
std::vector<std::string> arpabet_of_sounds(const std::vector<Sound>& sounds);

struct PhoneUnit {
  int phoneme = kPhonemePause;
  int stress = 0;
  int word = -1;  ///< of the sentence; -1 for silence
  bool begins_word = false;
  /// Of silence: the mark it stands for (, ; : . ? ! and 0 for none); of a word's last sound: the
  /// mark that follows the word.
  char mark = 0;
  double pause_s = 0;  ///< of silence: what the text asked for (SSML break), 0: as is natural
};

/// Silence, the sounds, silence; silence also after every word with a mark or a pause. A word's
/// sounds are, in this order: its own pronunciation; the forms of "a", "the" and "to" that fit the
/// next word; CMUdict; the dictionary word and its 's; the network (g2p.h); without the network's
/// file flite's rules, with a warning. A word without any letter is silent, with a warning.
/// Dictionary words take their stress from flite's lexicon (Debian's CMUdict has none), see g2p.h.
/// Throws kUnsupported (a pronunciation with sounds that English has not).
std::vector<PhoneUnit> phonemes_of(const Sentence& sentence,
                                   std::vector<std::string>* warnings = nullptr);

}  // namespace likeness::voice
