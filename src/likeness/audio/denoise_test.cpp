// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/denoise.h"

#include <cmath>

#include <gtest/gtest.h>

#include "likeness/audio/segments.h"
#include "likeness/base/error.h"
#include "likeness/base/rng.h"

namespace likeness::audio {
namespace {

constexpr int kHz = 24000;

/// Words of a sort: pulses through two resonances, 0.25 to 0.5 s long, with pauses between.
std::vector<float> speech(double seconds) {
  std::vector<double> y(static_cast<size_t>(kHz * seconds));
  double phase = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const double t = static_cast<double>(i) / kHz, in_word = std::fmod(t, 0.7);
    phase += (120 + 25 * std::sin(2 * M_PI * 0.9 * t)) / kHz;
    if (phase >= 1) {
      phase -= 1;
      if (in_word < 0.45) y[i] = std::sin(M_PI * in_word / 0.45);
    }
  }
  for (const auto& [f, bandwidth] : {std::pair{600.0, 90.0}, {1500.0, 120.0}}) {
    const double r = std::exp(-M_PI * bandwidth / kHz), a = 2 * r * std::cos(2 * M_PI * f / kHz);
    double p = 0, q = 0;
    for (double& v : y) {
      const double out = v + a * p - r * r * q;
      q = p, p = out, v = out;
    }
  }
  double peak = 0;
  for (const double v : y) peak = std::max(peak, std::abs(v));
  std::vector<float> out;
  for (const double v : y) out.push_back(static_cast<float>(0.5 * v / peak));
  return out;
}

double power(const std::vector<float>& x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum / static_cast<double>(x.size());
}
double snr_db(const std::vector<float>& clean, const std::vector<float>& got) {
  std::vector<float> error(clean);
  for (size_t i = 0; i < error.size(); ++i) error[i] -= got[i];
  return 10 * std::log10(power(clean) / power(error));
}
std::vector<float> with_noise(const std::vector<float>& clean, double snr, double colour) {
  std::vector<float> noise(clean.size());
  Rng rng(7, 0, "noise");
  float last = 0;
  for (float& v : noise) v = last = static_cast<float>(colour) * last + rng.normal();
  const double gain = std::sqrt(power(clean) / power(noise) / std::pow(10, snr / 10));
  std::vector<float> out(clean);
  for (size_t i = 0; i < out.size(); ++i) out[i] += static_cast<float>(gain) * noise[i];
  return out;
}

TEST(Denoise, SpeechComesNearerToWhatItWasInWhiteAndColouredNoise) {
  const auto clean = speech(12);
  for (const double colour : {0.0, 0.9})
    for (const double snr : {5.0, 10.0, 20.0}) {
      const auto noisy = with_noise(clean, snr, colour);
      const Denoised d = remove_noise(noisy, kHz);
      ASSERT_EQ(d.samples.size(), clean.size());
      const double gain = snr_db(clean, d.samples) - snr_db(clean, noisy);
      EXPECT_GT(gain, colour > 0 ? 2.0 : 5.0) << snr << " dB, colour " << colour;
      EXPECT_GT(d.taken_db, 10) << snr << " dB, colour " << colour;
    }
}
TEST(Denoise, CleanSpeechIsLeftAlone) {
  const auto clean = speech(8);
  EXPECT_EQ(remove_noise(clean, kHz).samples, clean);
  // Nearly clean: what little is done does no harm.
  const auto nearly = with_noise(clean, 40, 0);
  const Denoised d = remove_noise(nearly, kHz, {.clean_db = 200});
  EXPECT_GT(snr_db(clean, d.samples), 33);
}
TEST(Denoise, NoiseThatGrowsIsFollowed) {
  const auto clean = speech(16);
  const auto quiet = with_noise(clean, 25, 0), loud = with_noise(clean, 8, 0);
  std::vector<float> noisy(quiet);
  std::copy(loud.begin() + 8 * kHz, loud.end(), noisy.begin() + 8 * kHz);
  const auto d = remove_noise(noisy, kHz).samples;
  const std::vector<float> want(clean.begin() + 10 * kHz, clean.end()),
      before(noisy.begin() + 10 * kHz, noisy.end()), after(d.begin() + 10 * kHz, d.end());
  EXPECT_GT(snr_db(want, after) - snr_db(want, before), 3);
}
TEST(Denoise, BlocksJoinWithoutASeam) {  // 32 s blocks: the same as in one piece, nearly
  const auto clean = speech(70);
  const auto noisy = with_noise(clean, 12, 0);
  const auto whole = remove_noise(noisy, kHz).samples;
  const std::vector<float> part(noisy.begin() + 20 * kHz, noisy.begin() + 50 * kHz);
  const auto alone = remove_noise(part, kHz).samples;
  const std::vector<float> a(whole.begin() + 26 * kHz, whole.begin() + 44 * kHz),
      b(alone.begin() + 6 * kHz, alone.begin() + 24 * kHz);
  EXPECT_GT(snr_db(a, b), 25);
}
TEST(Denoise, OddInputIsHandled) {
  EXPECT_TRUE(remove_noise(std::vector<float>(), kHz).samples.empty());
  EXPECT_EQ(remove_noise(std::vector<float>(100, 0.1f), kHz).samples.size(), 100u);
  const std::vector<float> silence(3 * kHz);
  EXPECT_EQ(remove_noise(silence, kHz).samples, silence);
  EXPECT_THROW(remove_noise(silence, 100), Error);
  EXPECT_THROW(remove_noise(silence, kHz, {.floor_db = 3}), Error);
}

Activity activity_of(const std::vector<Segment>& speech, double duration_s) {
  Activity a;
  a.speech = speech;
  a.level_db.assign(static_cast<size_t>(duration_s / a.hop_s), -60.f);
  for (const Segment& s : speech)
    for (auto f = static_cast<size_t>(s.begin_s / a.hop_s);
         f < static_cast<size_t>(s.end_s / a.hop_s); ++f)
      a.level_db[f] = -20 - 3 * static_cast<float>(std::sin(static_cast<double>(f) * 0.05));
  return a;
}

TEST(Segments, KeepTheirLengthsOrderAndAllLongEnoughSpeech) {
  Rng rng(3, 0, "segments");
  for (int round = 0; round < 50; ++round) {
    std::vector<Segment> speech;
    double t = 0.2;
    while (t < 120) {
      const double length = 0.3 + 25 * std::pow(static_cast<double>(rng.uniform()), 4);
      speech.push_back({t, t + length});
      t += length + 0.2 + static_cast<double>(rng.uniform()) * 0.4;
    }
    const auto segments = cut_at_pauses(activity_of(speech, t), t);
    double kept = 0, whole = 0, last = 0;
    for (const Segment& s : segments) {
      EXPECT_GE(s.duration_s(), 1);
      EXPECT_LE(s.duration_s(), 12.0001);
      EXPECT_GE(s.begin_s, last - 1e-9);
      last = s.end_s;
      kept += s.duration_s();
    }
    EXPECT_LE(last, t);
    for (const Segment& s : speech) whole += s.duration_s();
    EXPECT_GT(kept, 0.97 * whole);
  }
}
TEST(Segments, AreCutInPausesWhereThereAreAny) {
  const std::vector<Segment> speech = {{0.5, 5}, {5.3, 10}, {12, 16}};
  const auto segments = cut_at_pauses(activity_of(speech, 17), 17);
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_GT(segments[0].begin_s, 0.3);
  EXPECT_LT(segments[0].end_s, 5.3);
  EXPECT_GE(segments[1].begin_s, segments[0].end_s);
}
TEST(Segments, SentencesAreFoundOnlyWhereThatIsSure) {
  const std::vector<Segment> two = {{0.3, 2}, {2.2, 4.3}, {5.2, 8.2}};
  const auto cut = cut_by_sentences(activity_of(two, 9), 9, {40, 30});
  ASSERT_EQ(cut.size(), 2u);
  EXPECT_LT(cut[0].end_s, 5);
  EXPECT_GT(cut[1].begin_s, 4.5);
  EXPECT_TRUE(cut_by_sentences(activity_of(two, 9), 9, {10, 60}).empty());  // other lengths
  const std::vector<Segment> even = {{0.3, 3}, {3.5, 6}, {6.5, 8.2}};
  EXPECT_TRUE(cut_by_sentences(activity_of(even, 9), 9, {40, 30}).empty());  // which pause?
  EXPECT_TRUE(cut_by_sentences(activity_of(two, 9), 9, {9, 9, 9, 9}).empty());
  EXPECT_EQ(cut_by_sentences(activity_of(two, 9), 9, {50}).size(), 1u);
}
TEST(Segments, TheBestCutIsInTheLongestPause) {
  const auto a = activity_of({{0, 4}, {4.3, 7}, {8, 12}}, 12);
  EXPECT_NEAR(best_cut_s(a, 2, 10), 7.5, 0.05);
  EXPECT_NEAR(best_cut_s(a, 2, 6), 4.15, 0.05);
  const double inside = best_cut_s(a, 8.5, 11);
  EXPECT_GT(inside, 8.5);
  EXPECT_LT(inside, 11);
}

}  // namespace
}  // namespace likeness::audio
