// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <sstream>

#include "likeness/base/error.h"
#include "likeness/voice/child_process.h"
#include "likeness/voice/piper.h"

namespace likeness::voice {
namespace {

using Strings = std::vector<std::string>;

Strings lines_of(const std::string& text) {
  Strings out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
    const size_t begin = line.find_first_not_of(' ');
    if (begin != std::string::npos) out.push_back(line.substr(begin));
  }
  return out;
}
Strings groups_of(const std::string& line) {
  Strings out;
  std::istringstream in(line);
  for (std::string g; in >> g;) out.push_back(g);
  return out;
}

/// "(fr)" and the like say that the language changed.
std::string without_flags(const std::string& text) {
  std::string out;
  bool inside = false;
  for (const char c : text) {
    if (c == '(') inside = true;
    if (!inside) out += c;
    if (c == ')') inside = false;
  }
  return out;
}

std::string ask(const std::string& text, const std::string& voice) {
  return without_flags(
      filter_through({"espeak-ng", "-q", "--ipa", "-b", "1", "-v", voice, "--stdin"}, text));
}

std::u32string sounds(const std::string& ipa) {
  std::u32string out;
  for (const char32_t c : decode_utf8(ipa))
    if (c != U'ˈ' && c != U'ˌ' && c != U'ː') out += c;
  return out;
}

double distance(const std::u32string& a, const std::u32string& b) {
  std::vector<double> row(b.size() + 1);
  for (size_t k = 0; k <= b.size(); ++k) row[k] = static_cast<double>(k);
  for (size_t i = 1; i <= a.size(); ++i) {
    double corner = row[0];
    row[0] = static_cast<double>(i);
    for (size_t k = 1; k <= b.size(); ++k) {
      const double was = row[k];
      row[k] = std::min({row[k] + 1, row[k - 1] + 1, corner + (a[i - 1] == b[k - 1] ? 0 : 1)});
      corner = was;
    }
  }
  return row[b.size()];
}

/// Which group each word belongs to: consecutive words share a group, or a word has several. The
/// cheapest alignment of groups with what the words sound like alone.
std::vector<std::pair<size_t, size_t>> align(const Strings& groups, const Strings& alone) {
  const size_t g = groups.size(), w = alone.size();
  constexpr double kNever = 1e9;
  std::vector<std::vector<double>> cost(g + 1, std::vector<double>(w + 1, kNever));
  std::vector<std::vector<std::pair<size_t, size_t>>> from(
      g + 1, std::vector<std::pair<size_t, size_t>>(w + 1));
  cost[0][0] = 0;
  constexpr size_t kMost = 4;
  for (size_t i = 0; i <= g; ++i)
    for (size_t k = 0; k <= w; ++k) {
      if (cost[i][k] >= kNever) continue;
      const auto step = [&](size_t groups_taken, size_t words_taken) {
        if (i + groups_taken > g || k + words_taken > w) return;
        std::string a, b;
        for (size_t n = 0; n < groups_taken; ++n) a += groups[i + n];
        for (size_t n = 0; n < words_taken; ++n) b += alone[k + n];
        const double c = cost[i][k] + distance(sounds(a), sounds(b)) +
                         0.3 * static_cast<double>(groups_taken + words_taken - 2);
        if (c < cost[i + groups_taken][k + words_taken]) {
          cost[i + groups_taken][k + words_taken] = c;
          from[i + groups_taken][k + words_taken] = {groups_taken, words_taken};
        }
      };
      for (size_t n = 1; n <= kMost; ++n) step(1, n), step(n, 1);
    }
  std::vector<std::pair<size_t, size_t>> out;
  if (cost[g][w] >= kNever) return out;
  for (size_t i = g, k = w; i > 0 || k > 0;) {
    out.push_back(from[i][k]);
    i -= out.back().first, k -= out.back().second;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

/// Divides the sounds of one group among its words by how long they are alone.
Strings divided(const std::string& group, const Strings& alone) {
  const std::u32string all = decode_utf8(group);
  double total = 0;
  for (const auto& a : alone) total += static_cast<double>(sounds(a).size()) + 0.01;
  Strings out;
  size_t at = 0;
  double sum = 0;
  for (size_t i = 0; i < alone.size(); ++i) {
    sum += static_cast<double>(sounds(alone[i]).size()) + 0.01;
    auto end = i + 1 == alone.size()
                   ? all.size()
                   : static_cast<size_t>(static_cast<double>(all.size()) * sum / total + 0.5);
    // Stress belongs to what follows it, length to what precedes it.
    while (end > at + 1 && end < all.size() && (all[end - 1] == U'ˈ' || all[end - 1] == U'ˌ'))
      --end;
    while (end < all.size() && all[end] == U'ː') ++end;
    std::string part;
    for (; at < std::max(at, end) && at < all.size(); ++at) part += encode_utf8(all[at]);
    out.push_back(part);
  }
  return out;
}

/// Words of one clause, between punctuation.
Strings clause_ipa(const Strings& words, const std::string& line, const std::string& voice) {
  const Strings groups = groups_of(line);
  if (groups.size() == words.size()) return groups;
  // Each alone, a line each; blank lines make them clauses.
  std::string text;
  for (const auto& w : words) text += w + "\n\n";
  Strings alone = lines_of(ask(text, voice));
  if (alone.size() != words.size()) {
    alone.clear();
    for (const auto& w : words) {
      std::string joined;
      for (const auto& l : lines_of(ask(w, voice))) joined += l;
      std::erase(joined, ' ');
      alone.push_back(joined);
    }
  }
  for (auto& a : alone) std::erase(a, ' ');
  const auto steps = align(groups, alone);
  if (steps.empty()) return alone;  // as many times as needed: better flat than wrong
  Strings out;
  size_t g = 0, w = 0;
  for (const auto& [groups_taken, words_taken] : steps) {
    std::string group;
    for (size_t n = 0; n < groups_taken; ++n) group += groups[g + n];
    const Strings part(alone.begin() + static_cast<long>(w),
                       alone.begin() + static_cast<long>(w + words_taken));
    for (auto& p : words_taken == 1 ? Strings{group} : divided(group, part)) out.push_back(p);
    g += groups_taken, w += words_taken;
  }
  return out;
}

}  // namespace

std::vector<std::string> espeak_ipa(const Sentence& sentence, const std::string& voice) {
  std::vector<Strings> clauses(1);
  for (size_t i = 0; i < sentence.words.size(); ++i) {
    clauses.back().push_back(sentence.words[i].text);
    if (!sentence.words[i].mark.empty() && i + 1 < sentence.words.size()) clauses.emplace_back();
  }
  std::string text;
  for (const auto& c : clauses) {
    for (size_t i = 0; i < c.size(); ++i) text += (i ? " " : "") + c[i];
    text += "\n\n";
  }
  Strings lines = lines_of(ask(text, voice));
  if (lines.size() != clauses.size()) {  // espeak divides long clauses
    lines.clear();
    for (const auto& c : clauses) {
      std::string one, joined;
      for (size_t i = 0; i < c.size(); ++i) one += (i ? " " : "") + c[i];
      for (const auto& l : lines_of(ask(one, voice))) joined += (joined.empty() ? "" : " ") + l;
      lines.push_back(joined);
    }
  }
  Strings out;
  for (size_t i = 0; i < clauses.size(); ++i)
    for (auto& ipa : clause_ipa(clauses[i], lines[i], voice)) out.push_back(std::move(ipa));
  LIKENESS_REQUIRE(out.size() == sentence.words.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const Pronunciation& p = sentence.words[i].pronunciation;
    if (!p.ipa.empty()) out[i] = p.ipa;
    if (!p.arpabet.empty()) out[i] = ipa_from_arpabet(p.arpabet);
  }
  return out;
}

}  // namespace likeness::voice
