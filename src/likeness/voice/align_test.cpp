// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/voice/content.h"
#include "likeness/voice/corpus.h"

namespace likeness::voice {
namespace {

PhoneUnit unit(int phoneme, bool begins_word = false) {
  PhoneUnit u;
  u.phoneme = phoneme;
  u.begins_word = begins_word;
  return u;
}

/// Posteriors that favour one class a frame, by `margin`.
std::vector<float> posteriors(const std::vector<int>& phonemes, float margin) {
  std::vector<float> out(phonemes.size() * kPhoneClasses, -margin);
  for (size_t t = 0; t < phonemes.size(); ++t)
    out[t * kPhoneClasses + static_cast<size_t>(phonemes[t] - 1)] = -0.1f;
  return out;
}

TEST(Align, FindsTheTimesOfSoundsAndSkipsSilencesThatAreNotThere) {
  const std::vector<PhoneUnit> text =
      alignable({unit(1), unit(5, true), unit(9), unit(7, true), unit(1)});
  ASSERT_EQ(text.size(), 6u);  // a silence may lie between the words
  std::vector<int> heard;
  for (const auto& [phoneme, count] : {std::pair{1, 4}, {5, 6}, {9, 3}, {7, 8}})
    heard.insert(heard.end(), static_cast<size_t>(count), phoneme);
  double score = 0;
  const auto times = align(posteriors(heard, 6), heard.size(), text, &score);
  EXPECT_EQ(times[0].end, 4u);
  EXPECT_EQ(times[1].begin, 4u);
  EXPECT_EQ(times[1].end, 10u);
  EXPECT_EQ(times[2].end, 13u);
  EXPECT_EQ(times[3].begin, times[3].end);  // no silence there
  EXPECT_EQ(times[4].begin, 13u);
  EXPECT_EQ(times[4].end, 21u);
  EXPECT_EQ(times[5].begin, times[5].end);
  EXPECT_NEAR(score, -0.1, 1e-3);
}

TEST(Align, CoversEveryFrameOnceInOrder) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    std::vector<PhoneUnit> text = {unit(1)};
    for (size_t i = 0; i < 3 + rng.below(10); ++i)
      text.push_back(unit(2 + static_cast<int>(rng.below(39)), rng.uniform() < 0.4f));
    text.push_back(unit(1));
    text = alignable(text);
    const size_t frames = 2 * text.size() + rng.below(40);
    std::vector<float> noise(frames * kPhoneClasses);
    for (float& x : noise) x = -3 + rng.normal();
    const auto times = align(noise, frames, text);
    size_t at = 0;
    for (size_t i = 0; i < times.size(); ++i) {
      EXPECT_EQ(times[i].begin, at);
      EXPECT_GE(times[i].end, times[i].begin + (text[i].phoneme == kPhonemePause ? 0u : 2u));
      at = times[i].end;
    }
    EXPECT_EQ(at, frames);
  }
}

TEST(Align, TooFewFramesAreAnError) {
  EXPECT_THROW(align(posteriors({5}, 3), 1, {unit(5, true), unit(9)}), Error);
}

TEST(Source, AllHarmonicsOfThePitchWithUnitPower) {
  for (const float hz : {80.0f, 200.0f, 431.0f}) {
    const std::vector<float> f0(200, hz);
    std::vector<float> harmonic(199 * kHop), noise(harmonic.size());
    double phase = 0;
    Rng rng(1);
    make_source(f0, rng, phase, harmonic, noise);
    double power = 0, repeat = 0, hiss = 0;
    const auto period = static_cast<size_t>(std::lround(kRate / hz));
    for (size_t i = period; i < harmonic.size(); ++i) {
      power += harmonic[i] * harmonic[i];
      repeat += harmonic[i] * harmonic[i - period];
      hiss += noise[i] * noise[i];
    }
    const auto n = static_cast<double>(harmonic.size() - period);
    EXPECT_NEAR(power / n, 1, 0.1) << hz;
    EXPECT_NEAR(hiss / n, 1, 0.05);
    if (std::abs(kRate / hz - std::round(kRate / hz)) < 0.01) {
      EXPECT_GT(repeat / power, 0.95) << hz;
    }
  }
}

TEST(Source, SilentWhereNothingIsVoicedAndWithoutAStepBetweenCalls) {
  const std::vector<float> quiet(10, 0.0f);
  std::vector<float> harmonic(9 * kHop, 1.0f), noise(harmonic.size());
  double phase = 0.3;
  Rng rng(1);
  make_source(quiet, rng, phase, harmonic, noise);
  for (const float x : harmonic) EXPECT_EQ(x, 0);
  EXPECT_EQ(phase, 0.3);
  // Two halves in a row are the whole.
  const std::vector<float> f0(21, 150.0f);
  std::vector<float> whole(20 * kHop), hiss(whole.size());
  phase = 0;
  rng = Rng(1);
  make_source(f0, rng, phase, whole, hiss);
  const double end = phase;
  std::vector<float> half(10 * kHop), hiss2(half.size());
  phase = 0;
  rng = Rng(1);
  make_source({f0.data(), 11}, rng, phase, half, hiss2);
  make_source({f0.data() + 10, 11}, rng, phase, half, hiss2);
  EXPECT_NEAR(phase, end, 1e-9);
  EXPECT_NEAR(half.back(), whole.back(), 1e-3);
  EXPECT_EQ(hiss2.back(), hiss.back());
}

TEST(Corpus, HeldOutRecordingsAreEvenlySpread) {
  for (const size_t total : {60u, 126u, 1070u})
    for (const size_t count : {0u, 7u, 60u}) {
      size_t n = 0;
      for (size_t i = 0; i < total; ++i) n += is_held_out(i, total, count);
      EXPECT_EQ(n, count) << total;
    }
}

}  // namespace
}  // namespace likeness::voice
