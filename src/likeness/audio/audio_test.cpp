// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <complex>

#include <gtest/gtest.h>

#include "likeness/audio/activity.h"
#include "likeness/audio/checks.h"
#include "likeness/audio/loudness.h"
#include "likeness/audio/pitch.h"
#include "likeness/audio/resample.h"
#include "likeness/audio/spectrum.h"
#include "likeness/base/error.h"
#include "likeness/base/rng.h"

namespace likeness::audio {
namespace {

AudioClip sine(int rate, double hz, double seconds, float level = 0.5f) {
  AudioClip c{rate, 1, std::vector<float>(static_cast<size_t>(rate * seconds))};
  for (size_t i = 0; i < c.samples.size(); ++i)
    c.samples[i] =
        level * static_cast<float>(std::sin(2 * M_PI * hz * static_cast<double>(i) / rate));
  return c;
}

/// A voice of a sort: glottal pulses whose pitch moves, through three resonances, in syllables.
AudioClip voice(int rate, double hz, double seconds, double depth = 0.1, bool syllables = true) {
  AudioClip c{rate, 1, std::vector<float>(static_cast<size_t>(rate * seconds))};
  double phase = 0;
  std::vector<double> y(c.samples.size());
  Rng rng(1, 0, "voice");
  for (size_t i = 0; i < y.size(); ++i) {
    const double t = static_cast<double>(i) / rate;
    phase += hz * (1 + depth * std::sin(2 * M_PI * 0.7 * t)) / rate;
    double pulse = 0;
    if (phase >= 1) phase -= 1, pulse = 1;
    const double gate = !syllables || std::fmod(t, 0.8) < 0.5 ? 1.0 : 0.0;
    y[i] = gate * (pulse + 0.002 * static_cast<double>(rng.normal()));
  }
  for (const auto& [f, bandwidth] : {std::pair{700.0, 90.0}, {1200.0, 110.0}, {2600.0, 160.0}}) {
    const double r = std::exp(-M_PI * bandwidth / rate), a1 = 2 * r * std::cos(2 * M_PI * f / rate);
    double p = 0, q = 0;
    for (double& v : y) {
      const double out = v + a1 * p - r * r * q;
      q = p, p = out, v = out;
    }
  }
  double peak = 1e-9;
  for (const double v : y) peak = std::max(peak, std::abs(v));
  for (size_t i = 0; i < y.size(); ++i) c.samples[i] = static_cast<float>(0.5 * y[i] / peak);
  return c;
}

double snr_db(const std::vector<float>& want, const std::vector<float>& got, size_t skip = 0) {
  double s = 0, e = 0;
  for (size_t i = skip; i + skip < std::min(want.size(), got.size()); ++i) {
    s += static_cast<double>(want[i]) * want[i];
    const double d = static_cast<double>(want[i]) - got[i];
    e += d * d;
  }
  return 10 * std::log10(s / (e + 1e-20));
}

TEST(Resample, ThereAndBackKeepsTheSound) {
  const AudioClip c = voice(16000, 130, 1.5);
  for (const int hz : {22050, 24000, 44100, 48000}) {
    const AudioClip up = resample(c, hz);
    EXPECT_EQ(up.frames(), static_cast<size_t>(std::llround(c.duration_s() * hz)));
    EXPECT_GT(snr_db(c.samples, resample(up, 16000).samples, 400), 55) << hz;
  }
}
TEST(Resample, ToneStaysWhereItIsAndNoImageAppears) {
  const AudioClip up = resample(sine(16000, 3000, 1), 48000);
  EXPECT_GT(snr_db(sine(48000, 3000, 1).samples, up.samples, 2000), 60);
  const AudioClip down =
      resample(sine(48000, 15000, 1), 16000);  // above half the rate: nothing left
  for (size_t i = 500; i + 500 < down.samples.size(); ++i)
    ASSERT_LT(std::abs(down.samples[i]), 1e-3f);
}
TEST(Resample, RefusesNonsense) {
  EXPECT_THROW(resample(AudioClip{0, 1, {0.f}}, 16000), Error);
  EXPECT_THROW(resample(AudioClip{16000, 2, {0.f}}, 8000), Error);
  EXPECT_THROW(resample(AudioClip{16000, 1, {NAN}}, 8000), Error);
}

TEST(Spectrum, InverseGivesTheSoundBack) {
  const AudioClip c = voice(22050, 200, 1);
  for (const auto& [window, hop] : {std::pair{1024, 256}, {512, 256}, {400, 160}}) {
    StftOptions o;
    o.window = window, o.hop = hop;
    EXPECT_GT(snr_db(c.samples, istft(stft(c.samples, o)), 1), 90) << window;
  }
}
TEST(Spectrum, EnergyIsKept) {  // Parseval, per frame
  const AudioClip c = sine(16000, 1000, 0.5);
  StftOptions o;
  o.window = 512, o.hop = 128;
  const Spectra s = stft(c.samples, o);
  double sum = 0;
  for (size_t b = 0; b < s.bins; ++b)
    sum += (b == 0 || b + 1 == s.bins ? 1 : 2) * static_cast<double>(std::norm(s.frame(20)[b]));
  EXPECT_NEAR(sum / 512, 0.5 * 0.25 * 3.0 / 8.0 * 512, 0.5);
}
TEST(Spectrum, MelScalesInvertAndFiltersCoverTheBand) {
  for (const MelScale scale : {MelScale::kSlaney, MelScale::kHtk})
    for (double hz = 0; hz < 12000; hz += 333)
      EXPECT_NEAR(hz_from_mel(mel_from_hz(hz, scale), scale), hz, 1e-6 * (hz + 1));
  EXPECT_NEAR(mel_from_hz(1000, MelScale::kHtk), 1000, 1);  // by definition of the scale
  EXPECT_NEAR(mel_from_hz(1000, MelScale::kSlaney), 15, 1e-9);
  MelOptions o;
  o.bands = 40, o.area_normalised = false;
  const auto filters = mel_filters(16000, 1024, o);
  for (size_t b = 20; b < 440; ++b) {  // triangles of height 1 overlap to exactly 1
    float sum = 0;
    for (size_t m = 0; m < 40; ++m) sum += filters[m * 513 + b];
    EXPECT_NEAR(sum, 1, 1e-4) << b;
  }
}

TEST(Loudness, KnownValueOfTheStandard) {
  // EBU Tech 3341, test 1: a stereo sine of 1 kHz at -23 dBFS measures -23 LUFS.
  AudioClip c = sine(48000, 1000, 5, std::pow(10.0f, -23.0f / 20));
  AudioClip stereo{48000, 2, {}};
  for (const float v : c.samples) stereo.samples.insert(stereo.samples.end(), {v, v});
  EXPECT_NEAR(measure_loudness(stereo).integrated_lufs, -23, 0.1);
  EXPECT_NEAR(measure_loudness(c).integrated_lufs, -26, 0.1);
}
TEST(Loudness, ATruePeakBetweenSamplesIsSeen) {
  AudioClip c = sine(48000, 12000, 1, 1.0f);  // samples at 45 degrees never touch the peak
  for (size_t i = 0; i < c.samples.size(); ++i)
    c.samples[i] = static_cast<float>(std::sin(M_PI / 2 * static_cast<double>(i) + M_PI / 4));
  EXPECT_GT(measure_loudness(c).true_peak_db, -0.6);
  EXPECT_LT(20 * std::log10(*std::max_element(c.samples.begin(), c.samples.end())), -2.9);
}
TEST(Loudness, TheLimiterHoldsItsCeilingAndLeavesTheRestAlone) {
  AudioClip c = voice(24000, 140, 3);
  for (size_t i = 24000; i < 24400; ++i) c.samples[i] *= 4;
  const AudioClip was = c;
  limit_true_peak(c, -3);
  EXPECT_LE(measure_loudness(c).true_peak_db, -2.9);
  for (size_t i = 0; i < 20000; ++i)
    if (std::abs(was.samples[i]) < 0.1f && i + 3000 < 20000) {
      const float peak = *std::max_element(was.samples.begin() + static_cast<long>(i),
                                           was.samples.begin() + static_cast<long>(i) + 600);
      if (peak < 0.3f && i > 600) {
        ASSERT_NEAR(c.samples[i], was.samples[i], 0.05f);
      }
    }
  AudioClip quiet = sine(24000, 500, 1, 0.2f), same = quiet;
  limit_true_peak(quiet, -3);
  EXPECT_EQ(quiet.samples, same.samples);
}
TEST(Loudness, TheLimiterWorksAcrossItsBlocks) {
  AudioClip c = sine(24000, 441, 25, 0.3f);  // more than two blocks
  for (const size_t at : {size_t{1} << 18, size_t{1} << 19})
    for (size_t i = at - 40; i < at + 40; ++i) c.samples[i] *= 3;
  limit_true_peak(c, -6);
  EXPECT_LE(measure_loudness(c).true_peak_db, -5.9);
}
TEST(Loudness, NormalisedSoundHasTheLoudnessAskedFor) {
  for (const float level : {0.01f, 0.1f, 0.9f}) {
    AudioClip c = voice(24000, 180, 3);
    for (float& v : c.samples) v *= level;
    normalise_loudness(c, {.lufs = -23, .true_peak_db = -1.5});
    const Loudness l = measure_loudness(c);
    EXPECT_NEAR(l.integrated_lufs, -23, 0.6);
    EXPECT_LE(l.true_peak_db, -1.4);
  }
  AudioClip silence{24000, 1, std::vector<float>(24000)};
  EXPECT_EQ(normalise_loudness(silence), 0);
  EXPECT_EQ(silence.samples, std::vector<float>(24000));
}
TEST(Loudness, ShortClipsAreMeasuredToo) {
  const AudioClip shot = sine(48000, 1000, 0.1, 0.1f), whole = sine(48000, 1000, 3, 0.1f);
  EXPECT_NEAR(measure_loudness(shot).integrated_lufs, measure_loudness(whole).integrated_lufs, 1);
}

TEST(PitchTrack, FollowsAMovingVoiceAndRefusesNoise) {
  for (const double hz : {85.0, 130.0, 220.0, 330.0}) {
    const AudioClip c = voice(24000, hz, 2.4);
    const Pitch p = track_pitch(c.samples, c.rate_hz);
    size_t voiced = 0, wrong = 0;
    for (size_t i = 0; i < p.f0_hz.size(); ++i) {
      const double t = static_cast<double>(i) * p.hop_s;
      const double into = std::fmod(t, 0.8);
      if (into < 0.05 || into > 0.45) continue;
      const double want = hz * (1 + 0.1 * std::sin(2 * M_PI * 0.7 * t));
      if (p.f0_hz[i] <= 0) continue;
      ++voiced;
      if (std::abs(static_cast<double>(p.f0_hz[i]) / want - 1) > 0.03) ++wrong;
    }
    EXPECT_GT(voiced, 200u) << hz;
    EXPECT_LE(wrong, voiced / 50) << hz;
  }
  Rng rng(3, 0, "noise");
  std::vector<float> noise(24000);
  for (float& v : noise) v = 0.2f * rng.normal();
  const Pitch p = track_pitch(noise, 24000);
  EXPECT_LT(std::count_if(p.f0_hz.begin(), p.f0_hz.end(), [](float f) { return f > 0; }), 15);
  EXPECT_TRUE(track_pitch({}, 24000).f0_hz.empty());
}

TEST(PitchTrack, AsItComesItIsNearlyThatOfTheWhole) {
  const AudioClip c = voice(24000, 180, 2.4);
  const PitchOptions options{.hop_s = 256.0 / 24000};
  const Pitch whole = track_pitch(c.samples, c.rate_hz, options);
  PitchTracker tracker(c.rate_hz, options, 7);
  std::vector<float> live;
  for (size_t at = 0; at < c.samples.size(); at += 256) {
    const size_t n = std::min<size_t>(256, c.samples.size() - at);
    const bool last = at + n == c.samples.size();
    const Pitch part = tracker.push({c.samples.data() + at, n}, last);
    live.insert(live.end(), part.f0_hz.begin(), part.f0_hz.end());
    // Late by 7 frames and what they need.
    if (!last) {
      EXPECT_GE(live.size() + 10, (at + n) / 256);
    }
  }
  ASSERT_EQ(live.size(), whole.f0_hz.size());
  size_t other = 0;
  for (size_t i = 0; i < live.size(); ++i)
    other += std::abs(live[i] - whole.f0_hz[i]) > 0.02f * whole.f0_hz[i];
  EXPECT_LE(other, live.size() / 20);
}

/// Power in third-octave-like bands relative to the whole, in dB.
std::vector<double> envelope_db(const std::vector<float>& x, int rate) {
  MelOptions mel;
  mel.bands = 14, mel.low_hz = 200, mel.high_hz = 5000;
  const auto m = mel_spectrogram(x, rate, {}, mel);
  std::vector<double> sum(14);
  double all = 0;
  for (size_t i = 0; i < m.size(); ++i)
    sum[i % 14] += static_cast<double>(m[i]), all += static_cast<double>(m[i]);
  for (double& v : sum) v = 10 * std::log10(v / all + 1e-9);
  return sum;
}
TEST(PitchShift, MovesThePitchAndKeepsLengthAndTimbre) {
  const AudioClip c = voice(24000, 150, 2.4);
  const Pitch p = track_pitch(c.samples, c.rate_hz);
  const auto before = envelope_db(c.samples, c.rate_hz);
  for (const double semitones : {-5.0, -2.0, 1.0, 4.0}) {
    const double ratio = std::pow(2, semitones / 12);
    const auto y = shift_pitch(c.samples, c.rate_hz, p, ratio);
    ASSERT_EQ(y.size(), c.samples.size());
    const double got = median_f0_hz(track_pitch(y, c.rate_hz)) / median_f0_hz(p);
    EXPECT_NEAR(12 * std::log2(got), semitones, 0.25);
    const auto after = envelope_db(y, c.rate_hz);
    for (size_t b = 0; b < before.size(); ++b)
      if (before[b] > -25) {
        EXPECT_NEAR(after[b], before[b], 4.5) << semitones << " " << b;
      }
  }
  EXPECT_EQ(shift_pitch(c.samples, c.rate_hz, p, 1), c.samples);
}

TEST(Activity, FindsTheSyllables) {
  AudioClip c = voice(24000, 150, 8);
  Rng rng(5, 0, "room");
  for (float& v : c.samples) v += 0.001f * rng.normal();
  const Activity a = find_activity(c.samples, c.rate_hz);
  ASSERT_EQ(a.speech.size(), 10u);
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_NEAR(a.speech[i].begin_s, 0.8 * static_cast<double>(i), 0.07);
    EXPECT_NEAR(a.speech[i].end_s, 0.8 * static_cast<double>(i) + 0.5, 0.09);
  }
  EXPECT_GT(a.speech_db - a.noise_db, 25);
  const std::vector<float> silence(24000);
  EXPECT_TRUE(find_activity(silence, 24000).speech.empty());
}

bool has_rule(const std::vector<Finding>& findings, const std::string& rule) {
  return std::any_of(findings.begin(), findings.end(),
                     [&](const Finding& f) { return f.rule == rule; });
}
AudioClip clean_voice() {
  AudioClip c = voice(24000, 150, 8);
  Rng rng(7, 0, "air");
  // Breath between 5 and 10 kHz, as fricatives have, so that the band is full.
  float last = 0;
  for (size_t i = 0; i < c.samples.size(); ++i) {
    const float n = rng.normal();
    c.samples[i] += (i / 2400) % 8 < 4 ? 0.02f * (n - last) : 0.00002f * n;
    last = n;
  }
  return c;
}
TEST(Recording, AGoodOneHasNoFinding) {
  const auto findings = judge_recording(examine_recording(clean_voice()));
  for (const auto& f : findings) ADD_FAILURE() << f.rule << ": " << f.text;
}
TEST(Recording, EachFaultIsNamed) {
  AudioClip c = clean_voice();
  for (float& v : c.samples) v = std::clamp(v * 3, -0.6f, 0.6f);
  EXPECT_TRUE(has_rule(judge_recording(examine_recording(c)), "clipped"));

  c = clean_voice();
  Rng rng(9, 0, "noise");
  for (float& v : c.samples) v += 0.02f * rng.normal();
  EXPECT_TRUE(has_rule(judge_recording(examine_recording(c)), "noisy"));

  c = clean_voice();
  c.samples = resample(resample(c.samples, 24000, 8000), 8000, 24000);
  EXPECT_TRUE(has_rule(judge_recording(examine_recording(c)), "narrow-band"));

  EXPECT_TRUE(has_rule(judge_recording(examine_recording({24000, 1, std::vector<float>(48000)})),
                       "silent"));
  c = clean_voice();
  c.samples.resize(12000);
  EXPECT_TRUE(has_rule(judge_recording(examine_recording(c)), "too-short"));

  AudioClip music{24000, 1, std::vector<float>(24000 * 8)};
  for (size_t i = 0; i < music.samples.size(); ++i) {
    const double t = static_cast<double>(i) / 24000,
                 note = 220 * std::pow(2, std::floor(t / 0.5) / 12);
    music.samples[i] = static_cast<float>(0.2 * std::sin(2 * M_PI * note * t) +
                                          0.1 * std::sin(4 * M_PI * note * t));
  }
  EXPECT_TRUE(has_rule(judge_recording(examine_recording(music)), "music"));
}
TEST(Recording, MusicBehindTheVoiceIsHeard) {
  const AudioClip speech = voice(24000, 120, 12);
  EXPECT_LT(examine_recording(speech).chord_share, 0.02);
  AudioClip hum = sine(24000, 600, 12, 0.02f);
  for (size_t i = 0; i < hum.samples.size(); ++i) hum.samples[i] += speech.samples[i];
  EXPECT_LT(examine_recording(hum).chord_share, 0.02);  // is no music
  const auto with_chords = [&](float level) {
    AudioClip c = speech;
    const int chords[3][3] = {{0, 4, 7}, {5, 9, 12}, {7, 11, 14}};
    for (size_t i = 0; i < c.samples.size(); ++i) {
      const double t = static_cast<double>(i) / c.rate_hz;
      for (const int note : chords[static_cast<size_t>(t * 1.5) % 3])
        for (int k = 1; k < 6; ++k)
          c.samples[i] +=
              level / static_cast<float>(k) *
              static_cast<float>(std::sin(2 * M_PI * 220 * std::pow(2, note / 12.0) * k * t));
    }
    return judge_recording(examine_recording(c));
  };
  const auto has = [](const std::vector<Finding>& findings, const char* rule) {
    return std::any_of(findings.begin(), findings.end(),
                       [&](const Finding& f) { return f.rule.rfind(rule, 0) == 0; });
  };
  EXPECT_TRUE(has(with_chords(0.01f), "music"));
  const auto loud = with_chords(0.1f);
  EXPECT_TRUE(std::any_of(loud.begin(), loud.end(), [](const Finding& f) {
    return f.rule == "music" && f.severity == Severity::kRefusal;
  }));
}
TEST(Recording, NoiseOverEverythingIsNotTakenForSpeech) {
  AudioClip c = voice(24000, 120, 6);
  Rng rng(3, 0, "loud");
  for (float& v : c.samples) v += 0.3f * rng.normal();
  const auto findings = judge_recording(examine_recording(c));
  EXPECT_TRUE(std::any_of(findings.begin(), findings.end(), [](const Finding& f) {
    return f.rule == "noisy" && f.severity == Severity::kRefusal;
  }));
}
TEST(Recording, ARingingRoomIsHeardAndItsTimeIsRoughlyRight) {
  const AudioClip dry = clean_voice();
  const double dry_s = examine_recording(dry).decay_s;
  EXPECT_LT(dry_s, 0.4);
  double last = dry_s;
  for (const double rt : {0.8, 1.6}) {
    AudioClip wet = dry;
    Rng rng(11, 0, "room");
    std::vector<float> response(static_cast<size_t>(24000 * rt));
    for (size_t i = 0; i < response.size(); ++i)
      response[i] = 0.02f * rng.normal() *
                    static_cast<float>(std::pow(10, -3 * static_cast<double>(i) / 24000 / rt));
    response[0] = 1;
    // Sparse response: one tap in seven is dense enough to ring and quick to compute.
    for (size_t i = 0; i < wet.samples.size(); ++i) {
      double sum = 0;
      for (size_t k = 0; k < response.size() && k <= i; k += 7)
        sum += static_cast<double>(response[k]) * dry.samples[i - k];
      wet.samples[i] = static_cast<float>(sum);
    }
    const double got = examine_recording(wet).decay_s;
    EXPECT_GT(got, last) << rt;
    EXPECT_GT(got, 0.3 * rt);  // pauses of 0.3 s do not show the whole of a long tail
    EXPECT_LT(got, 1.8 * rt);
    last = got;
  }
}
TEST(Clicks, AreMendedAndSpeechIsLeftAlone) {
  const AudioClip c = voice(24000, 150, 4);
  std::vector<float> x = c.samples;
  EXPECT_EQ(remove_clicks(x, 24000), 0);
  EXPECT_EQ(x, c.samples);
  std::vector<size_t> places;
  for (size_t at = 5000; at + 5000 < x.size(); at += 8111) {
    x[at] += 0.6f, x[at + 1] -= 0.4f;
    places.push_back(at);
  }
  std::vector<float> mended = x;
  EXPECT_GE(remove_clicks(mended, 24000), static_cast<int>(places.size()) - 1);
  EXPECT_GT(snr_db(c.samples, mended), snr_db(c.samples, x) + 10);
}

}  // namespace
}  // namespace likeness::audio
