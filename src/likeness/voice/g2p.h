// SPDX-License-Identifier: Apache-2.0
// How an English word is said that no dictionary has: the network of nets/g2p.h, run without
// libtorch, and what it is trained from.
//
// Debian's CMUdict (pocketsphinx-en-us) has no stress. flite's lexicon, which is linked anyway, has
// it as 0 or 1; where both have the same number of vowels it is taken over. Which of several
// stressed vowels is the main one is a rule: the last, unless it is the word's last vowel, then the
// first; words in -eer, -ee, -ese, -ette, -esque and under-, over- verbs have it last.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "likeness/voice/phonemes.h"

namespace likeness::voice {

/// a to z and ' in lower case; accents fall off, everything else too.
std::string g2p_letters(std::string_view word);
/// Numbers of the network's letters: a is 1, z 26, ' 27.
std::vector<int64_t> g2p_letter_numbers(const std::string& letters);

class G2p {
 public:
  /// A safetensors file with its card beside it. Throws kMissing, kRefused (no card), kDamaged.
  explicit G2p(const std::filesystem::path& weights);
  ~G2p();
  G2p(G2p&&) noexcept;
  /// The shipped one, or nothing when its file is not there. A damaged file throws.
  static const G2p* installed();

  /// Beam search. Never empty for a word with letters, never longer than 2 x letters + 8 sounds: it
  /// cannot loop. Stress: at least one main one. Empty for an empty word.
  std::vector<Sound> pronounce(const std::string& letters, int beam = 4) const;
  /// The stress the network would put on sounds that are known.
  std::vector<Sound> with_stress(const std::string& letters, std::vector<Sound> sounds) const;
  /// Log probability of the sounds and the end: for tests against nets::G2pNet.
  double log_probability(const std::string& letters, const std::vector<Sound>& sounds) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// flite's lexicon and letter-to-sound rules. Empty when it says nothing.
std::vector<Sound> flite_sounds(const std::string& letters);
/// Puts flite's 0 and 1 on the sounds of a dictionary and chooses the main stress. False: flite has
/// another number of vowels, nothing was changed.
bool stress_from_flite(const std::string& letters, std::vector<Sound>& sounds);
/// One main stress where there is a vowel, by the rule above.
void settle_stress(const std::string& letters, std::vector<Sound>& sounds);

struct G2pExample {
  std::string letters;
  std::vector<Sound> sounds;
  bool stress_known = false;
};
/// CMUdict's words of letters and ' alone, first pronunciations, in the order of the alphabet.
std::vector<G2pExample> g2p_examples();
/// Whether a word is held out of training: 5 % by hash; a word and its 's go together.
bool g2p_held_out(const std::string& letters);

struct G2pScore {
  size_t words = 0, wrong_words = 0, sounds = 0, wrong_sounds = 0, stressed = 0, wrong_stress = 0;
  double phoneme_error_rate() const;
  double word_error_rate() const;
  /// Of words with the right sounds and a known stress: those whose stress is wrong somewhere.
  double stress_error_rate() const;
};
/// Every `every`-th example; stress does not count as a sound's error.
G2pScore score_g2p(const G2p& model, const std::vector<G2pExample>& examples, size_t every = 1);

}  // namespace likeness::voice
