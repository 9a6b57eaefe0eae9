// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/consent_words.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/audio/resample.h"
#include "likeness/media/audio_file.h"
#include "likeness/tasks/recogniser.h"
#include "likeness/trust/phrase.h"
#include "likeness/voice/flite_voice.h"
#include "likeness/voice/text.h"

namespace likeness::tasks {
namespace {
namespace fs = std::filesystem;

TEST(Recogniser, WordsAreCountedInTheirOrder) {
  EXPECT_EQ(words_of("The Words are: don't, \"acorn\" 7."),
            (std::vector<std::string>{"the", "words", "are", "don't", "acorn"}));
  const std::vector<std::string> wanted = {"a", "b", "c", "d"};
  EXPECT_EQ(words_in_order(wanted, {"x", "a", "b", "y", "c", "d", "z"}), 4u);
  EXPECT_EQ(words_in_order(wanted, {"d", "c", "b", "a"}), 1u);
  EXPECT_EQ(words_in_order(wanted, {}), 0u);
}

TEST(ConsentWords, TheWordsOfTheRequestAreHeardAndOthersAreNot) {
  if (!recogniser_installed())
    GTEST_SKIP() << "no recogniser is installed: apt install pocketsphinx pocketsphinx-en-us";
  const std::string terms =
      "I am Mary Doe. I am of age. I agree that this studio uses my face for: train, faceswap.\n"
      "It is meant for: her face in the feature film X\nThis holds until 2027-11-23.\n";
  const fs::path file =
      fs::temp_directory_path() / ("consent-words-" + std::to_string(::getpid()) + ".wav");
  const auto say = [&](const std::string& text) {
    const auto voice = voice::open_flite("slt");
    AudioClip clip{24000, 1, std::vector<float>(9600)};
    for (const auto& s : voice::read_script(text).sentences) {
      const auto c = audio::resample(voice->speak(s).clip, 24000);
      clip.samples.insert(clip.samples.end(), c.samples.begin(), c.samples.end());
      clip.samples.resize(clip.samples.size() + 4800);
    }
    media::write_wav(file, clip);
  };
  const std::string phrase = trust::phrase_of(terms, "one"), other = trust::phrase_of(terms, "two");
  ASSERT_NE(phrase, other);
  const auto script = [&](const std::string& words) {
    return terms + "The words are: " + words + ".\n";
  };
  say(script(phrase));
  const HeardPhrase right = hear_phrase(file, phrase, script(phrase));
  EXPECT_TRUE(right.listened) << right.why;
  EXPECT_EQ(right.of, trust::kPhraseWords);
  EXPECT_TRUE(right.ok()) << right.right;
  const HeardPhrase wrong = hear_phrase(file, other, script(other));
  EXPECT_TRUE(wrong.listened);
  EXPECT_FALSE(wrong.ok()) << wrong.right;
  EXPECT_LE(wrong.right, 2);
  EXPECT_FALSE(wrong.heard.empty());  // what the person is told that was understood
  // The terms alone, without any words, and no sound at all.
  say(terms);
  EXPECT_FALSE(hear_phrase(file, phrase, script(phrase)).ok());
  media::write_wav(file, {24000, 1, std::vector<float>(48000)});
  EXPECT_FALSE(hear_phrase(file, phrase, script(phrase)).ok());
  fs::remove(file);
}

}  // namespace
}  // namespace likeness::tasks
