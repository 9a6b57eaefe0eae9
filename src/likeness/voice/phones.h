// SPDX-License-Identifier: Apache-2.0
// Names of English speech sounds: ARPAbet, as CMUdict and flite write them, and IPA, as espeak
// does.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace likeness::voice {

/// A pronunciation as the user, the dictionary or SSML gave it: one of the two, never both.
struct Pronunciation {
  std::vector<std::string> arpabet;  ///< "HH AH0 L OW1"; vowels with stress 0, 1 or 2
  std::string ipa;                   ///< UTF-8, with stress marks before the syllable
  bool empty() const { return arpabet.empty() && ipa.empty(); }
};

/// Splits and checks; lower case is taken too, a vowel without a digit gets stress 0. Nothing when
/// a name is not ARPAbet.
std::optional<std::vector<std::string>> parse_arpabet(const std::string& text);
std::string ipa_from_arpabet(const std::vector<std::string>& phones);
/// Longest match; length marks, ties and syllable dots are skipped. Nothing when a sound is not
/// English.
std::optional<std::vector<std::string>> arpabet_from_ipa(const std::string& ipa);
/// How the name of a letter a to z is said.
std::vector<std::string> letter_name(char letter);

/// The code points of valid UTF-8. Throws kBadInput.
std::u32string decode_utf8(const std::string& text);
std::string encode_utf8(char32_t code_point);
/// ASCII only: accents fall off, the rest of Latin is written as its nearest letter, other scripts
/// are left out. Throws kBadInput (not UTF-8).
std::string fold_ascii(const std::string& text);

}  // namespace likeness::voice
