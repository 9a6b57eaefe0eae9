// SPDX-License-Identifier: Apache-2.0
// The machine's speech recogniser, where one is installed: Debian's pocketsphinx with its English
// model, as a child process. Of free speech it mistakes about one word in four; told beforehand
// which words can come, nearly none.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "likeness/base/audio.h"

namespace likeness::tasks {

/// Its model and dictionary are there.
bool recogniser_installed();

/// Words that can come, each with its share of the speech, and how those are said (ARPAbet) that
/// the model's dictionary does not have; others that it does not have are left out.
struct Vocabulary {
  std::map<std::string, double> shares;
  std::map<std::string, std::string> said;
};

/// What is heard, in lower case, with blanks between the words. `only` empty: any English words.
/// Throws kMissing when no recogniser is installed, kInternal when it fails.
std::string hear_words(const AudioClip& clip, const Vocabulary& only = {});

/// Letters and apostrophes, lower case.
std::vector<std::string> words_of(const std::string& text);
/// How many of the wanted words are among the others, in their order (longest common subsequence).
size_t words_in_order(const std::vector<std::string>& wanted,
                      const std::vector<std::string>& heard);

}  // namespace likeness::tasks
