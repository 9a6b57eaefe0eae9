// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/voice_bank.h"

#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/audio/resample.h"
#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/media/audio_file.h"
#include "likeness/voice/flite_voice.h"
#include "likeness/voice/text.h"

namespace likeness::tasks {
namespace {
namespace fs = std::filesystem;

/// The sounds of a text as flite says them, with one pause at both ends and between sentences.
std::vector<std::string> phones_of(const std::string& text) {
  static const auto voice = voice::open_flite("slt");
  std::vector<std::string> out = {"pau"};
  for (const auto& sentence : voice::read_script(text).sentences) {
    for (const auto& word : voice->speak(sentence).words)
      for (const auto& p : word.phones)
        if (p.name != "pau" || out.back() != "pau") out.push_back(p.name);
    if (out.back() != "pau") out.push_back("pau");
  }
  return out;
}

TEST(VoiceBank, TheListIsWholeAndItsSoundsAreThoseOfTheSentences) {
  const auto& all = bank_sentences();
  EXPECT_GE(all.size(), 280u);
  std::set<std::string> ids, texts, phones;
  for (const auto& s : all) {
    EXPECT_TRUE(ids.insert(s.id).second) << s.id;
    EXPECT_TRUE(texts.insert(s.text).second) << s.text;
    EXPECT_GE(s.phones.size(), 10u) << s.text;
    phones.insert(s.phones.begin(), s.phones.end());
  }
  EXPECT_GE(phones.size(), 40u);  // all of English, and silence
  for (size_t i = 0; i < all.size(); i += 41) EXPECT_EQ(all[i].phones, phones_of(all[i].text));
}
TEST(VoiceBank, CoverageGrowsAndTheGreedyOrderIsBetterThanTheListsOwn) {
  EXPECT_EQ(bank_coverage({}).speech_share, 0);
  std::set<std::string> all, greedy, listed;
  for (const auto& s : bank_sentences()) all.insert(s.id);
  EXPECT_DOUBLE_EQ(bank_coverage(all).speech_share, 1);
  EXPECT_EQ(bank_coverage(all).diphones, bank_coverage(all).all_diphones);
  double last = 0;
  for (const auto* s : next_sentences({}, 40)) {
    EXPECT_TRUE(greedy.insert(s->id).second);
    const double now = bank_coverage(greedy).speech_share;
    EXPECT_GE(now, last);
    last = now;
  }
  for (size_t i = 0; i < 40; ++i) listed.insert(bank_sentences()[i].id);
  EXPECT_GT(last, bank_coverage(listed).speech_share + 0.03);
  EXPECT_EQ(bank_coverage(greedy).phones, bank_coverage(all).phones);  // every sound in 40
  EXPECT_GT(last, 0.85);
  EXPECT_TRUE(next_sentences(all, 3).empty());
  // Going on another day gives what going on at once would have given.
  std::set<std::string> ten;
  for (const auto* s : next_sentences({}, 10)) ten.insert(s->id);
  EXPECT_EQ(next_sentences(ten, 1).front(), next_sentences({}, 11).back());
}
TEST(VoiceBank, ATakeIsCheckedAtOnce) {
  const fs::path folder = fs::temp_directory_path() / ("voice-bank-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const auto& sentence = bank_sentences()[18];
  const auto voice = voice::open_flite("rms");
  AudioClip clip{24000, 1, std::vector<float>(9600)};
  for (const auto& s : voice::read_script(sentence.text).sentences) {
    const auto c = audio::resample(voice->speak(s).clip, 24000);
    clip.samples.insert(clip.samples.end(), c.samples.begin(), c.samples.end());
  }
  clip.samples.resize(clip.samples.size() + 9600);
  Rng rng(1, 0, "room");
  for (float& v : clip.samples) v += 2e-4f * rng.normal();
  const auto check = [&](const AudioClip& c, const BankSentence& of, bool confirmed) {
    media::write_wav(folder / "take.wav", c);
    return check_take(folder / "take.wav", of, confirmed);
  };
  const TakeCheck good = check(clip, sentence, false);
  EXPECT_TRUE(good.good) << good.to_json().dump(1);
  if (good.words == "right") {  // a recogniser is here: other words are noticed
    EXPECT_FALSE(good.heard.empty());
    const TakeCheck other = check(clip, bank_sentences()[40], false);
    EXPECT_FALSE(other.good) << other.to_json().dump(1);
    EXPECT_EQ(other.words, "wrong");
    EXPECT_TRUE(check(clip, bank_sentences()[40], true).good);
  } else {
    EXPECT_EQ(good.words.rfind("not checked", 0), 0u) << good.words;
  }
  AudioClip loud = clip, quiet = clip;
  for (float& v : loud.samples) v = std::clamp(v * 60, -0.9f, 0.9f);
  for (float& v : quiet.samples) v *= 0.01f;
  EXPECT_FALSE(check(loud, sentence, true).good);
  EXPECT_NE(check(quiet, sentence, true).to_json().dump().find("quiet"), std::string::npos);
  EXPECT_FALSE(check({24000, 1, std::vector<float>(48000)}, sentence, true).good);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace likeness::tasks
