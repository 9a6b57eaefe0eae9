// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/features.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "likeness/audio/pitch.h"
#include "likeness/audio/resample.h"
#include "likeness/audio/spectrum.h"
#include "likeness/base/error.h"

namespace likeness::voice {
namespace {

constexpr audio::StftOptions kStft{.window = 1024, .hop = kHop, .fft = 0};

constexpr double kTop_hz = kRate / 2.0;

std::vector<float> filters_up_to(int count, double high_hz) {
  return audio::mel_filters(kRate, kStft.window,
                            {.bands = count,
                             .low_hz = 0,
                             .high_hz = high_hz,
                             .scale = audio::MelScale::kSlaney,
                             .area_normalised = true});
}

/// Filters and where they are not 0.
struct Bands {
  size_t count;
  std::vector<float> filters;
  std::vector<std::pair<size_t, size_t>> range;

  Bands(int n, double high_hz)
      : count(static_cast<size_t>(n)), filters(filters_up_to(n, high_hz)), range(count) {
    const size_t bins = filters.size() / count;
    for (size_t b = 0; b < count; ++b) {
      const float* f = filters.data() + b * bins;
      size_t first = 0, last = bins;
      while (first < bins && f[first] == 0) ++first;
      while (last > first && f[last - 1] == 0) --last;
      range[b] = {first, last};
    }
  }
  std::vector<float> of(const std::vector<float>& magnitude, size_t frames) const {
    const size_t bins = filters.size() / count;
    std::vector<float> out(frames * count);
    for (size_t t = 0; t < frames; ++t)
      for (size_t b = 0; b < count; ++b) {
        float sum = 0;
        for (size_t k = range[b].first; k < range[b].second; ++k)
          sum += filters[b * bins + k] * magnitude[t * bins + k];
        out[t * count + b] = std::log(std::max(sum, 1e-5f));
      }
    return out;
  }
};

}  // namespace

Features analyse(std::span<const float> mono, bool with_pitch) {
  const audio::Spectra s = audio::stft(mono, kStft);
  std::vector<float> magnitude(s.values.size());
  std::transform(s.values.begin(), s.values.end(), magnitude.begin(),
                 [](std::complex<float> c) { return std::sqrt(std::norm(c) + 1e-12f); });
  Features out;
  out.frames = s.frames;
  static const Bands mel(kMel, kTop_hz), content(kContentMel, 7600);
  out.mel = mel.of(magnitude, s.frames);
  out.content = content.of(magnitude, s.frames);
  if (!with_pitch) return out;
  audio::PitchOptions options;
  options.hop_s = kFrame_s;
  const audio::Pitch pitch = audio::track_pitch(mono, kRate, options);
  out.f0_hz.assign(s.frames, 0.0f);
  std::copy_n(pitch.f0_hz.begin(), std::min(pitch.f0_hz.size(), s.frames), out.f0_hz.begin());
  return out;
}

Features BandStream::push(std::span<const float> mono, bool last) {
  held_.insert(held_.end(), mono.begin(), mono.end());
  // Frames near the ends of what is held are mirrored where they should not be: they wait.
  if (!last && held_.size() < kStft.window / 2 + before_ * kHop) return {};
  Features heard = analyse(held_, false);
  const size_t known = last ? heard.frames : (held_.size() - kStft.window / 2) / kHop + 1;
  Features out;
  out.frames = known - before_;
  const auto part = [&](const std::vector<float>& v, size_t width) {
    return std::vector<float>(v.begin() + static_cast<long>(before_ * width),
                              v.begin() + static_cast<long>(known * width));
  };
  out.mel = part(heard.mel, kMel);
  out.content = part(heard.content, kContentMel);
  const size_t keep = std::min<size_t>(known, kStft.window / 2 / kHop);
  held_.erase(held_.begin(), held_.begin() + static_cast<long>((known - keep) * kHop));
  before_ = keep;
  return out;
}

std::vector<float> mel_band_filters() { return filters_up_to(kMel, kTop_hz); }

std::vector<float> to_voice_rate(const AudioClip& clip) {
  return audio::resample(audio::to_mono(clip), kRate).samples;
}

void log_pitch(std::span<const float> f0_hz, std::span<float> log_f0, std::span<float> voiced) {
  for (size_t i = 0; i < f0_hz.size(); ++i) {
    voiced[i] = f0_hz[i] > 0 ? 1.0f : 0.0f;
    log_f0[i] = f0_hz[i] > 0 ? std::log(f0_hz[i] / 200) : 0.0f;
  }
}

std::vector<float> frame_level(std::span<const float> mel, size_t frames) {
  std::vector<float> out(frames);
  for (size_t t = 0; t < frames; ++t) {
    float sum = 0;
    for (size_t b = 0; b < kMel; ++b) sum += std::exp(mel[t * kMel + b]);
    out[t] = (std::log(sum / kMel) + 3) / 2;
  }
  return out;
}

void make_source(std::span<const float> f0, Rng& rng, double& phase, std::span<float> harmonic,
                 std::span<float> noise) {
  LIKENESS_REQUIRE(f0.size() >= 1 && harmonic.size() == (f0.size() - 1) * kHop &&
                   noise.size() == harmonic.size());
  for (float& x : noise) x = rng.normal();
  for (size_t t = 0; t + 1 < f0.size(); ++t)
    for (size_t k = 0; k < kHop; ++k) {
      const double part = (static_cast<double>(k) + 0.5) / kHop;
      const double a = static_cast<double>(f0[t]), b = static_cast<double>(f0[t + 1]);
      const double hz = a > 0 && b > 0 ? a + (b - a) * part : part < 0.5 ? a : b;
      float& out = harmonic[t * kHop + k];
      out = 0;
      if (hz <= 0) continue;
      phase += hz / kRate;
      phase -= std::floor(phase);
      // The sum of cos(2 pi k phase) for k = 1 to n in closed form.
      const double n = std::floor(kRate / 2.0 / hz);
      const double half = std::numbers::pi * phase, below = std::sin(half);
      const double sum =
          std::abs(below) < 1e-6 ? n : 0.5 * (std::sin((2 * n + 1) * half) / below - 1);
      out = static_cast<float>(sum * std::sqrt(2 / n));
    }
}

}  // namespace likeness::voice
