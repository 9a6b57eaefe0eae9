// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_audio.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/trust/watermark_search.h"
#include "likeness/trust/watermark_test_util.h"

namespace likeness::trust {
namespace {

constexpr uint64_t kId = 0xfedcba9876543210ull;

/// Like speech: a gliding voice with harmonics and formants, syllables, breath, pauses.
AudioClip voice(double seconds, int rate_hz = 16000, int channels = 1, uint64_t seed = 1) {
  AudioClip clip;
  clip.rate_hz = rate_hz;
  clip.channels = channels;
  Rng rng(seed);
  double phase = 0, low = 0;
  std::vector<double> level;  // of the harmonics; changes slowly
  for (int i = 0; i < seconds * rate_hz; ++i) {
    const double t = static_cast<double>(i) / rate_hz;
    const double f0 = 130 + 30 * std::sin(2 * t + static_cast<double>(seed));
    phase += 2 * M_PI * f0 / rate_hz;
    const double syllable = std::max(0.0, std::sin(2 * M_PI * 1.9 * t) + 0.4);
    if (i % 80 == 0) {
      level.clear();
      const double formant = 700 + 300 * std::sin(5 * t);
      for (int h = 1; h * f0 < 5800; ++h)
        level.push_back(std::exp(-std::pow((h * f0 - formant) / 400, 2)) +
                        0.3 * std::exp(-std::pow((h * f0 - 2300) / 600, 2)) + 0.02);
    }
    // sin(h x) by the recurrence of Chebyshev.
    const double twice = 2 * std::cos(phase);
    double v = 0, s0 = 0, s1 = std::sin(phase);
    for (double l : level) {
      v += l * s1;
      const double s2 = twice * s1 - s0;
      s0 = s1;
      s1 = s2;
    }
    low = 0.7 * low + 0.3 * rng.normal();
    const double sample = 0.12 * syllable * v + 0.004 * low + 0.01 * syllable * rng.normal();
    for (int c = 0; c < channels; ++c)
      clip.samples.push_back(static_cast<float>(std::clamp(sample * (c ? 0.7 : 1.0), -1.0, 1.0)));
  }
  return clip;
}

AudioClip marked(double seconds, int rate_hz = 16000, int channels = 1) {
  AudioClip clip = voice(seconds, rate_hz, channels);
  embed_audio_watermark(clip, kId);
  return clip;
}

void expect_found(const AudioWatermarkResult& r) {
  EXPECT_TRUE(r.found) << r.reason << " " << r.score << " " << r.pilot_score;
  EXPECT_EQ(r.id, kId);
  EXPECT_GE(r.confidence, kAcceptConfidence);
}

TEST(WatermarkAudio, RoundTripAndFaint) {
  for (int rate : {16000, 44100})
    for (int channels : {rate == 16000 ? 2 : 1}) {
      const AudioClip before = voice(8, rate, channels);
      AudioClip after = before;
      embed_audio_watermark(after, kId);
      ASSERT_EQ(after.samples.size(), before.samples.size());
      EXPECT_GE(snr_db(before, after), 30.0);
      EXPECT_LE(snr_db(before, after), 45.0);
      expect_found(read_audio_watermark(after));
    }
}

TEST(WatermarkAudio, UnmarkedIsNotFound) {
  for (uint64_t seed : {1, 2, 3}) {
    const auto r = read_audio_watermark(voice(8, 16000, 1, seed));
    EXPECT_FALSE(r.found);
    EXPECT_FALSE(r.present) << r.pilot_score;
    EXPECT_LT(r.score, 11.9);
  }
  EXPECT_FALSE(read_audio_watermark(marked(8), WatermarkKey::studio("another key of 16+")).present);
}

TEST(WatermarkAudio, FoundInAPart) {
  AudioClip clip = marked(8);
  clip.samples.erase(clip.samples.begin(), clip.samples.begin() + 16000 * 2 + 317);
  const auto r = read_audio_watermark(clip);
  expect_found(r);
  EXPECT_NEAR(r.time_offset_s, 2.02, 0.02);
}

TEST(WatermarkAudio, FoundUnderNoiseAtALowerLevelAndInMono) {
  AudioClip clip = marked(8, 16000, 2);
  Rng rng(4);
  AudioClip mono;
  mono.rate_hz = clip.rate_hz;
  double power = 0;
  for (size_t i = 0; i < clip.frames(); ++i)
    mono.samples.push_back(0.25f * (clip.samples[2 * i] + clip.samples[2 * i + 1]));
  for (float v : mono.samples) power += static_cast<double>(v) * v;
  const float sigma =
      static_cast<float>(std::sqrt(power / static_cast<double>(mono.samples.size()) / 100));
  for (float& v : mono.samples) v += sigma * rng.normal();  // 20 dB below
  expect_found(read_audio_watermark(mono));
}

TEST(WatermarkAudio, FoundAtAnotherRateAndSpeed) {
  const AudioClip clip = marked(8, 32000);
  AudioClip half;  // every second sample of a smoothed signal
  half.rate_hz = 16000;
  for (size_t i = 2; i + 2 < clip.samples.size(); i += 2)
    half.samples.push_back(0.5f * clip.samples[i] +
                           0.25f * (clip.samples[i - 1] + clip.samples[i + 1]));
  expect_found(read_audio_watermark(half));
  AudioClip fast = clip;  // played 1.2 % faster, with its pitch
  fast.samples.clear();
  for (double at = 0; at + 1 < static_cast<double>(clip.samples.size()); at += 1.012) {
    const auto i = static_cast<size_t>(at);
    const float u = static_cast<float>(at - static_cast<double>(i));
    fast.samples.push_back((1 - u) * clip.samples[i] + u * clip.samples[i + 1]);
  }
  const auto r = read_audio_watermark(fast);
  expect_found(r);
  EXPECT_NEAR(r.speed, 1.012, 0.002);
}

TEST(WatermarkAudio, BadInput) {
  AudioClip slow = voice(1, 16000);
  slow.rate_hz = 8000;
  EXPECT_THROW(embed_audio_watermark(slow, kId), Error);
  AudioClip broken;
  broken.rate_hz = 16000;
  broken.channels = 2;
  broken.samples.resize(7);
  EXPECT_THROW(embed_audio_watermark(broken, kId), Error);
  EXPECT_THROW(read_audio_watermark(broken), Error);
  AudioClip empty;
  empty.rate_hz = 16000;
  EXPECT_NO_THROW(embed_audio_watermark(empty, kId));
  EXPECT_FALSE(read_audio_watermark(empty).found);
  AudioClip silence;
  silence.rate_hz = 16000;
  silence.samples.resize(16000 * 4);
  embed_audio_watermark(silence, kId);
  for (float v : silence.samples) ASSERT_EQ(v, 0.0f);
  const auto r = read_audio_watermark(silence);
  EXPECT_FALSE(r.found);
  EXPECT_FALSE(r.reason.empty());
}

}  // namespace
}  // namespace likeness::trust
