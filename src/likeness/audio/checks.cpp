// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/checks.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "likeness/audio/activity.h"
#include "likeness/audio/loudness.h"
#include "likeness/audio/pitch.h"
#include "likeness/audio/resample.h"
#include "likeness/audio/spectrum.h"

namespace likeness::audio {
namespace {

/// Flat tops: at least 3 samples in a row at the very same level, at the peak of the clip.
double clipped_share(std::span<const float> x) {
  float peak = 0;
  for (const float v : x) peak = std::max(peak, std::abs(v));
  if (peak < 0.05f || x.size() < 3) return 0;
  size_t clipped = 0;
  for (size_t i = 0; i < x.size();) {
    size_t end = i + 1;
    // A lossy codec moves clipped samples a little.
    while (end < x.size() && std::abs(x[end] - x[i]) <= peak * 2e-4f) ++end;
    if (end - i >= 3 && std::abs(x[i]) >= peak * 0.98f) clipped += end - i;
    i = end;
  }
  return static_cast<double>(clipped) / static_cast<double>(x.size());
}

/// Level of one band over time, as a mean over 70 ms: what rings does so unevenly.
std::vector<double> band_levels_db(const std::vector<float>& power, size_t bands, size_t band) {
  constexpr size_t kReach = 3;
  const size_t frames = power.size() / bands;
  std::vector<double> db(frames);
  for (size_t f = 0; f < frames; ++f) {
    double sum = 0;
    const size_t begin = f >= kReach ? f - kReach : 0, end = std::min(frames, f + kReach + 1);
    for (size_t k = begin; k < end; ++k) sum += static_cast<double>(power[k * bands + band]);
    db[f] = 10 * std::log10(sum / static_cast<double>(end - begin) + 1e-12);
  }
  return db;
}

/// Least squares over the frames [begin, end].
double slope_db_s(const std::vector<double>& db, size_t begin, size_t end, double hop_s) {
  const auto n = static_cast<double>(end - begin + 1);
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (size_t k = begin; k <= end; ++k) {
    const double t = static_cast<double>(k - begin) * hop_s;
    sx += t, sy += db[k], sxx += t * t, sxy += t * db[k];
  }
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

/// Falls of the level after speech, in dB per second, by band. A dry room leaves the mouth to
/// decide, and mouths close fast; a hall does not let any band fall faster than it rings.
double decay_time_s(std::span<const float> mono, int rate_hz) {
  constexpr int kHz = 16000, kHop = 160;
  constexpr size_t kBands = 6, kLeast = 8, kFrames = 10;
  const auto x = resample(mono, rate_hz, kHz);
  StftOptions o;
  o.window = 512;
  o.hop = kHop;
  MelOptions mel;
  mel.bands = static_cast<int>(kBands);
  mel.low_hz = 300;
  mel.high_hz = 4000;
  const auto power = mel_spectrogram(x, kHz, o, mel);
  const size_t frames = power.size() / kBands;
  std::vector<double> slopes;
  for (size_t b = 0; b < kBands && frames > 4 * kFrames; ++b) {
    const auto db = band_levels_db(power, kBands, b);
    auto sorted = db;
    std::sort(sorted.begin(), sorted.end());
    const double floor = sorted[frames / 50], top = sorted[frames - 1 - frames / 50];
    if (top - floor < 10) continue;
    for (size_t f = 0; f + kFrames < frames;) {
      size_t end = f;
      while (end + 1 < frames && db[end + 1] < db[end] && db[end + 1] > floor + 3) ++end;
      if (end - f >= kFrames && db[f] > top - 20 && db[f] - db[end] > 6)
        slopes.push_back(slope_db_s(db, f, end, static_cast<double>(kHop) / kHz));
      f = std::max(end, f + 1);
    }
  }
  if (slopes.size() < kLeast) return 0;
  // The faster falls are those where the sound stopped at once: the room alone is heard.
  std::sort(slopes.begin(), slopes.end());
  const double fast = slopes[slopes.size() / 4];
  return fast < -1 ? -60 / fast : 0;
}

/// Highest frequency that the loud frames reach.
double bandwidth_hz(std::span<const float> mono, int rate_hz) {
  StftOptions o;
  o.window = 2 * (rate_hz / 50);
  o.hop = o.window / 2;
  const Spectra s = stft(mono, o);
  std::vector<double> mean(s.bins), total(s.frames);
  for (size_t f = 0; f < s.frames; ++f)
    for (const auto& v : s.frame(f)) total[f] += static_cast<double>(std::norm(v));
  const double loudest = s.frames ? *std::max_element(total.begin(), total.end()) : 0;
  if (loudest <= 0) return 0;
  for (size_t f = 0; f < s.frames; ++f)
    for (size_t b = 0; total[f] > loudest * 1e-4 && b < s.bins; ++b)
      mean[b] = std::max(mean[b], static_cast<double>(std::norm(s.frame(f)[b])));
  const double strongest = *std::max_element(mean.begin(), mean.end());
  size_t last = 0;
  for (size_t b = 0; b < s.bins; ++b)
    if (mean[b] > strongest * 1e-5) last = b;
  return static_cast<double>(last) * rate_hz / o.window;
}

/// Share of sounding frames that lie in tones held for 0.25 s within a third of a semitone: a voice
/// in speech hardly ever does that, instruments do.
double steady_share(std::span<const float> mono, int rate_hz, const Activity& activity) {
  PitchOptions o;
  o.hop_s = 0.01;
  o.high_hz = 1000;
  const Pitch p = track_pitch(mono, rate_hz, o);
  constexpr size_t kHeld = 25;
  size_t steady = 0;
  for (size_t i = 0; i < p.f0_hz.size();) {
    size_t end = i;
    float low = p.f0_hz[i], high = low;
    while (end < p.f0_hz.size() && p.f0_hz[end] > 0) {
      low = std::min(low, p.f0_hz[end]);
      high = std::max(high, p.f0_hz[end]);
      if (high > low * 1.02f) break;
      ++end;
    }
    if (end - i >= kHeld) steady += end - i;
    i = std::max(end, i + 1);
  }
  return activity.speech_s > 0
             ? std::min(1.0, static_cast<double>(steady) * o.hop_s / activity.speech_s)
             : 0;
}

/// Share of the frames with two or more held tones: peaks of the spectrum between 500 and 4000 Hz
/// that stay in their bin (8 Hz) for a quarter of a second. The harmonics of a voice do not: up
/// there they move with every change of its pitch. Tones that are there nearly always are hum.
double chord_share(std::span<const float> mono, int rate_hz) {
  constexpr int kHz = 16000, kWindow = 2048, kHop = 512;
  constexpr size_t kLow = 64, kHigh = 512, kReach = 8, kHeld = 8;
  constexpr float kOver = 16, kFloor = 1e-7f;  // 12 dB over what is near; -70 dB
  const auto x = resample(mono, rate_hz, kHz);
  StftOptions o;
  o.window = kWindow, o.hop = kHop;
  const Spectra s = stft(x, o);
  if (s.frames < 4 * kHeld) return 0;
  std::vector<int> run(s.bins);
  std::vector<size_t> on(s.bins);
  std::vector<std::vector<size_t>> tones(s.frames);
  std::vector<float> power(s.bins);
  const float energy = 0.0625f * kWindow * kWindow;  // of a full-scale sine in its bin
  for (size_t f = 0; f < s.frames; ++f) {
    for (size_t b = 0; b < s.bins; ++b) power[b] = std::norm(s.frame(f)[b]) / energy;
    for (size_t b = kLow; b < kHigh; ++b) {
      float near = 0;
      for (size_t k = 3; k <= kReach; ++k) near += power[b - k] + power[b + k];
      near /= 2 * (kReach - 2);
      const bool peak = power[b] > power[b - 1] && power[b] >= power[b + 1] &&
                        power[b] > kOver * near && power[b] > kFloor;
      run[b] = peak ? run[b] + 1 : 0;
      on[b] += peak ? 1 : 0;
      if (run[b] == static_cast<int>(kHeld))
        for (size_t k = 0; k < kHeld; ++k) tones[f - k].push_back(b);
      else if (run[b] > static_cast<int>(kHeld))
        tones[f].push_back(b);
    }
  }
  size_t chords = 0;
  for (const auto& here : tones)
    chords += std::count_if(here.begin(), here.end(),
                            [&](size_t b) { return on[b] * 10 < s.frames * 7; }) >= 2;
  return static_cast<double>(chords) / static_cast<double>(s.frames);
}

std::string number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

Recording examine_recording(const AudioClip& clip) {
  const AudioClip mono = to_mono(clip);
  Recording out;
  out.duration_s = mono.duration_s();
  if (mono.samples.empty()) return out;
  const Activity activity = find_activity(mono.samples, mono.rate_hz);
  out.speech_s = activity.speech_s;
  out.speech_db = activity.speech_db;
  out.noise_db = activity.noise_db;
  const auto channels = static_cast<size_t>(clip.channels);
  for (size_t c = 0; c < channels; ++c) {  // of the worst channel: the mean would hide it
    std::vector<float> one(clip.frames());
    for (size_t i = 0; i < one.size(); ++i) one[i] = clip.samples[i * channels + c];
    out.clipped = std::max(out.clipped, clipped_share(one));
  }
  out.decay_s = decay_time_s(mono.samples, mono.rate_hz);
  out.bandwidth_hz = bandwidth_hz(mono.samples, mono.rate_hz);
  const Loudness loudness = measure_loudness(clip);
  out.loudness_lufs = loudness.integrated_lufs;
  out.true_peak_db = loudness.true_peak_db;
  out.steady_share = steady_share(mono.samples, mono.rate_hz, activity);
  out.chord_share = chord_share(mono.samples, mono.rate_hz);
  return out;
}

std::vector<Finding> judge_recording(const Recording& r, const RecordingLimits& l) {
  std::vector<Finding> out;
  const auto say = [&](bool refuse, const char* rule, std::string text) {
    out.push_back({refuse ? Severity::kRefusal : Severity::kWarning, rule, std::move(text)});
  };
  if (r.loudness_lufs < -65 || r.speech_s == 0) {
    say(true, "silent", "nothing can be heard; check microphone and level");
    return out;
  }
  if (r.speech_s < l.least_speech_s)
    say(true, "too-short",
        number("only %.1f s of speech; ", r.speech_s) +
            number("at least %.1f s are needed", l.least_speech_s));
  if (r.clipped > l.most_clipped)
    say(r.clipped > l.clipped_refusal, "clipped",
        number("%.2f %% of the samples are clipped", r.clipped * 100) +
            "; record again with a lower level");
  if (r.steady_share <= l.most_steady && r.chord_share > l.most_chords)
    say(r.chord_share > l.chords_refusal,
        r.chord_share > l.chords_refusal ? "music" : "music-behind",
        number("held tones sound in %.0f %% of the time", r.chord_share * 100) +
            ", as of music behind the voice; use speech without music");
  if (r.steady_share > l.most_steady)
    say(true, "music",
        number("%.0f %% of it are held tones", r.steady_share * 100) +
            ", as in music; use speech without music");
  if (r.snr_db() < l.least_snr_db)
    say(r.snr_db() < l.snr_refusal_db, "noisy",
        number("speech is only %.0f dB above the noise", r.snr_db()) +
            "; find a quieter place, or come closer to the microphone");
  if (r.decay_s > l.most_decay_s)
    say(r.decay_s > l.decay_refusal_s, "reverberant",
        number("the room rings for about %.1f s", r.decay_s) +
            "; come closer to the microphone, or record in a furnished room");
  if (r.bandwidth_hz < l.least_bandwidth_hz)
    say(false, "narrow-band",
        number("there is no sound above %.0f Hz", r.bandwidth_hz) +
            ", as on the telephone; the voice will be dull: record at 24 kHz or more");
  return out;
}

namespace {

/// Linear prediction by Levinson and Durbin. Empty when the frame is silent.
std::vector<double> predictor(std::span<const float> x, size_t order) {
  std::vector<double> r(order + 1), a(order + 1), next;
  for (size_t k = 0; k <= order; ++k)
    for (size_t i = k; i < x.size(); ++i)
      r[k] += static_cast<double>(x[i]) * static_cast<double>(x[i - k]);
  if (r[0] < 1e-9) return {};
  double error = r[0] * (1 + 1e-6);
  a[0] = 1;
  for (size_t i = 1; i <= order; ++i) {
    double sum = r[i];
    for (size_t k = 1; k < i; ++k) sum += a[k] * r[i - k];
    const double reflection = -sum / error;
    next = a;
    for (size_t k = 1; k < i; ++k) next[k] += reflection * a[i - k];
    next[i] = reflection;
    a = next;
    error *= 1 - reflection * reflection;
  }
  return a;
}

/// Replaces [begin, end) of a block by what the prediction expects from both sides: the least
/// squares of the residual (Godsill and Rayner 1998, eq. 5.10), solved by Cholesky decomposition.
void interpolate(std::span<float> x, const std::vector<double>& a, size_t begin, size_t end) {
  const size_t order = a.size() - 1, m = end - begin;
  const auto coefficient = [&](size_t row, size_t column) {  // of x[column] in the residual at row
    return row >= column && row - column <= order ? a[row - column] : 0.0;
  };
  std::vector<double> matrix(m * m), right(m);
  for (size_t row = begin; row < std::min(x.size(), end + order); ++row) {
    double known = 0;
    for (size_t k = 0; k <= order && k <= row; ++k)
      if (row - k < begin || row - k >= end) known += a[k] * static_cast<double>(x[row - k]);
    for (size_t i = 0; i < m; ++i) {
      const double c = coefficient(row, begin + i);
      right[i] -= c * known;
      for (size_t k = 0; k <= i; ++k) matrix[i * m + k] += c * coefficient(row, begin + k);
    }
  }
  for (size_t i = 0; i < m; ++i)
    for (size_t k = 0; k <= i; ++k) {
      double sum = matrix[i * m + k];
      for (size_t j = 0; j < k; ++j) sum -= matrix[i * m + j] * matrix[k * m + j];
      matrix[i * m + k] = i == k ? std::sqrt(std::max(sum, 1e-12)) : sum / matrix[k * m + k];
    }
  for (size_t i = 0; i < m; ++i) {
    for (size_t k = 0; k < i; ++k) right[i] -= matrix[i * m + k] * right[k];
    right[i] /= matrix[i * m + i];
  }
  for (size_t i = m; i-- > 0;) {
    for (size_t k = i + 1; k < m; ++k) right[i] -= matrix[k * m + i] * right[k];
    right[i] /= matrix[i * m + i];
    x[begin + i] = static_cast<float>(right[i]);
  }
}

}  // namespace

int remove_clicks(std::vector<float>& mono, int rate_hz) {
  constexpr size_t kOrder = 24;
  constexpr double kTimes = 9;  ///< a click is this many times the usual residual
  constexpr double kAlone = 3;  ///< and this many times whatever else is near
  const size_t block = static_cast<size_t>(rate_hz) / 12, part = block / 4;
  const size_t widest = static_cast<size_t>(rate_hz) / 1000;  // 1 ms; longer ones are sounds
  if (part <= kOrder) return 0;
  const std::vector<float> was = mono;
  int mended = 0;
  for (size_t start = 0; start + block <= was.size(); start += block / 2) {
    const auto a = predictor({was.data() + start, block}, kOrder);
    if (a.empty()) continue;
    std::vector<double> residual(block), sorted;
    for (size_t i = kOrder; i < block; ++i) {
      for (size_t k = 0; k <= kOrder; ++k)
        residual[i] += a[k] * static_cast<double>(was[start + i - k]);
      residual[i] = std::abs(residual[i]);
      sorted.push_back(residual[i]);
    }
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<long>(sorted.size() / 2),
                     sorted.end());
    const double limit = std::max(sorted[sorted.size() / 2] / 0.6745 * kTimes, 5e-3);
    // Only the middle half: what counts is what is near, on both sides.
    for (size_t i = part; i < block - part; ++i) {
      if (residual[i] < limit) continue;
      size_t end = i + 1;
      for (size_t k = i; k < std::min(block, i + widest + kOrder); ++k)
        if (residual[k] > limit) end = k + 1;
      double click = 0, other = 0;
      for (size_t k = kOrder; k < block; ++k) {
        const bool own = k + 2 >= i && k < end + kOrder;
        (own ? click : other) = std::max(own ? click : other, residual[k]);
      }
      // Glottal pulses stand out too, but others like them are near. A click of n samples disturbs
      // the prediction of n + kOrder.
      const size_t length = end - i > kOrder ? end - i - kOrder + 2 : 3;
      if (click > kAlone * other && length <= widest) {
        const std::span<float> here{mono.data() + start, block};
        interpolate(here, a, i - 1, i + length);
        // Once more with a predictor that does not know the click.
        if (const auto better = predictor(here, kOrder); !better.empty())
          interpolate(here, better, i - 1, i + length);
        ++mended;
      }
      i = end + kOrder;
    }
  }
  return mended;
}

}  // namespace likeness::audio
