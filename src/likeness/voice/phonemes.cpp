// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/phonemes.h"

#include <algorithm>
#include <set>

#include "likeness/base/error.h"
#include "likeness/voice/g2p.h"

namespace likeness::voice {
namespace {

/// Words that sentences do not stress when they are one syllable long.
const std::set<std::string, std::less<>>& unstressed_words() {
  static const std::set<std::string, std::less<>> words = {
      "a",     "an",   "and",    "as",   "at",   "be",    "been", "but",   "by",    "can",
      "could", "did",  "do",     "does", "for",  "from",  "had",  "has",   "have",  "he",
      "her",   "him",  "his",    "i'd",  "i'll", "i'm",   "if",   "in",    "is",    "it",
      "its",   "it's", "me",     "must", "my",   "nor",   "of",   "on",    "or",    "our",
      "shall", "she",  "should", "so",   "some", "than",  "that", "the",   "their", "them",
      "there", "they", "this",   "to",   "us",   "was",   "we",   "we'll", "were",  "we're",
      "will",  "with", "would",  "you",  "your", "you're"};
  return words;
}

std::vector<Sound> own_sounds(const Word& word) {
  auto arpabet = word.pronunciation.arpabet;
  if (arpabet.empty()) {
    const auto read = arpabet_from_ipa(word.pronunciation.ipa);
    if (!read)
      throw Error(
          ErrorCode::kUnsupported,
          "the pronunciation /" + word.pronunciation.ipa + "/ has sounds that English has not",
          "use English sounds");
    arpabet = *read;
  }
  return sounds_of_arpabet(arpabet);
}

/// Of a dictionary word: stress from flite, else from the network, else the first vowel.
void put_stress(const std::string& letters, std::vector<Sound>& sounds) {
  if (stress_from_flite(letters, sounds)) return;
  if (const G2p* network = G2p::installed())
    sounds = network->with_stress(letters, std::move(sounds));
  else
    settle_stress(letters, sounds);
}

std::optional<std::vector<Sound>> dictionary_sounds(const std::string& letters) {
  const auto said = CmuDict::get().find(letters);
  if (said) {
    auto sounds = sounds_of_arpabet(*said);
    put_stress(letters, sounds);
    return sounds;
  }
  // A name's possessive is seldom in the dictionary, the name may be.
  const bool plural = letters.ends_with("s'");
  if (!plural && !letters.ends_with("'s")) return std::nullopt;
  auto stem = dictionary_sounds(letters.substr(0, letters.size() - (plural ? 1 : 2)));
  if (!stem || stem->empty() || plural) return stem;
  const std::string_view last = kPhonemes[static_cast<size_t>(stem->back().phoneme)];
  const auto among = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), last) != names.end();
  };
  if (among({"S", "Z", "SH", "ZH", "CH", "JH"})) stem->push_back({*phoneme_index("AH"), 0});
  stem->push_back({*phoneme_index(among({"P", "T", "K", "F", "TH"}) ? "S" : "Z"), 0});
  return stem;
}

std::vector<Sound> word_sounds(const Word& word, std::vector<std::string>* warnings) {
  if (!word.pronunciation.empty()) return own_sounds(word);
  const std::string letters = g2p_letters(word.text);
  const auto warn = [&](const std::string& text) {
    if (warnings) warnings->push_back(text);
  };
  if (letters.find_first_not_of('\'') == std::string::npos) {
    warn("'" + word.text + "' has no letters that can be said; it was left out");
    return {};
  }
  auto sounds = dictionary_sounds(letters);
  if (!sounds) {
    if (const G2p* network = G2p::installed()) {
      sounds = network->pronounce(letters);
    } else {
      sounds = flite_sounds(letters);
      warn("'" + word.text + "' is in no dictionary and the network's file (assets/voice/" +
           "g2p.safetensors) is missing: said by flite's rules");
    }
  }
  const auto vowels = std::count_if(sounds->begin(), sounds->end(),
                                    [](const Sound& s) { return is_vowel_phoneme(s.phoneme); });
  if (vowels == 1 && unstressed_words().count(letters))
    for (Sound& s : *sounds) s.stress = 0;
  return *sounds;
}

