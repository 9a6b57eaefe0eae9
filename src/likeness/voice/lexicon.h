// SPDX-License-Identifier: Apache-2.0
// Pronunciations: the user's own list, and CMUdict as Debian's pocketsphinx-en-us brings it.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "likeness/voice/phones.h"

namespace likeness::voice {

class Lexicon {
 public:
  /// A text file, one word a line: the word, white space, and ARPAbet ("likeness L AY1 K N AH0 S"),
  /// IPA between slashes ("/ˈlaɪknəs/"), or what to say instead in quotes ("SQL" -> "\"sequel\"").
  /// # begins a comment. Throws kNotFound, kBadInput with the line.
  static Lexicon read(const std::filesystem::path& path);
  static Lexicon parse(const std::string& text, const std::string& name_for_errors);

  struct Entry {
    Pronunciation pronunciation;
    std::string instead;
  };
  /// Letter case does not matter.
  const Entry* find(std::string_view word) const;
  size_t size() const { return entries_.size(); }

 private:
  std::map<std::string, Entry, std::less<>> entries_;
};

/// CMUdict, loaded on first use; empty when the package is not installed.
class CmuDict {
 public:
  static const CmuDict& get();
  bool has(std::string_view word) const { return entries_.count(std::string(word)) > 0; }
  std::optional<std::vector<std::string>> find(std::string_view word) const;
  size_t size() const { return entries_.size(); }
  std::vector<std::string> words() const;  ///< in the order of their bytes

 private:
  CmuDict();
  std::string text_;
  std::map<std::string, std::string_view, std::less<>> entries_;
};

std::string lower_ascii(std::string_view text);

}  // namespace likeness::voice
