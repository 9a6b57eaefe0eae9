// SPDX-License-Identifier: Apache-2.0
// Inside `voice` only: tokens of English text and the words they are said as.
#pragma once

#include <string>
#include <vector>

#include "likeness/voice/text.h"

namespace likeness::voice {

/// Text between white space, without the punctuation around it.
struct Token {
  std::string core;           ///< "3.50", "Dr", "U.S"
  std::string trail;          ///< punctuation that followed: ".", ",\"", "?!"
  bool opened = false;        ///< a bracket or quote opened before it
  bool joined = false;        ///< no white space before it (it was cut at a hyphen or dash)
  bool paragraph = false;     ///< a paragraph begins with it
  size_t begin = 0, end = 0;  ///< source bytes
  double pause_s = 0;         ///< silence before it
  const Span* span = nullptr;
};

struct Spoken {
  std::vector<Word> words;
  size_t used = 1;        ///< tokens taken, more than one for "3 p.m."
  bool ends_here = true;  ///< whether a full stop after it can end a sentence ("Dr." does not)
  bool dotted = false;    ///< the full stop belongs to an abbreviation
};

/// What the token at `i` is said as, with its neighbours in view.
Spoken say_token(const std::vector<Token>& tokens, size_t i, const TextOptions& options);

std::vector<Word> words_of(const std::vector<std::string>& texts);
std::vector<Word> letters_of(const std::string& letters);
bool all_digits(std::string_view s);

}  // namespace likeness::voice
