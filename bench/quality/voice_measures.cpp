// SPDX-License-Identifier: Apache-2.0
#include "voice_measures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numbers>

#include "likeness/audio/pitch.h"
#include "likeness/audio/resample.h"
#include "likeness/audio/spectrum.h"
#include "likeness/base/error.h"

namespace likeness::bench {
namespace {

constexpr int kBands = 80;

std::vector<float> mono_at(const AudioClip& clip, int rate_hz) {
  return audio::resample(audio::to_mono(clip), rate_hz).samples;
}

/// First and one past the last frame with speech.
std::pair<size_t, size_t> spoken_part(const Track& t) {
  size_t begin = 0, end = t.frames;
  while (begin < end && !t.speech(begin)) ++begin;
  while (end > begin && !t.speech(end - 1)) --end;
  return {begin, end};
}

double cepstral_square(const Track& a, size_t i, const Track& b, size_t k) {
  const float* x = a.cepstra.data() + i * Track::kCepstra;
  const float* y = b.cepstra.data() + k * Track::kCepstra;
  float sum = 0;
  for (size_t c = 1; c < Track::kCepstra; ++c) sum += (x[c] - y[c]) * (x[c] - y[c]);
  return static_cast<double>(sum);
}

double percentile(std::vector<double> x, double share) {
  if (x.empty()) return 0;
  const auto at = static_cast<size_t>(share * static_cast<double>(x.size() - 1) + 0.5);
  std::nth_element(x.begin(), x.begin() + static_cast<long>(at), x.end());
  return x[at];
}

/// Pearson's, of `n` values from two places.
double correlation(const float* x, const float* y, size_t n) {
  double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
  const auto count = static_cast<double>(n);
  for (size_t i = 0; i < n; ++i) {
    mx += static_cast<double>(x[i]) / count;
    my += static_cast<double>(y[i]) / count;
  }
  for (size_t i = 0; i < n; ++i) {
    const double dx = static_cast<double>(x[i]) - mx, dy = static_cast<double>(y[i]) - my;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

/// Samples that `other` is late by.
long delay_between(const std::vector<float>& reference, const std::vector<float>& other,
                   int rate_hz) {
  const long most = rate_hz * 3 / 100;
  const long n = static_cast<long>(std::min(reference.size(), other.size()));
  double best = -1;
  long delay = 0;
  for (long d = -most; d <= most; ++d) {
    double sum = 0;
    for (long i = std::max(0L, -d); i < std::min(n, n - d); ++i)
      sum += static_cast<double>(reference[static_cast<size_t>(i)]) *
             static_cast<double>(other[static_cast<size_t>(i + d)]);
    // Of equals the smallest delay.
    if (sum > best * (1 + 1e-9) || (sum >= best && std::abs(d) < std::abs(delay)))
      best = sum, delay = d;
  }
  return delay;
}

}  // namespace

WordRuns word_runs(const Words& want, const Words& got) {
  const size_t n = want.size(), m = got.size();
  std::vector<std::vector<size_t>> cost(n + 1, std::vector<size_t>(m + 1));
  for (size_t i = 0; i <= n; ++i)
    for (size_t k = 0; k <= m; ++k) {
      if (i == 0 || k == 0) {
        cost[i][k] = i + k;
        continue;
      }
      cost[i][k] = std::min({cost[i - 1][k] + 1, cost[i][k - 1] + 1,
                             cost[i - 1][k - 1] + (want[i - 1] == got[k - 1] ? 0u : 1u)});
    }
  WordRuns out;
  out.errors = cost[n][m];
  size_t left_out = 0, added = 0;
  for (size_t i = n, k = m; i > 0 || k > 0;) {
    if (i > 0 && k > 0 &&
        cost[i][k] == cost[i - 1][k - 1] + (want[i - 1] == got[k - 1] ? 0u : 1u)) {
      --i, --k;
      left_out = added = 0;
    } else if (i > 0 && cost[i][k] == cost[i - 1][k] + 1) {
      --i;
      out.longest_left_out = std::max(out.longest_left_out, ++left_out);
      added = 0;
    } else {
      --k;
      out.longest_added = std::max(out.longest_added, ++added);
      left_out = 0;
    }
  }
  return out;
}

size_t word_errors(const Words& want, const Words& got) { return word_runs(want, got).errors; }

Track track_of(const AudioClip& clip, int rate_hz) {
  Track t;
  t.rate_hz = rate_hz;
  const auto x = mono_at(clip, rate_hz);
  audio::StftOptions o;
  o.hop = static_cast<int>(std::lround(Track::kHop_s * rate_hz));
  o.window = 2 * (rate_hz / 50);  // 40 ms
  o.fft = 1024;
  audio::MelOptions mel;
  mel.bands = kBands;
  const auto bands = audio::mel_spectrogram(x, rate_hz, o, mel);
  t.frames = bands.size() / kBands;
  t.cepstra.resize(t.frames * Track::kCepstra);
  t.level_db.resize(t.frames);
  for (size_t f = 0; f < t.frames; ++f) {
    std::array<double, kBands> log_magnitude;
    double power = 1e-20;
    for (size_t b = 0; b < kBands; ++b) {
      const auto p = static_cast<double>(bands[f * kBands + b]);
      power += p;
      log_magnitude[b] = 0.5 * std::log(p + 1e-12);
    }
    t.level_db[f] = static_cast<float>(10 * std::log10(power));
    t.loudest_db = std::max(t.loudest_db, t.level_db[f]);
    for (size_t c = 0; c < Track::kCepstra; ++c) {
      double sum = 0;
      for (size_t b = 0; b < kBands; ++b)
        sum += log_magnitude[b] * std::cos(std::numbers::pi * static_cast<double>(c) *
                                           (static_cast<double>(b) + 0.5) / kBands);
      t.cepstra[f * Track::kCepstra + c] = static_cast<float>(sum / kBands);
    }
  }
  audio::PitchOptions pitch;
  pitch.hop_s = Track::kHop_s;
  t.f0_hz = audio::track_pitch(x, rate_hz, pitch).f0_hz;
  t.f0_hz.resize(t.frames);
  return t;
}

Path straight(const Track& a, const Track& b) {
  Path path;
  for (size_t i = 0; i < std::min(a.frames, b.frames); ++i) path.emplace_back(i, i);
  return path;
}

Path warp(const Track& a, const Track& b) {
  const auto [a0, a1] = spoken_part(a);
  const auto [b0, b1] = spoken_part(b);
  const size_t n = a1 - a0, m = b1 - b0;
  constexpr size_t kMostCells = 400'000'000;
  if (n == 0 || m == 0) return {};
  if (n * m > kMostCells)
    throw Error(ErrorCode::kUsage, "recordings of over a minute are not compared",
                "compare sentences");
  enum Step : uint8_t { kBoth, kFirst, kSecond };
  std::vector<uint8_t> from(n * m);
  std::vector<double> before(m), now(m);
  constexpr double kFar = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < m; ++k) {
      const double here = std::sqrt(cepstral_square(a, a0 + i, b, b0 + k));
      const double both = i && k ? before[k - 1] : (i || k ? kFar : 0);
      const double first = i ? before[k] : kFar, second = k ? now[k - 1] : kFar;
      const Step step = both <= first && both <= second ? kBoth
                        : first <= second               ? kFirst
                                                        : kSecond;
      from[i * m + k] = step;
      now[k] = here + (step == kBoth ? both : step == kFirst ? first : second);
    }
    std::swap(before, now);
  }
  Path path;
  for (size_t i = n - 1, k = m - 1;;) {
    path.emplace_back(a0 + i, b0 + k);
    if (i == 0 && k == 0) break;
    const auto step = static_cast<Step>(from[i * m + k]);
    if (step != kSecond) --i;
    if (step != kFirst) --k;
  }
  std::reverse(path.begin(), path.end());
  return path;
}

Distance distance_along(const Track& a, const Track& b, const Path& path) {
  Distance d;
  std::vector<float> x, y;
  double square_hz = 0, square_cents = 0, log_ratio = 0;
  size_t other_voicing = 0;
  for (const auto& [i, k] : path) {
    if (!a.speech(i)) continue;
    ++d.frames;
    d.cepstral_db += 10 / std::numbers::ln10 * std::sqrt(2 * cepstral_square(a, i, b, k));
    const auto fa = static_cast<double>(a.f0_hz[i]), fb = static_cast<double>(b.f0_hz[k]);
    other_voicing += (fa > 0) != (fb > 0);
    if (!(fa > 0 && fb > 0)) continue;
    square_hz += (fa - fb) * (fa - fb);
    const double ratio = std::log(fb / fa);
    log_ratio += ratio;
    square_cents += ratio * ratio;
    x.push_back(static_cast<float>(std::log(fa)));
    y.push_back(static_cast<float>(std::log(fb)));
  }
  d.voiced = x.size();
  if (d.frames > 0) {
    d.cepstral_db /= static_cast<double>(d.frames);
    d.voicing_error = static_cast<double>(other_voicing) / static_cast<double>(d.frames);
  }
  if (d.voiced > 0) {
    const auto n = static_cast<double>(d.voiced);
    d.f0_rmse_hz = std::sqrt(square_hz / n);
    d.f0_rmse_cents = 1200 / std::numbers::ln2 * std::sqrt(square_cents / n);
    d.f0_ratio = std::exp(log_ratio / n);
    d.f0_correlation = correlation(x.data(), y.data(), x.size());
  }
  return d;
}

Timing timing_between(const Track& a, const Track& b) {
  constexpr size_t kLength = 160, kHop = 40, kMost = 30;  // 0.8 s, 0.2 s, 0.15 s
  constexpr double kLeastDeviation_db = 3;
  const auto curve = [](const Track& t) {
    auto level = t.level_db;
    for (float& v : level) v = std::max(v, t.loudest_db - 40);
    return level;
  };
  const auto x = curve(a), y = curve(b);
  std::vector<double> offsets;
  for (size_t at = kMost; at + kLength + kMost <= std::min(x.size(), y.size()); at += kHop) {
    double mean = 0, square = 0;
    for (size_t i = at; i < at + kLength; ++i) mean += static_cast<double>(x[i]) / kLength;
    for (size_t i = at; i < at + kLength; ++i)
      square += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean) / kLength;
    if (std::sqrt(square) < kLeastDeviation_db) continue;
    double best = -2;
    long offset = 0;
    for (long d = -static_cast<long>(kMost); d <= static_cast<long>(kMost); ++d) {
      const double c =
          correlation(&x[at], &y[static_cast<size_t>(static_cast<long>(at) + d)], kLength);
      if (c > best + 1e-9 || (c > best - 1e-9 && std::abs(d) < std::abs(offset)))
        best = c, offset = d;
    }
    offsets.push_back(std::abs(static_cast<double>(offset)) * Track::kHop_s);
  }
  return {percentile(offsets, 0.5), percentile(offsets, 0.95), offsets.size()};
}

