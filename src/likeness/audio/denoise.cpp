// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/denoise.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "likeness/audio/spectrum.h"
#include "likeness/base/error.h"

namespace likeness::audio {
namespace {

constexpr double kWindowS = 0.032, kReachS = 1.5;
constexpr size_t kBlockFrames = 4000;  ///< so much is in memory at a time, about 32 s

/// Exponential integral E1 (Abramowitz and Stegun 5.1.11 below 1, 5.1.56 above).
double expint_e1(double x) {
  if (x <= 1) {
    const double series =
        -0.57721566 +
        x * (0.99999193 +
             x * (-0.24991055 + x * (0.05519968 + x * (-0.00976004 + x * 0.00107857))));
    return series - std::log(x);
  }
  const double p = 0.2677737343 + x * (8.6347608925 + x * (18.0590169730 + x * (8.5733287401 + x)));
  const double q =
      3.9584969228 + x * (21.0996530827 + x * (25.6329561486 + x * (9.5733223454 + x)));
  return std::exp(-x) / x * p / q;
}

/// Ephraim and Malah 1985, eq. 20, in a table over both ratios: 0.5 dB steps.
class Gains {
 public:
  Gains() : table_(kSteps * kSteps) {
    for (size_t a = 0; a < kSteps; ++a)
      for (size_t b = 0; b < kSteps; ++b) {
        const double xi = ratio(a), gamma = ratio(b), v = xi / (1 + xi) * gamma;
        table_[a * kSteps + b] = static_cast<float>(
            std::min(1.0, xi / (1 + xi) * std::exp(0.5 * expint_e1(std::max(v, 1e-8)))));
      }
  }
  float at(double xi, double gamma) const { return table_[step(xi) * kSteps + step(gamma)]; }

