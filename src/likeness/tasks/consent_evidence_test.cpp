// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/consent_evidence.h"

#include <cmath>

#include <gtest/gtest.h>

#include "likeness/base/rng.h"

namespace likeness::tasks {
namespace {

constexpr double kRate = 25;
constexpr int kFrames = 500, kPhrase = 40, kPause = 10;

/// Syllables at about 4 a second in phrases with the same pauses: how far each frame is open, 0..1.
std::vector<float> syllables(uint64_t seed) {
  Rng rng(seed);
  std::vector<float> out(kFrames);
  double phase = 0, height = 1, step = 0.2;
  for (int i = 0; i < kFrames; ++i) {
    phase += step;
    if (phase >= 1) {
      phase = 0;
      step = 0.08 + 0.25 * static_cast<double>(rng.uniform());
      height = 0.2 + 0.8 * static_cast<double>(rng.uniform());
    }
    const bool speaks = i % (kPhrase + kPause) < kPhrase;
    out[static_cast<size_t>(i)] =
        speaks ? static_cast<float>(height * std::sin(3.14159265 * phase)) : 0;
  }
  return out;
}
std::vector<float> mouth_of(const std::vector<float>& open) {
  std::vector<float> out(open);
  for (float& v : out) v = 0.005f + 0.12f * v;
  return out;
}
/// `late` frames after the mouth.
std::vector<float> loudness_of(const std::vector<float>& open, int late) {
  std::vector<float> out(open.size(), -60);
  for (size_t i = static_cast<size_t>(late); i < out.size(); ++i)
    out[i] = -60 + 35 * open[i - static_cast<size_t>(late)];
  return out;
}

TEST(LipSync, OwnSoundPassesAndAnothersWithTheSamePausesDoesNot) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const auto open = syllables(seed);
    const LipSync own = lip_sync(mouth_of(open), loudness_of(open, 2), kRate);
    EXPECT_GE(own.score(), kMinSync) << seed;
    EXPECT_NEAR(own.lag_s, 2 / kRate, 0.5 / kRate) << seed;
    EXPECT_GT(own.speech_s, kMinSpeechS);
    const LipSync other = lip_sync(mouth_of(open), loudness_of(syllables(seed + 100), 2), kRate);
    EXPECT_LT(other.detail, 0.6 * own.detail) << seed;
    EXPECT_LT(other.score(), own.score() - 0.4) << seed;
  }
}

TEST(LipSync, NothingToCompareIsNoAgreement) {
  EXPECT_EQ(lip_sync({}, {}, kRate).score(), 0);
  const std::vector<float> still(kFrames, 0.01f), silent(kFrames, -80.f);
  EXPECT_EQ(lip_sync(still, loudness_of(syllables(1), 0), kRate).score(), 0);
  EXPECT_EQ(lip_sync(mouth_of(syllables(1)), silent, kRate).score(), 0);
}

}  // namespace
}  // namespace likeness::tasks
