// SPDX-License-Identifier: Apache-2.0
// The measures measured: sounds whose distance is known.
#include <cmath>
#include <cstdio>
#include <numbers>

#include "speaker_judge.h"
#include "voice_commands.h"
#include "voice_measures.h"

#include "likeness/audio/pitch.h"
#include "likeness/audio/spectrum.h"
#include "likeness/base/error.h"

namespace likeness::bench {
namespace {

struct Checks {
  int wrong = 0;
  void near(const char* what, double got, double want, double within) {
    const bool right = std::abs(got - want) <= within;
    wrong += !right;
    std::printf("%s %s: %.4f, expected %.4f within %.4f\n", right ? "ok   " : "WRONG", what, got,
                want, within);
  }
  void holds(const char* what, bool right) {
    wrong += !right;
    std::printf("%s %s\n", right ? "ok   " : "WRONG", what);
  }
};

voice::Sentence sentence_of(const std::string& text) {
  return voice::read_script(text).sentences.at(0);
}

AudioClip changed(AudioClip clip, const std::function<void(std::vector<float>&)>& change) {
  change(clip.samples);
  return clip;
}

void check_distances(const AudioClip& clip, Checks& c) {
  const int rate = clip.rate_hz;
  const Track a = track_of(clip, rate);
  const Distance same = distance_along(a, a, warp(a, a));
  c.near("identical: MCD, dB", same.cepstral_db, 0, 1e-9);
  c.near("identical: F0 RMSE, Hz", same.f0_rmse_hz, 0, 1e-9);
  c.near("identical: F0 correlation", same.f0_correlation, 1, 1e-9);
  c.near("identical: voicing error", same.voicing_error, 0, 1e-9);
  c.near("identical: timing, s", timing_between(a, a).highest_95_s, 0, 1e-9);
  c.near("identical: log-spectral distance, dB", log_spectral_distance_db(clip, clip, rate), 0,
         1e-4);

  const AudioClip quiet = changed(clip, [](auto& x) {
    for (float& v : x) v *= 0.5f;
  });
  const Track q = track_of(quiet, rate);
  c.near("half as loud: MCD, dB", distance_along(a, q, straight(a, q)).cepstral_db, 0, 0.02);
  // Both floors follow the loudest, so that every bin is 6.02 dB lower.
  c.near("half as loud: log-spectral distance, dB", log_spectral_distance_db(clip, quiet, rate),
         20 * std::log10(2.0), 0.01);

  const auto late_by = static_cast<size_t>(rate / 10);
  const AudioClip late = changed(clip, [&](auto& x) { x.insert(x.begin(), late_by, 0.0f); });
  const Track l = track_of(late, rate);
  c.near("0.1 s late: MCD through DTW, dB", distance_along(a, l, warp(a, l)).cepstral_db, 0, 0.3);
  c.near("0.1 s late: timing, s", timing_between(a, l).median_s, 0.1, 0.005);
  const AudioClip little =
      changed(clip, [&](auto& x) { x.insert(x.begin(), static_cast<size_t>(rate / 100), 0.0f); });
  c.near("10 ms late: log-spectral distance, dB", log_spectral_distance_db(clip, little, rate), 0,
         0.3);
}

void check_known_changes(const AudioClip& clip, Checks& c) {
  const int rate = clip.rate_hz;
  const Track a = track_of(clip, rate);
  // y[n] = x[n] - 0.6 x[n-1] has a spectrum that can be written down, and so its cepstral distance.
  const AudioClip bright = changed(clip, [](auto& x) {
    float before = 0;
    for (float& v : x) {
      const float now = v;
      v -= 0.6f * before;
      before = now;
    }
  });
  double square = 0;
  constexpr int kPoints = 4000;
  const double top = audio::mel_from_hz(rate / 2.0, audio::MelScale::kSlaney);
  for (size_t k = 1; k < Track::kCepstra; ++k) {
    double sum = 0;
    for (int i = 0; i < kPoints; ++i) {
      const double w = (i + 0.5) / kPoints;
      const double hz = audio::hz_from_mel(w * top, audio::MelScale::kSlaney);
      const double turn = 2 * std::numbers::pi * hz / rate;
      const double gain = 0.5 * std::log(1.36 - 1.2 * std::cos(turn));
      sum += gain * std::cos(std::numbers::pi * static_cast<double>(k) * w) / kPoints;
    }
    square += sum * sum;
  }
  const double expected = 10 / std::numbers::ln10 * std::sqrt(2 * square);
  const Track b = track_of(bright, rate);
  c.near("a filter: MCD, dB", distance_along(a, b, straight(a, b)).cepstral_db, expected,
         0.15 * expected);

  const double up = std::exp2(2.0 / 12);
  audio::PitchOptions options;
  options.hop_s = Track::kHop_s;
  const AudioClip higher = changed(clip, [&](auto& x) {
    x = audio::shift_pitch(x, rate, audio::track_pitch(x, rate, options), up);
  });
  const Track h = track_of(higher, rate);
  const Distance d = distance_along(a, h, straight(a, h));
  c.near("2 semitones up: F0 ratio", d.f0_ratio, up, 0.02);
  c.near("2 semitones up: F0 RMSE, cents", d.f0_rmse_cents, 200, 40);
  c.holds("2 semitones up: F0 correlation is above 0.9", d.f0_correlation > 0.9);
  c.holds("2 semitones up: timing stays within 10 ms", timing_between(a, h).highest_95_s <= 0.01);
}

void check_words(const voice::Voice& voice, Checks& c) {
  c.near("word errors: one of each",
         static_cast<double>(word_errors({"a", "b", "c", "d"}, {"a", "x", "d", "e"})), 3, 0);
  const WordRuns skipped = word_runs({"a", "b", "c", "d", "e"}, {"a", "e"});
  c.near("a run left out", static_cast<double>(skipped.longest_left_out), 3, 0);
  const WordRuns again = word_runs({"a", "b"}, {"a", "b", "a", "b"});
  c.near("a run said again", static_cast<double>(again.longest_added), 2, 0);

  const auto sentence = sentence_of("The birch canoe slid on the smooth planks.");
  const voice::Speech good = voice.speak(sentence);
  c.holds("a sentence without faults has none", faults_of(sentence, good).empty());
  const auto notices = [&](const char* what, const std::function<void(voice::Speech&)>& spoil) {
    voice::Speech bad = good;
    spoil(bad);
    c.holds(what, !faults_of(sentence, bad).empty());
  };
  notices("a word left out is noticed", [](auto& s) { s.words.erase(s.words.begin() + 2); });
  notices("a word said again is noticed",
          [](auto& s) { s.words.insert(s.words.begin() + 2, s.words[2]); });
  notices("words in another order are noticed", [](auto& s) { std::swap(s.words[1], s.words[2]); });
  notices("a word of no length is noticed", [](auto& s) { s.words[2].end_s = s.words[2].begin_s; });
  notices("a silent word is noticed", [](auto& s) {
    const auto rate = static_cast<double>(s.clip.rate_hz);
    for (auto i = static_cast<size_t>(s.words[2].begin_s * rate);
         i < static_cast<size_t>(s.words[2].end_s * rate); ++i)
      s.clip.samples[i] = 0;
  });
  notices("babble after the end is noticed", [](auto& s) {
    const auto copy = s.clip.samples;
    s.clip.samples.insert(s.clip.samples.end(), copy.begin(), copy.end());
  });
}

void check_speakers(const AudioClip& slt, const AudioClip& slt_again, const AudioClip& rms,
                    Checks& c) {
  const std::vector<voice::SpeakerVector> centres = {{1, 0}, {0, 1}};
  c.near("nearest of two", static_cast<double>(nearest({0.6f, 0.8f}, centres)), 1, 0);
  const auto centre = centre_of({{1, 0}, {0, 1}});
  c.near("the centre lies between", static_cast<double>(centre[0]), std::sqrt(0.5), 1e-6);
  for (const char* judge : {"first", "second"}) {
    Embedder embed;
    try {
      embed = embedder(judge);
      embed(slt);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kMissing) throw;
      std::printf("skipped: the %s judge: %s\n", judge, e.what());
      continue;
    }
    const auto a = embed(slt), b = embed(slt_again), other = embed(rms);
    std::printf("%s judge: one speaker %.3f, two %.3f\n", judge,
                static_cast<double>(voice::cosine(a, b)),
                static_cast<double>(voice::cosine(a, other)));
    c.holds("one speaker is nearer than another",
            voice::cosine(a, b) > voice::cosine(a, other) + 0.1f);
    c.near("the same sound again", static_cast<double>(voice::cosine(a, embed(slt))), 1, 1e-5);
  }
}

}  // namespace

int check() {
  Checks c;
  const auto slt = voice::open_voice("slt"), rms = voice::open_voice("rms");
  const auto one = sentence_of("The birch canoe slid on the smooth planks, and we were all away.");
  const auto two = sentence_of("Glue the sheet to the dark blue background before the evening.");
  const AudioClip clip = slt->speak(one).clip;
  check_distances(clip, c);
  check_known_changes(clip, c);
  check_words(*slt, c);
  check_speakers(clip, slt->speak(two).clip, rms->speak(two).clip, c);
  const Track a = track_of(clip, 16000), b = track_of(rms->speak(one).clip, 16000);
  c.holds("another speaker is further than a filter",
          distance_along(a, b, warp(a, b)).cepstral_db > 4);
  std::printf("%s\n", c.wrong ? "something is wrong" : "all as it should be");
  return c.wrong ? 1 : 0;
}

}  // namespace likeness::bench
