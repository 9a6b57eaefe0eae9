// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/lexicon.h"

#include <cctype>
#include <sstream>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"

namespace likeness::voice {

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

Lexicon Lexicon::read(const std::filesystem::path& path) {
  constexpr uint64_t kLargest = 16u << 20;
  return parse(read_file(path, kLargest), path.string());
}

Lexicon Lexicon::parse(const std::string& text, const std::string& name) {
  decode_utf8(text);
  Lexicon out;
  std::istringstream in(text);
  size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const auto bad = [&](const std::string& why) {
      throw Error(ErrorCode::kBadInput, name + ":" + std::to_string(number) + ": " + why,
                  "write: word L AY1 K, or word /ˈlaɪk/, or word \"say this\"");
    };
    if (const size_t hash = line.find('#'); hash != std::string::npos) line.resize(hash);
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos) continue;
    const size_t gap = line.find_first_of(" \t", begin);
    if (gap == std::string::npos) bad("the pronunciation is missing");
    const std::string word = lower_ascii(std::string_view(line).substr(begin, gap - begin));
    const std::string said = line.substr(line.find_first_not_of(" \t", gap));
    Entry entry;
    if (said.size() >= 3 && said.front() == '/' && said.back() == '/') {
      entry.pronunciation.ipa = said.substr(1, said.size() - 2);
    } else if (said.size() >= 3 && said.front() == '"' && said.back() == '"') {
      entry.instead = said.substr(1, said.size() - 2);
    } else if (auto phones = parse_arpabet(said)) {
      entry.pronunciation.arpabet = std::move(*phones);
    } else {
      bad("'" + said + "' is not ARPAbet");
    }
    out.entries_[word] = std::move(entry);
  }
  return out;
}

const Lexicon::Entry* Lexicon::find(std::string_view word) const {
  const auto it = entries_.find(lower_ascii(word));
  return it == entries_.end() ? nullptr : &it->second;
}

CmuDict::CmuDict() {
  const std::filesystem::path path = "/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict";
  std::error_code ec;
  if (!std::filesystem::is_regular_file(path, ec)) return;
  text_ = read_file(path, 64u << 20);
  const std::string_view all = text_;
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find('\n', at), all.size());
    const std::string_view line = all.substr(at, end - at);
    at = end + 1;
    const size_t gap = line.find(' ');
    if (gap == std::string_view::npos || line.substr(0, gap).find('(') != std::string_view::npos)
      continue;  // other ways to say it
    entries_.emplace(std::string(line.substr(0, gap)), line.substr(gap + 1));
  }
}

const CmuDict& CmuDict::get() {
  static const CmuDict dict;
  return dict;
}

std::optional<std::vector<std::string>> CmuDict::find(std::string_view word) const {
  const auto it = entries_.find(word);
  if (it == entries_.end()) return std::nullopt;
  return parse_arpabet(std::string(it->second));
}

std::vector<std::string> CmuDict::words() const {
  std::vector<std::string> out;
  out.reserve(entries_.size());
  for (const auto& [word, said] : entries_) out.push_back(word);
  return out;
}

}  // namespace likeness::voice
