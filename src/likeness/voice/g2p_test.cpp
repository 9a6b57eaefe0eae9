// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/g2p.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/voice/voice_test_util.h"

namespace likeness::voice {
namespace {
namespace fs = std::filesystem;

std::string joined(const std::vector<Sound>& sounds) {
  std::string out;
  for (const std::string& name : arpabet_of_sounds(sounds)) out += (out.empty() ? "" : " ") + name;
  return out;
}
std::string without_stress(std::string text) {
  std::erase_if(text, [](char c) { return c >= '0' && c <= '9'; });
  return text;
}
const G2p& shipped() {
  const G2p* network = G2p::installed();
  if (!network) throw Error(ErrorCode::kMissing, "assets/voice/g2p.safetensors is not there", "");
  return *network;
}
std::vector<G2pExample> held_out() {
  auto all = g2p_examples();
  std::erase_if(all, [](const G2pExample& e) { return !g2p_held_out(e.letters); });
  return all;
}

TEST(Phonemes, TheInventoryDoesNotChange) {
  ASSERT_EQ(kPhonemes.size(), 41u);
  EXPECT_EQ(phoneme_index("pau"), 1);
  EXPECT_EQ(phoneme_index("AA"), 2);
  EXPECT_EQ(phoneme_index("ZH"), 40);
  EXPECT_FALSE(phoneme_index(""));
  EXPECT_FALSE(phoneme_index("AX"));
  EXPECT_TRUE(std::is_sorted(kPhonemes.begin() + kPhonemeFirst, kPhonemes.end()));
  int vowels = 0;
  for (int i = 0; i < kPhonemeCount; ++i) vowels += is_vowel_phoneme(i);
  EXPECT_EQ(vowels, 15);
  EXPECT_FALSE(is_vowel_phoneme(-1));
  EXPECT_FALSE(is_vowel_phoneme(kPhonemeCount));
}

TEST(Phonemes, ArpabetThereAndBack) {
  const std::vector<std::string> said = {"HH", "AH0", "L", "OW1"};
  EXPECT_EQ(arpabet_of_sounds(sounds_of_arpabet(said)), said);
  EXPECT_EQ(code_of([] { sounds_of_arpabet({"QQ"}); }), ErrorCode::kBadInput);
  EXPECT_EQ(code_of([] { sounds_of_arpabet({"K1"}); }), ErrorCode::kBadInput);
}

TEST(G2pLetters, OnlyLettersAndApostrophesStay) {
  EXPECT_EQ(g2p_letters("Caf\u00e9's 2nd"), "cafe'snd");
  EXPECT_EQ(g2p_letters("\u0416\u0436"), "");
  EXPECT_EQ(g2p_letter_numbers("az'"), (std::vector<int64_t>{1, 26, 27}));
}

TEST(G2pExamples, HeldOutWordsAreAboutFivePercentAndKeepTheirGenitives) {
  const auto all = g2p_examples();
  if (all.empty()) GTEST_SKIP() << "pocketsphinx-en-us is not installed";
  size_t held = 0, stressed = 0;
  for (const G2pExample& e : all) {
    held += g2p_held_out(e.letters);
    stressed += e.stress_known;
    if (!e.stress_known) continue;
    const auto mains = std::count_if(e.sounds.begin(), e.sounds.end(),
                                     [](const Sound& s) { return s.stress == 1; });
    const bool vowel = std::any_of(e.sounds.begin(), e.sounds.end(),
                                   [](const Sound& s) { return is_vowel_phoneme(s.phoneme); });
    ASSERT_EQ(mains, vowel ? 1 : 0) << e.letters;
  }
  EXPECT_NEAR(static_cast<double>(held) / static_cast<double>(all.size()), 0.05, 0.005);
  EXPECT_GT(stressed, all.size() * 9 / 10);
  for (const char* word : {"anna", "zebra", "house", "smith"})
    EXPECT_EQ(g2p_held_out(word), g2p_held_out(std::string(word) + "'s"));
}

TEST(Stress, FollowsFliteAndTheRuleForTheMainOne) {
  const auto stressed = [](const std::string& word, const std::vector<std::string>& arpabet) {
    auto sounds = sounds_of_arpabet(arpabet);
    EXPECT_TRUE(stress_from_flite(word, sounds)) << word;
    return joined(sounds);
  };
  EXPECT_EQ(stressed("photography", {"F", "AH0", "T", "AA0", "G", "R", "AH0", "F", "IY0"}),
            "F AH0 T AA1 G R AH0 F IY0");
  EXPECT_EQ(stressed("telephone", {"T", "EH0", "L", "AH0", "F", "OW0", "N"}),
            "T EH1 L AH0 F OW2 N");
  EXPECT_EQ(stressed("understand", {"AH0", "N", "D", "ER0", "S", "T", "AE0", "N", "D"}),
            "AH2 N D ER0 S T AE1 N D");
  auto other = sounds_of_arpabet({"T", "EH0"});
  EXPECT_FALSE(stress_from_flite("telephone", other));
  EXPECT_EQ(joined(other), "T EH0");
  settle_stress("te", other);
  EXPECT_EQ(joined(other), "T EH1");
}

TEST(ShippedG2p, FindsItsWayInWordsItNeverSaw) {
  const auto words = held_out();
  if (words.empty()) GTEST_SKIP() << "pocketsphinx-en-us is not installed";
  ASSERT_GT(words.size(), 5000u);
  const G2pScore score = score_g2p(shipped(), words, 25);
  EXPECT_LT(score.phoneme_error_rate(), 0.12);
  EXPECT_LT(score.word_error_rate(), 0.45);
  EXPECT_LT(score.stress_error_rate(), 0.25);
}

TEST(ShippedG2p, SaysWhatPeopleWouldSay) {
  // Made-up words, and names no dictionary of 1990 has. Several ways are right for some.
  const std::vector<std::pair<std::string, std::vector<std::string>>> words = {
      {"blorp", {"B L AO R P"}},
      {"snizzle", {"S N IH Z AH L"}},
      {"quidditch", {"K W IH D IH CH"}},
      {"frobnicate", {"F R AA B N IH K EY T", "F R AA B N AH K EY T"}},
      {"glimmerous", {"G L IH M ER AH S"}},
      {"vlogger", {"V L AO G ER", "V L AA G ER"}},
      {"selfie", {"S EH L F IY"}},
      {"tweeting", {"T W IY T IH NG"}},
      {"hashtag", {"HH AE SH T AE G"}},
      {"shrekking", {"SH R EH K IH NG"}},
      {"blockchain", {"B L AA K CH EY N"}},
      {"podcasts", {"P AA D K AE S T S"}},
      {"bingeworthy", {"B IH N JH W ER DH IY"}},
      {"thrimble", {"TH R IH M B AH L"}},
      {"splunking", {"S P L AH NG K IH NG"}},
      {"unfriended", {"AH N F R EH N D IH D", "AH N F R EH N D AH D"}},
      {"zorblax", {"Z AO R B L AE K S"}},
      {"wibbly", {"W IH B L IY"}},
      {"dogecoin", {"D OW JH K OY N", "D AA JH K OY N", "D AO G K OY N", "D OW G K OY N"}},
      {"chillax", {"CH IH L AE K S"}},
  };
  int right = 0;
  std::string wrong;
  for (const auto& [word, ways] : words) {
    const std::string said = without_stress(joined(shipped().pronounce(word)));
    if (std::find(ways.begin(), ways.end(), said) != ways.end())
      ++right;
    else
      wrong += word + " (" + said + ") ";
  }
  EXPECT_GE(right, 15) << wrong;
}

TEST(ShippedG2p, CannotLoop) {
  for (const std::string& letters :
       {std::string(60, 'x'),
        std::string("zqxjkvbpzqxjkvbpzqxjkvbpzqxjkvbpzqxjkvbpzqxjkvbpzqxjkvbpzqxj"),
        std::string(60, 'a'), std::string(60, '\''), std::string(1000, 'w')}) {
    const auto said = shipped().pronounce(letters);
    EXPECT_FALSE(said.empty());
    EXPECT_LE(said.size(), 2 * letters.size() + 8 * (1 + letters.size() / 64));
  }
  EXPECT_TRUE(shipped().pronounce("").empty());
  for (char c = 'a'; c <= 'z'; ++c) {
    const auto said = shipped().pronounce(std::string(1, c));
    EXPECT_FALSE(said.empty()) << c;
    EXPECT_LE(said.size(), 10u) << c;
  }
  for (const char* word : {"o'zorb", "'tisn't", "blorps'", "rock'n'blorp", "zorb's"})
    EXPECT_GT(shipped().pronounce(word).size(), 2u) << word;
}

TEST(ShippedG2p, ABeamFindsNothingLessLikelyThanGreed) {
  for (const char* word : {"frobnicate", "blorp", "shrekking"}) {
    const double narrow = shipped().log_probability(word, shipped().pronounce(word, 1));
    const double wide = shipped().log_probability(word, shipped().pronounce(word, 4));
    EXPECT_GE(wide, narrow - 1e-4) << word;
  }
}

TEST(ShippedG2p, StressesWhatADictionarySays) {
  const auto sounds = sounds_of_arpabet({"F", "R", "AA0", "B", "N", "IH0", "K", "EY0", "T"});
  const auto stressed = shipped().with_stress("frobnicate", sounds);
  ASSERT_EQ(stressed.size(), sounds.size());
  int mains = 0;
  for (size_t i = 0; i < sounds.size(); ++i) {
    EXPECT_EQ(stressed[i].phoneme, sounds[i].phoneme);
    mains += stressed[i].stress == 1;
  }
  EXPECT_EQ(mains, 1);
}

TEST(G2pFile, DamageIsNoticed) {
  const fs::path source = fs::path(LIKENESS_SOURCE_DIR) / "assets" / "voice";
  const fs::path folder =
      fs::temp_directory_path() / ("g2p-file-test-" + std::to_string(::getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  EXPECT_EQ(code_of([&] { G2p(folder / "g2p.safetensors"); }), ErrorCode::kMissing);
  fs::copy(source / "g2p.safetensors", folder);
  EXPECT_EQ(code_of([&] { G2p(folder / "g2p.safetensors"); }), ErrorCode::kRefused);
  fs::copy(source / "g2p.toml", folder);
  EXPECT_NO_THROW(G2p(folder / "g2p.safetensors"));
  std::string bytes = read_file(folder / "g2p.safetensors");
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(folder / "g2p.safetensors", std::ios::binary) << bytes;
  EXPECT_EQ(code_of([&] { G2p(folder / "g2p.safetensors"); }), ErrorCode::kDamaged);
  fs::remove_all(folder);
}

std::string sounds_in(const std::string& text, std::vector<std::string>* warnings = nullptr,
                      const Lexicon* lexicon = nullptr) {
  TextOptions options;
  options.lexicon = lexicon;
  std::string out;
  for (const Sentence& s : read_script(text, options).sentences)
    for (const PhoneUnit& u : phonemes_of(s, warnings)) {
      if (u.begins_word) out += "| ";
      out += kPhonemes[static_cast<size_t>(u.phoneme)];
      if (is_vowel_phoneme(u.phoneme)) out += static_cast<char>('0' + u.stress);
      if (u.mark) out += u.mark;
      out += " ";
    }
  return out;
}

TEST(PhonemesOf, FunctionWordsFitTheirNeighbours) {
  EXPECT_EQ(sounds_in("The apple."), "pau | DH IY0 | AE1 P AH0 L. pau. ");
  EXPECT_EQ(sounds_in("The dog to us, to."),
            "pau | DH AH0 | D AO1 G | T UW0 | AH0 S, pau, | T UW1. pau. ");
  EXPECT_EQ(sounds_in("To me a pear."), "pau | T AH0 | M IY0 | AH0 | P EH1 R. pau. ");
}

TEST(PhonemesOf, OwnPronunciationsComeFirst) {
  const Lexicon lexicon = Lexicon::parse("dog K AE1 T\nbirch /b\u026at/\n", "test");
  EXPECT_EQ(sounds_in("Dog birch.", nullptr, &lexicon), "pau | K AE1 T | B IH0 T. pau. ");
  EXPECT_EQ(
      sounds_in("<speak><phoneme alphabet=\"x-arpabet\" ph=\"D AO1 G\">cat</phoneme></speak>"),
      "pau | D AO1 G. pau. ");
}

TEST(PhonemesOf, SilenceAtEndsMarksAndPauses) {
  const auto script = read_script("<speak>one<break time=\"700ms\"/> two, three</speak>");
  const auto units = phonemes_of(script.sentences.at(0));
  std::vector<double> pauses;
  std::string marks;
  int word = 0;
  for (const PhoneUnit& u : units) {
    if (u.phoneme == kPhonemePause) {
      EXPECT_EQ(u.word, -1);
      pauses.push_back(u.pause_s);
      marks += u.mark ? u.mark : ' ';
    } else {
      EXPECT_TRUE(u.word == word || (u.word == word + 1 && u.begins_word));
      word = u.word;
    }
  }
  EXPECT_EQ(word, 2);
  EXPECT_EQ(units.front().phoneme, kPhonemePause);
  EXPECT_EQ(units.back().phoneme, kPhonemePause);
  ASSERT_EQ(pauses.size(), 4u);
  EXPECT_DOUBLE_EQ(pauses[1], 0.7);
  EXPECT_EQ(marks.substr(0, 3), "  ,");
}

TEST(PhonemesOf, UnknownWordsGoThroughTheNetworkAndGenitivesThroughTheirWord) {
  std::vector<std::string> warnings;
  const std::string said = sounds_in("Zorblax's blorp.", &warnings);
  EXPECT_TRUE(warnings.empty());
  EXPECT_NE(said.find("| Z "), std::string::npos);
  if (CmuDict::get().find("canoe") && !CmuDict::get().has("canoe's")) {
    EXPECT_EQ(sounds_in("canoe's"), "pau | K AH0 N UW1 Z. pau. ");
  }
  Sentence empty;
  Word word;
  word.text = "\u0416";
  empty.words.push_back(word);
  EXPECT_EQ(phonemes_of(empty, &warnings).size(), 2u);
  EXPECT_EQ(warnings.size(), 1u);
  EXPECT_EQ(phonemes_of(Sentence{}).size(), 2u);
}

}  // namespace
}  // namespace likeness::voice
