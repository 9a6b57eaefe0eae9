// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/loudness.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>

#include <ebur128.h>

#include "likeness/audio/resample.h"
#include "likeness/base/error.h"

namespace likeness::audio {
namespace {

constexpr double kSilence = -120;

struct StateFreer {
  void operator()(ebur128_state* s) const { ebur128_destroy(&s); }
};

double decibels(double amplitude) {
  return amplitude > 0 ? std::max(kSilence, 20 * std::log10(amplitude)) : kSilence;
}

/// Largest true amplitude around every frame: the four-fold oversampled sound of all channels. In
/// blocks, so that an hour of sound does not take an hour's memory four times.
std::vector<float> true_amplitude(const AudioClip& clip) {
  constexpr int kOver = 4;
  constexpr size_t kBlock = 1u << 18, kMargin = 256;
  const auto channels = static_cast<size_t>(clip.channels);
  const size_t frames = clip.frames();
  std::vector<float> out(frames);
  for (size_t begin = 0; begin < frames; begin += kBlock) {
    const size_t end = std::min(frames, begin + kBlock);
    const size_t from = begin >= kMargin ? begin - kMargin : 0;
    const size_t to = std::min(frames, end + kMargin);
    AudioClip part{clip.rate_hz, clip.channels, {}};
    part.samples.assign(clip.samples.begin() + static_cast<long>(from * channels),
                        clip.samples.begin() + static_cast<long>(to * channels));
    const AudioClip fine = resample(part, clip.rate_hz * kOver);
    const size_t count = fine.frames();
    for (size_t i = begin; i < end; ++i) {
      float peak = 0;
      const size_t at = (i - from) * kOver;
      for (size_t k = (at >= 2 ? at - 2 : 0) * channels; k < std::min(count, at + 3) * channels;
           ++k)
        peak = std::max(peak, std::abs(fine.samples[k]));
      for (size_t c = 0; c < channels; ++c)
        peak = std::max(peak, std::abs(clip.samples[i * channels + c]));
      out[i] = peak;
    }
  }
  return out;
}

/// Minimum over [i - reach, i + reach].
std::vector<float> sliding_minimum(const std::vector<float>& v, int64_t reach) {
  std::vector<float> out(v.size());
  std::deque<int64_t> window;
  const auto n = static_cast<int64_t>(v.size());
  for (int64_t i = 0; i < n + reach; ++i) {
    if (i < n) {
      while (!window.empty() && v[static_cast<size_t>(window.back())] >= v[static_cast<size_t>(i)])
        window.pop_back();
      window.push_back(i);
    }
    if (i < reach) continue;
    while (window.front() < i - 2 * reach) window.pop_front();
    out[static_cast<size_t>(i - reach)] = v[static_cast<size_t>(window.front())];
  }
  return out;
}

/// Weighted mean over [i - reach, i + reach] by a Hann window; 1 outside.
std::vector<float> smoothed(const std::vector<float>& v, int64_t reach) {
  std::vector<float> weight(static_cast<size_t>(2 * reach + 1));
  double sum = 0;
  for (size_t i = 0; i < weight.size(); ++i)
    sum += weight[i] =
        static_cast<float>(0.5 - 0.5 * std::cos(2 * M_PI * static_cast<double>(i + 1) /
                                                static_cast<double>(weight.size() + 1)));
  std::vector<float> out(v.size(), 1.0f);
  const auto n = static_cast<int64_t>(v.size());
  int64_t touched = -1;  // the last frame up to i + reach that is not 1
  for (int64_t i = -reach; i < n; ++i) {
    if (i + reach < n && v[static_cast<size_t>(i + reach)] < 1.0f) touched = i + reach;
    if (i < 0 || touched < i - reach) continue;
    double mean = 0;
    for (int64_t k = -reach; k <= reach; ++k) {
      const float g = i + k >= 0 && i + k < n ? v[static_cast<size_t>(i + k)] : 1.0f;
      mean += static_cast<double>(weight[static_cast<size_t>(k + reach)]) * g;
    }
    out[static_cast<size_t>(i)] = static_cast<float>(mean / sum);
  }
  return out;
}

}  // namespace

Loudness measure_loudness(const AudioClip& clip) {
  check_clip(clip);
  Loudness out;
  if (clip.samples.empty()) return out;
  const std::unique_ptr<ebur128_state, StateFreer> state(
      ebur128_init(static_cast<unsigned>(clip.channels), static_cast<unsigned long>(clip.rate_hz),
                   EBUR128_MODE_I | EBUR128_MODE_LRA | EBUR128_MODE_TRUE_PEAK));
  if (!state)
    throw Error(ErrorCode::kNoSpace, "no memory to measure the loudness", "close other programs");
  const size_t enough = static_cast<size_t>(clip.rate_hz);  // 1 s holds several gated blocks
  for (size_t fed = 0; fed == 0 || fed < enough; fed += clip.frames())
    ebur128_add_frames_float(state.get(), clip.samples.data(), clip.frames());
  double value = 0;
  if (ebur128_loudness_global(state.get(), &value) == EBUR128_SUCCESS && std::isfinite(value))
    out.integrated_lufs = std::max(kSilence, value);
  if (ebur128_loudness_range(state.get(), &value) == EBUR128_SUCCESS && std::isfinite(value))
    out.range_lu = value;
  double peak = 0;
  for (unsigned c = 0; c < static_cast<unsigned>(clip.channels); ++c)
    if (ebur128_true_peak(state.get(), c, &value) == EBUR128_SUCCESS) peak = std::max(peak, value);
  out.true_peak_db = decibels(peak);
  return out;
}

void limit_true_peak(AudioClip& clip, double ceiling_db) {
  check_clip(clip);
  if (!(ceiling_db <= 0 && ceiling_db >= -60))
    throw Error(ErrorCode::kUsage, "the ceiling of the limiter must be -60 to 0 dB", "use -1.5");
  constexpr double kReachS = 0.005;
  constexpr int kMostPasses = 4;
  const auto reach = std::max<int64_t>(1, std::llround(clip.rate_hz * kReachS));
  const auto channels = static_cast<size_t>(clip.channels);
  double ceiling = std::pow(10, ceiling_db / 20);
  for (int pass = 0; pass < kMostPasses; ++pass) {
    const auto peak = true_amplitude(clip);
    std::vector<float> gain(peak.size(), 1.0f);
    bool any = false;
    for (size_t i = 0; i < peak.size(); ++i)
      if (static_cast<double>(peak[i]) > ceiling * (pass ? 1.0005 : 1.0)) {
        gain[i] = static_cast<float>(ceiling / static_cast<double>(peak[i]));
        any = true;
      }
    if (!any) return;
    // The minimum over the smoother's reach keeps the smooth gain under what every peak needs.
    gain = smoothed(sliding_minimum(gain, reach), reach);
    for (size_t i = 0; i < gain.size(); ++i)
      if (gain[i] < 1.0f)
        for (size_t c = 0; c < channels; ++c) clip.samples[i * channels + c] *= gain[i];
    ceiling *= 0.999;  // a changing gain moves the peaks between samples a little
  }
}

double normalise_loudness(AudioClip& clip, const LoudnessTarget& target) {
  const Loudness now = measure_loudness(clip);
  if (now.integrated_lufs <= -70) return 0;
  const double gain_db = std::min(target.lufs - now.integrated_lufs, target.most_gain_db);
  const auto gain = static_cast<float>(std::pow(10, gain_db / 20));
  for (float& v : clip.samples) v *= gain;
  limit_true_peak(clip, target.true_peak_db);
  return gain_db;
}

}  // namespace likeness::audio
