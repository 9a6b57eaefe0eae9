// SPDX-License-Identifier: Apache-2.0
// From text as people write it to sentences of words as they are said. English: numbers, dates,
// times, money, units, abbreviations, acronyms, roman numerals where they are safe. Text in another
// language is only split into sentences and words; its voice's phonemiser knows the rest.
//
// Text is UTF-8. Everything throws likeness::Error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "likeness/voice/lexicon.h"
#include "likeness/voice/phones.h"

namespace likeness::voice {

/// How a stretch of text is to be said; set by SSML.
struct Style {
  double rate = 1;       ///< 0.25 to 4
  double pitch_st = 0;   ///< semitones, -12 to 12
  double volume_db = 0;  ///< -40 to 12
  bool operator==(const Style&) const = default;
};

/// A stretch of text with one treatment.
struct Span {
  std::string text;
  size_t begin =
      0;  ///< byte in the source; characters of `text` follow it one to one unless `fixed`
  bool fixed = false;  ///< all of it stands for [begin, end) of the source (an alias, an entity)
  size_t end = 0;
  bool entity = false;  ///< one character that was written as &name;
  Style style;
  std::string say_as;  ///< characters, cardinal, ordinal, digits, telephone, date, time, fraction
  Pronunciation pronunciation;  ///< of the whole span, when not empty
  double pause_s = 0;           ///< before it
  bool paragraph = false;       ///< a paragraph or sentence begins before it
};

struct Word {
  std::string text;             ///< as it is said, lower case: "twenty", "doctor", "hello"
  Pronunciation pronunciation;  ///< empty: the voice's own
  std::string
      mark;  ///< punctuation after it: "" "," ";" ":" and at the end of a sentence "." "?" "!"
  double pause_s = 0;  ///< silence after it that was asked for
  Style style;
  size_t source_begin = 0, source_end = 0;  ///< bytes of the text that it was read from
};

struct Sentence {
  std::vector<Word> words;
  bool paragraph_ends = false;
  std::string text() const;  ///< words and marks, for people
};

struct Script {
  std::vector<Sentence> sentences;
  std::vector<std::string> warnings;  ///< what was left out: control characters, emoji
};

struct TextOptions {
  std::string language = "en-us";  ///< of the voice; rules for English apply when it begins with en
  const Lexicon* lexicon = nullptr;
  size_t longest_words = 40;  ///< a longer sentence is divided, at a comma where there is one
};

/// More than this many characters at once are refused: about an hour of speech, which is held in
/// memory.
inline constexpr size_t kMostCharacters = 60'000;

/// Plain text, or SSML when it begins with <speak. Throws kUsage (empty, too long), kBadInput (not
/// UTF-8, SSML that is wrong), kUnsupported (letters of a script the voice's language is not
/// written in).
Script read_script(const std::string& text, const TextOptions& options = {});

/// The subset: speak, p, s, break, prosody (rate, pitch, volume), phoneme (ipa, x-arpabet), say-as,
/// sub, emphasis (kept as it is). Throws kBadInput with the place.
std::vector<Span> parse_ssml(const std::string& text);

// Numbers in words, American style without "and".
std::vector<std::string> cardinal_words(std::string digits);  ///< up to 36 digits, then one by one
std::vector<std::string> ordinal_words(std::string digits);
std::vector<std::string> year_words(int year);
std::vector<std::string> digit_words(std::string_view digits);

}  // namespace likeness::voice
