// SPDX-License-Identifier: Apache-2.0
// flite's lexicon: the stress of dictionary words, and letter-to-sound rules of last resort.
#include <algorithm>
#include <array>
#include <mutex>

#include "likeness/voice/flite_voice.h"
#include "likeness/voice/g2p.h"

extern "C" {
#include <flite/flite.h>
cst_lexicon* cmu_lex_init(void);
}

namespace likeness::voice {
namespace {

bool ends_with_any(std::string_view word, std::initializer_list<std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(), [&](auto e) { return word.ends_with(e); });
}

/// flite knows stressed and unstressed vowels; this makes all but one of the stressed secondary.
void choose_main(const std::string& letters, std::vector<Sound>& sounds) {
  std::vector<size_t> vowels, stressed;
  for (size_t i = 0; i < sounds.size(); ++i)
    if (is_vowel_phoneme(sounds[i].phoneme)) {
      vowels.push_back(i);
      if (sounds[i].stress) stressed.push_back(i);
    }
  if (stressed.size() < 2) return;
  const bool last_is_final = stressed.back() == vowels.back();
  const bool final_main =
      ends_with_any(letters, {"eer", "ee", "ese", "ette", "esque"}) ||
      (stressed.size() == 2 && (letters.starts_with("under") || letters.starts_with("over")));
  const size_t main = !last_is_final || final_main ? stressed.back() : stressed.front();
  for (const size_t i : stressed) sounds[i].stress = i == main ? 1 : 2;
}

}  // namespace

std::vector<Sound> flite_sounds(const std::string& letters) {
  const std::lock_guard lock(flite_mutex());
  static cst_lexicon* const lexicon = flite_init() >= 0 ? cmu_lex_init() : nullptr;
  if (!lexicon || letters.empty()) return {};
  std::vector<std::string> names;
  cst_val* said = lex_lookup(lexicon, letters.c_str(), nullptr, nullptr);
  for (const cst_val* v = said; v; v = val_cdr(v)) names.emplace_back(val_string(val_car(v)));
  delete_val(said);
  std::vector<Sound> out;
  for (const std::string& name : names)
    if (const auto arpabet = parse_arpabet(name)) out.push_back(sounds_of_arpabet(*arpabet)[0]);
  settle_stress(letters, out);
  return out;
}

void settle_stress(const std::string& letters, std::vector<Sound>& sounds) {
  const auto with = [&](int stress) {
    return std::find_if(sounds.begin(), sounds.end(), [&](const Sound& s) {
      return is_vowel_phoneme(s.phoneme) && s.stress == stress;
    });
  };
  if (std::count_if(sounds.begin(), sounds.end(), [](const Sound& s) { return s.stress == 1; }) > 1)
    choose_main(letters, sounds);
  if (with(1) != sounds.end()) return;
  if (const auto it = with(2); it != sounds.end())
    it->stress = 1;
  else if (const auto vowel = with(0); vowel != sounds.end())
    vowel->stress = 1;
}

bool stress_from_flite(const std::string& letters, std::vector<Sound>& sounds) {
  std::vector<int> stresses;
  for (const Sound& s : flite_sounds(letters))
    if (is_vowel_phoneme(s.phoneme)) stresses.push_back(s.stress);
  const auto vowels = std::count_if(sounds.begin(), sounds.end(),
                                    [](const Sound& s) { return is_vowel_phoneme(s.phoneme); });
  if (static_cast<size_t>(vowels) != stresses.size()) return false;
  size_t k = 0;
  for (Sound& s : sounds)
    if (is_vowel_phoneme(s.phoneme)) s.stress = stresses[k++];
  settle_stress(letters, sounds);
  return true;
}

}  // namespace likeness::voice