double log_spectral_distance_db(const AudioClip& reference, const AudioClip& other, int rate_hz) {
  auto x = mono_at(reference, rate_hz), y = mono_at(other, rate_hz);
  const long delay = delay_between(x, y, rate_hz);
  if (delay > 0) y.erase(y.begin(), y.begin() + delay);
  if (delay < 0) x.erase(x.begin(), x.begin() - delay);
  const size_t n = std::min(x.size(), y.size());
  x.resize(n), y.resize(n);
  const audio::StftOptions o;
  const auto a = audio::stft(x, o), b = audio::stft(y, o);
  const auto highest = [](const audio::Spectra& s) {
    float top = 1e-12f;
    for (const auto& v : s.values) top = std::max(top, std::abs(v));
    return top;
  };
  const float floor_a = highest(a) * 1e-4f, floor_b = highest(b) * 1e-4f;
  std::vector<double> level(a.frames);
  double loudest = 0;
  for (size_t f = 0; f < a.frames; ++f) {
    for (const auto& v : a.frame(f)) level[f] += static_cast<double>(std::norm(v));
    loudest = std::max(loudest, level[f]);
  }
  double sum = 0;
  size_t count = 0;
  for (size_t f = 0; f < a.frames; ++f) {
    if (level[f] < loudest * 1e-4) continue;
    double square = 0;
    for (size_t k = 0; k < a.bins; ++k) {
      const float va = std::max(std::abs(a.frame(f)[k]), floor_a);
      const float vb = std::max(std::abs(b.frame(f)[k]), floor_b);
      const double difference = 20 * std::log10(static_cast<double>(va / vb));
      square += difference * difference;
    }
    sum += std::sqrt(square / static_cast<double>(a.bins));
    ++count;
  }
  return count ? sum / static_cast<double>(count) : 0;
}