 private:
  static constexpr size_t kSteps = 161;  // -40 to 40 dB
  static double ratio(size_t i) { return std::pow(10, (static_cast<double>(i) * 0.5 - 40) / 10); }
  static size_t step(double ratio) {
    const double db = 10 * std::log10(std::max(ratio, 1e-4));
    return static_cast<size_t>(std::clamp(std::lround((db + 40) * 2), 0l, long(kSteps) - 1));
  }
  std::vector<float> table_;
};

/// Power of each bin, smoothed a little over time: [frames][bins].
std::vector<float> powers(const Spectra& s) {
  std::vector<float> out(s.frames * s.bins);
  for (size_t i = 0; i < out.size(); ++i) out[i] = std::norm(s.values[i]) + 1e-12f;
  return out;
}

/// The least mean over nine frames (72 ms) within `reach` frames on both sides, times what such a
/// minimum lies under the mean of noise.
std::vector<float> minimum_statistics(const std::vector<float>& power, size_t bins, size_t reach) {
  constexpr size_t kReach = 4;
  constexpr float kBias = 3.2f;  // measured with white noise
  const size_t frames = power.size() / bins;
  std::vector<float> out(power.size()), mean(frames);
  for (size_t b = 0; b < bins; ++b) {
    for (size_t f = 0; f < frames; ++f) {
      const size_t begin = f >= kReach ? f - kReach : 0, end = std::min(frames, f + kReach + 1);
      float sum = 0;
      for (size_t k = begin; k < end; ++k) sum += power[k * bins + b];
      mean[f] = sum / static_cast<float>(end - begin);
    }
    std::deque<size_t> least;
    for (size_t f = 0, next = 0; f < frames; ++f) {
      for (; next < std::min(frames, f + reach + 1); ++next) {
        while (!least.empty() && mean[least.back()] >= mean[next]) least.pop_back();
        least.push_back(next);
      }
      while (least.front() + reach < f) least.pop_front();
      out[f * bins + b] = kBias * mean[least.front()];
    }
  }
  return out;
}

/// Gerkmann and Hendriks 2012: the noise is updated by how unlikely speech is, with a fixed a
/// priori ratio of 15 dB; it stays within what the minimum says.
void follow_noise(const std::vector<float>& power, std::vector<float>& noise, size_t bins) {
  constexpr float kXi = 31.6f, kKeep = 0.8f;
  const size_t frames = power.size() / bins;
  std::vector<float> estimate(noise.begin(), noise.begin() + static_cast<long>(bins)), often(bins);
  for (size_t f = 0; f < frames; ++f)
    for (size_t b = 0; b < bins; ++b) {
      const float y = power[f * bins + b], least = noise[f * bins + b];
      const float exponent = std::min(y / estimate[b] * kXi / (1 + kXi), 80.0f);
      float speech = 1 / (1 + (1 + kXi) * std::exp(-exponent));
      often[b] = 0.9f * often[b] + 0.1f * speech;  // eq. 23: it must not stick at "speech"
      if (often[b] > 0.99f) speech = std::min(speech, 0.99f);
      estimate[b] = kKeep * estimate[b] + (1 - kKeep) * ((1 - speech) * y + speech * estimate[b]);
      estimate[b] = std::clamp(estimate[b], 0.5f * least, 2.5f * least);
      noise[f * bins + b] = estimate[b];
    }
}

void apply_gains(Spectra& s, const std::vector<float>& power, const std::vector<float>& noise,
                 double floor) {
  static const Gains gains;
  constexpr double kDirected = 0.98;
  std::vector<double> before(s.bins);  // what was left of the last frame
  for (size_t f = 0; f < s.frames; ++f) {
    auto values = s.frame(f);
    for (size_t b = 0; b < s.bins; ++b) {
      const double n = static_cast<double>(noise[f * s.bins + b]) + 1e-12;
      const double gamma = static_cast<double>(power[f * s.bins + b]) / n;
      const double xi =
          std::max(kDirected * before[b] / n + (1 - kDirected) * std::max(gamma - 1, 0.0), 0.003);
      const double g = std::max(static_cast<double>(gains.at(xi, gamma)), floor);
      before[b] = g * g * gamma * n;
      values[b] *= static_cast<float>(g);
    }
  }
}

/// One stretch; `context` on both sides is thrown away by the caller.
std::vector<float> denoise_block(std::span<const float> x, const StftOptions& o, double floor,
                                 size_t reach) {
  Spectra s = stft(x, o);
  const auto power = powers(s);
  auto noise = minimum_statistics(power, s.bins, reach);
  follow_noise(power, noise, s.bins);
  apply_gains(s, power, noise, floor);
  return istft(s);
}

/// Mean power of the ten per cent quietest stretches of 20 ms, in dB.
double quiet_db(std::span<const float> x, int rate_hz) {
  const size_t n = static_cast<size_t>(rate_hz) / 50;
  std::vector<double> levels;
  for (size_t at = 0; at + n <= x.size(); at += n) {
    double sum = 0;
    for (size_t i = at; i < at + n; ++i)
      sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    levels.push_back(sum / static_cast<double>(n));
  }
  if (levels.empty()) return -120;
  std::sort(levels.begin(), levels.end());
  const size_t tenth = std::max<size_t>(1, levels.size() / 10);
  double sum = 0;
  for (size_t i = 0; i < tenth; ++i) sum += levels[i];
  return 10 * std::log10(sum / static_cast<double>(tenth) + 1e-12);
}

}  // namespace

Denoised remove_noise(std::span<const float> mono, int rate_hz, const DenoiseOptions& options) {
  if (rate_hz < 8000 || rate_hz > 384000)
    throw Error(ErrorCode::kUsage, "noise is taken away at rates from 8 to 384 kHz",
                "resample the sound first");
  if (!(options.floor_db <= 0 && options.floor_db >= -60))
    throw Error(ErrorCode::kUsage, "the floor of the noise filter must be -60 to 0 dB",
                "use -18 dB");
  Denoised out;
  out.samples.assign(mono.begin(), mono.end());
  StftOptions o;
  o.window = 2 * static_cast<int>(std::lround(kWindowS * rate_hz / 2));
  o.hop = o.window / 4;
  if (mono.size() < static_cast<size_t>(2 * o.window)) return out;
  double power = 0;
  for (const float v : mono) power += static_cast<double>(v) * static_cast<double>(v);
  const double mean_db = 10 * std::log10(power / static_cast<double>(mono.size()) + 1e-12);
  out.noise_db = quiet_db(mono, rate_hz);
  if (mean_db - out.noise_db > options.clean_db || mean_db < -100) return out;
  const auto hop = static_cast<size_t>(o.hop);
  const auto reach = static_cast<size_t>(kReachS * rate_hz) / hop;
  const size_t block = kBlockFrames * hop, context = 2 * reach * hop;
  const double floor = std::pow(10, options.floor_db / 20);
  for (size_t begin = 0; begin < mono.size(); begin += block) {
    const size_t from = begin > context ? begin - context : 0;
    const size_t end = std::min(mono.size(), begin + block);
    const size_t to = std::min(mono.size(), end + context);
    const auto y = denoise_block(mono.subspan(from, to - from), o, floor, reach);
    for (size_t i = begin; i < end; ++i) out.samples[i] = y[i - from];
  }
  out.taken_db = std::max(0.0, out.noise_db - quiet_db(out.samples, rate_hz));
  return out;
}

}  // namespace likeness::audio
