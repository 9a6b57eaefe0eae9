// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/speaker.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>

#include <gtest/gtest.h>

#include "likeness/audio/resample.h"
#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/media/audio_file.h"
#include "likeness/voice/text.h"
#include "likeness/voice/voice.h"

namespace likeness::voice {
namespace {
namespace fs = std::filesystem;

#define NEEDS_ENCODER() \
  if (!SpeakerEncoder::is_installed()) GTEST_SKIP() << "run scripts/install-voices"

AudioClip said(const std::string& voice, const std::string& text) {
  return open_voice(voice)->speak(read_script(text).sentences.at(0)).clip;
}
const char* const kFirst = "The birch canoe slid on the smooth planks of the old boat.";
const char* const kSecond = "Four hours of steady work faced us before the storm came.";

TEST(Speaker, VoicesAreNearerToThemselvesThanToOthers) {
  NEEDS_ENCODER();
  const SpeakerEncoder& e = SpeakerEncoder::installed();
  std::map<std::string, std::pair<SpeakerVector, SpeakerVector>> v;
  for (const char* name : {"slt", "rms", "awb"})
    v[name] = {e.embed(said(name, kFirst)), e.embed(said(name, kSecond))};
  for (const auto& [a, va] : v) {
    EXPECT_NEAR(cosine(va.first, va.first), 1, 1e-5);
    EXPECT_NEAR(
        std::sqrt(std::inner_product(va.first.begin(), va.first.end(), va.first.begin(), 0.0)), 1,
        1e-5);
    for (const auto& [b, vb] : v)
      if (a != b) {
        EXPECT_GT(cosine(va.first, va.second), cosine(va.first, vb.second) + 0.05f) << a << b;
      }
  }
}
TEST(Speaker, LevelRateAndPausesHardlyMatter) {
  NEEDS_ENCODER();
  const SpeakerEncoder& e = SpeakerEncoder::installed();
  const AudioClip clip = said("rms", kFirst);
  const SpeakerVector v = e.embed(clip);
  AudioClip changed = audio::resample(clip, 44100);
  for (float& x : changed.samples) x *= 0.2f;
  changed.samples.insert(changed.samples.begin(), 44100, 0.0f);
  AudioClip stereo{44100, 2, {}};
  for (const float x : changed.samples) stereo.samples.insert(stereo.samples.end(), {x, x});
  EXPECT_GT(cosine(v, e.embed(stereo)), 0.96f);
}
TEST(Speaker, TellsRealSpeakersApart) {
  NEEDS_ENCODER();
  const fs::path folder = fs::path(LIKENESS_SHARED_DIR) / "data/librispeech/test-other";
  if (!fs::is_directory(folder)) GTEST_SKIP() << "no " << folder;
  std::map<std::string, std::vector<fs::path>> files;
  for (const auto& f : fs::recursive_directory_iterator(folder))
    if (f.path().extension() == ".flac") {
      const std::string name = f.path().filename().string();
      files[name.substr(0, name.find('-'))].push_back(f.path());
    }
  const SpeakerEncoder& e = SpeakerEncoder::installed();
  std::vector<std::pair<size_t, SpeakerVector>> v;
  size_t speaker = 0;
  for (auto& [name, list] : files) {
    std::sort(list.begin(), list.end());
    for (size_t i = 0; i < std::min<size_t>(2, list.size()); ++i)
      v.emplace_back(speaker, e.embed(media::read_audio(list[i], 8).clip));
    if (++speaker == 8) break;
  }
  const double threshold = speaker_calibration().threshold;
  int wrong = 0, pairs = 0;
  for (size_t i = 0; i < v.size(); ++i)
    for (size_t k = i + 1; k < v.size(); ++k) {
      ++pairs;
      wrong += (static_cast<double>(cosine(v[i].second, v[k].second)) > threshold) !=
               (v[i].first == v[k].first);
    }
  EXPECT_LE(wrong, pairs / 12) << pairs;
}
TEST(Speaker, TheScaleIsMonotonousAndHonest) {
  double last_different = 1, last_same = 0;
  for (double c = 0.3; c <= 1; c += 0.01) {
    const SpeakerMatch m = judge_match(c);
    EXPECT_LE(m.different_share, last_different);
    EXPECT_GE(m.same_share, last_same);
    last_different = m.different_share, last_same = m.same_share;
  }
  EXPECT_EQ(judge_match(0.9).verdict, "same");
  EXPECT_EQ(judge_match(0.71).verdict, "uncertain");
  EXPECT_EQ(judge_match(0.4).verdict, "different");
  EXPECT_LT(judge_match(0.9).different_share, 1e-4);
}
TEST(Speaker, SilenceIsNoSpeaker) {
  NEEDS_ENCODER();
  EXPECT_THROW(SpeakerEncoder::installed().embed({16000, 1, std::vector<float>(32000)}), Error);
}

}  // namespace
}  // namespace likeness::voice
