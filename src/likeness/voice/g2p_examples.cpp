// SPDX-License-Identifier: Apache-2.0
// What the network of g2p.h learns from, and how it is scored.
#include <algorithm>

#include "likeness/base/hash.h"
#include "likeness/voice/g2p.h"

namespace likeness::voice {
namespace {

constexpr size_t kLongestWord = 40;

/// Levenshtein distance of the sounds, without stress.
size_t distance(const std::vector<Sound>& want, const std::vector<Sound>& got) {
  std::vector<size_t> row(got.size() + 1);
  for (size_t k = 0; k <= got.size(); ++k) row[k] = k;
  for (size_t i = 1; i <= want.size(); ++i) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t k = 1; k <= got.size(); ++k) {
      const size_t was = row[k];
      const size_t change = want[i - 1].phoneme == got[k - 1].phoneme ? 0 : 1;
      row[k] = std::min({row[k] + 1, row[k - 1] + 1, corner + change});
      corner = was;
    }
  }
  return row[got.size()];
}

double share(size_t part, size_t all) {
  return all ? static_cast<double>(part) / static_cast<double>(all) : 0;
}

}  // namespace

std::string g2p_letters(std::string_view word) {
  std::string out = lower_ascii(fold_ascii(std::string(word)));
  std::erase_if(out, [](char c) { return (c < 'a' || c > 'z') && c != '\''; });
  return out;
}

std::vector<int64_t> g2p_letter_numbers(const std::string& letters) {
  std::vector<int64_t> out;
  for (const char c : letters) out.push_back(c == '\'' ? 27 : c - 'a' + 1);
  return out;
}

std::vector<G2pExample> g2p_examples() {
  std::vector<G2pExample> out;
  for (const std::string& word : CmuDict::get().words()) {
    if (word.size() > kLongestWord || word == "'" || g2p_letters(word) != word) continue;
    G2pExample e;
    e.letters = word;
    e.sounds = sounds_of_arpabet(*CmuDict::get().find(word));
    e.stress_known = stress_from_flite(word, e.sounds);
    out.push_back(std::move(e));
  }
  return out;
}

bool g2p_held_out(const std::string& letters) {
  std::string_view stem = letters;
  if (stem.ends_with("'s")) stem.remove_suffix(2);
  if (stem.ends_with("'")) stem.remove_suffix(1);
  // Twenty equal parts of the first hexadecimal digits of the hash; one is held out.
  return std::stoul(sha256(stem).substr(0, 6), nullptr, 16) % 20 == 7;
}

double G2pScore::phoneme_error_rate() const { return share(wrong_sounds, sounds); }
double G2pScore::word_error_rate() const { return share(wrong_words, words); }
double G2pScore::stress_error_rate() const { return share(wrong_stress, stressed); }

G2pScore score_g2p(const G2p& model, const std::vector<G2pExample>& examples, size_t every) {
  G2pScore score;
  for (size_t i = 0; i < examples.size(); i += every) {
    const G2pExample& e = examples[i];
    const auto said = model.pronounce(e.letters);
    const size_t wrong = distance(e.sounds, said);
    ++score.words;
    score.sounds += e.sounds.size();
    score.wrong_sounds += wrong;
    score.wrong_words += wrong > 0;
    if (wrong || !e.stress_known) continue;
    ++score.stressed;
    score.wrong_stress += said != e.sounds;
  }
  return score;
}

}  // namespace likeness::voice