size_t nearest(const voice::SpeakerVector& v, const std::vector<voice::SpeakerVector>& centres) {
  size_t best = 0;
  for (size_t i = 1; i < centres.size(); ++i)
    if (voice::cosine(v, centres[i]) > voice::cosine(v, centres[best])) best = i;
  return best;
}

voice::SpeakerVector centre_of(const std::vector<voice::SpeakerVector>& vectors) {
  LIKENESS_REQUIRE(!vectors.empty());
  voice::SpeakerVector out(vectors[0].size());
  for (const auto& v : vectors)
    for (size_t k = 0; k < out.size(); ++k) out[k] += v.at(k);
  double square = 1e-24;
  for (const float x : out) square += static_cast<double>(x) * static_cast<double>(x);
  for (float& x : out) x = static_cast<float>(static_cast<double>(x) / std::sqrt(square));
  return out;
}

std::vector<std::string> faults_of(const voice::Sentence& sentence, const voice::Speech& speech) {
  std::vector<std::string> out;
  const auto& words = speech.words;
  if (words.size() != sentence.words.size())
    out.push_back("has " + std::to_string(words.size()) + " words of " +
                  std::to_string(sentence.words.size()));
  const auto& x = speech.clip.samples;
  const auto loudness = [&](double begin_s, double end_s) {
    const auto at = [&](double s) {
      return std::min(x.size(), static_cast<size_t>(std::max(0.0, s) * speech.clip.rate_hz));
    };
    float peak = 0;
    for (size_t i = at(begin_s); i < at(end_s); ++i) peak = std::max(peak, std::abs(x[i]));
    return peak;
  };
  const float loudest = loudness(0, speech.clip.duration_s());
  double last = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    const voice::SpokenWord& w = words[i];
    const auto fault = [&](const std::string& what) {
      out.push_back("word " + std::to_string(i + 1) + " '" + w.text + "' " + what);
    };
    if (i < sentence.words.size() && w.text != sentence.words[i].text)
      fault("stands for '" + sentence.words[i].text + "'");
    constexpr double kSlack_s = 1e-3, kTail_s = 0.05;
    if (w.begin_s < last - kSlack_s) fault("begins before the last one ends");
    if (w.end_s > speech.clip.duration_s() + kTail_s) fault("ends after the sound");
    last = w.end_s;
    if (w.phones.empty()) {
      fault("has no sounds");
      continue;
    }
    const double length = w.end_s - w.begin_s, sounds = static_cast<double>(w.phones.size());
    char text[64];
    std::snprintf(text, sizeof text, "takes %.3f s for %zu sounds", length, w.phones.size());
    if (length < 0.015 * sounds || length > 0.45 * sounds + 0.3) fault(text);
    double sound_end = w.begin_s - kSlack_s;
    for (const voice::Phone& p : w.phones) {
      if (p.begin_s < sound_end - kSlack_s || p.end_s < p.begin_s) fault("has sounds out of order");
      sound_end = p.end_s;
    }
    // A word is never below a hundredth of the loudest sample for its whole length.
    if (loudness(w.begin_s, w.end_s) < 0.01f * loudest) fault("is silent");
  }
  // What is heard after the last word was not written.
  constexpr double kRing_s = 0.25;
  if (!words.empty() &&
      loudness(last + kRing_s, speech.clip.duration_s()) > 0.05f * std::max(loudest, 1e-6f))
    out.push_back("goes on after the last word");
  return out;
}

}  // namespace likeness::bench