/// "the" and "to" sound otherwise before vowels, "to" also at the end of a phrase.
void fit_to_next(const Word& word, bool phrase_ends, bool vowel_follows,
                 std::vector<Sound>& sounds) {
  if (!word.pronunciation.empty()) return;
  const auto arpabet = [&](std::initializer_list<const char*> names) {
    sounds = sounds_of_arpabet({names.begin(), names.end()});
  };
  if (word.text == "the") {
    if (!phrase_ends && vowel_follows)
      arpabet({"DH", "IY0"});
    else
      arpabet({"DH", "AH0"});
  } else if (word.text == "to") {
    if (phrase_ends)
      arpabet({"T", "UW1"});
    else if (vowel_follows)
      arpabet({"T", "UW0"});
    else
      arpabet({"T", "AH0"});
  } else if (word.text == "a") {
    arpabet({"AH0"});
  }
}

}  // namespace

bool is_vowel_phoneme(int phoneme) {
  if (phoneme < kPhonemeFirst || phoneme >= kPhonemeCount) return false;
  constexpr std::string_view kVowelBegins = "AEIOU";
  return kVowelBegins.find(kPhonemes[static_cast<size_t>(phoneme)][0]) != std::string_view::npos;
}

std::optional<int> phoneme_index(std::string_view name) {
  const auto it = std::find(kPhonemes.begin() + 1, kPhonemes.end(), name);
  if (it == kPhonemes.end()) return std::nullopt;
  return static_cast<int>(it - kPhonemes.begin());
}

std::vector<Sound> sounds_of_arpabet(const std::vector<std::string>& arpabet) {
  std::vector<Sound> out;
  for (const std::string& name : arpabet) {
    std::string_view bare = name;
    Sound sound;
    if (!bare.empty() && bare.back() >= '0' && bare.back() <= '2') {
      sound.stress = bare.back() - '0';
      bare.remove_suffix(1);
    }
    const auto index = phoneme_index(bare);
    if (!index || (sound.stress && !is_vowel_phoneme(*index)))
      throw Error(ErrorCode::kBadInput, "'" + name + "' is not ARPAbet",
                  "the names are those of CMUdict: AA1, K, N, ...");
    sound.phoneme = *index;
    out.push_back(sound);
  }
  return out;
}

std::vector<std::string> arpabet_of_sounds(const std::vector<Sound>& sounds) {
  std::vector<std::string> out;
  for (const Sound& s : sounds) {
    out.emplace_back(kPhonemes.at(static_cast<size_t>(s.phoneme)));
    if (is_vowel_phoneme(s.phoneme)) out.back() += static_cast<char>('0' + s.stress);
  }
  return out;
}

std::vector<PhoneUnit> phonemes_of(const Sentence& sentence, std::vector<std::string>* warnings) {
  std::vector<std::vector<Sound>> all;
  for (const Word& w : sentence.words) all.push_back(word_sounds(w, warnings));
  std::vector<PhoneUnit> out(1);  // silence
  for (size_t i = 0; i < all.size(); ++i) {
    const Word& word = sentence.words[i];
    const bool pause = !word.mark.empty() || word.pause_s > 0;
    const bool vowel =
        i + 1 < all.size() && !all[i + 1].empty() && is_vowel_phoneme(all[i + 1].front().phoneme);
    fit_to_next(word, pause || i + 1 == all.size(), vowel, all[i]);
    const char mark = word.mark.empty() ? '\0' : word.mark[0];
    for (size_t k = 0; k < all[i].size(); ++k) {
      PhoneUnit unit;
      unit.phoneme = all[i][k].phoneme;
      unit.stress = all[i][k].stress;
      unit.word = static_cast<int>(i);
      unit.begins_word = k == 0;
      if (k + 1 == all[i].size()) unit.mark = mark;
      out.push_back(unit);
    }
    if (!pause) continue;
    // A word that was left out adds its pause to the one before.
    if (out.back().phoneme != kPhonemePause) out.emplace_back();
    out.back().pause_s += word.pause_s;
    if (mark) out.back().mark = mark;
  }
  if (out.back().phoneme != kPhonemePause || out.size() == 1) out.emplace_back();
  return out;
}

}  // namespace likeness::voice
