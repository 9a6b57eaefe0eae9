// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/spectrum.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <opencv2/core.hpp>

#include "likeness/base/error.h"

namespace likeness::audio {
namespace {

constexpr int kBatch = 256;

std::vector<float> hann(int size) {
  std::vector<float> w(static_cast<size_t>(size));
  for (int i = 0; i < size; ++i)
    w[static_cast<size_t>(i)] = static_cast<float>(0.5 - 0.5 * std::cos(2 * M_PI * i / size));
  return w;
}

StftOptions checked(StftOptions o) {
  if (o.fft == 0) o.fft = o.window;
  if (o.window < 2 || o.window % 2 || o.hop < 1 || o.hop > o.window || o.fft < o.window ||
      o.fft % 2)
    throw Error(ErrorCode::kUsage, "window, hop and size of a spectrum do not fit each other",
                "use an even window, a hop up to it and a size from it");
  return o;
}

/// Index mirrored into [0, n).
size_t mirrored(int64_t i, int64_t n) {
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1);
  i = ((i % period) + period) % period;
  return static_cast<size_t>(i < n ? i : period - i);
}

}  // namespace

Spectra stft(std::span<const float> mono, const StftOptions& wanted) {
  Spectra out;
  out.options = checked(wanted);
  const StftOptions& o = out.options;
  out.samples = mono.size();
  out.bins = static_cast<size_t>(o.fft / 2 + 1);
  if (mono.empty()) return out;
  out.frames = 1 + mono.size() / static_cast<size_t>(o.hop);
  out.values.resize(out.frames * out.bins);
  const auto window = hann(o.window);
  const auto n = static_cast<int64_t>(mono.size());
  for (size_t begin = 0; begin < out.frames; begin += kBatch) {
    const size_t count = std::min<size_t>(kBatch, out.frames - begin);
    cv::Mat in = cv::Mat::zeros(static_cast<int>(count), o.fft, CV_32F), packed;
    for (size_t r = 0; r < count; ++r) {
      float* f = in.ptr<float>(static_cast<int>(r));
      const int64_t start = static_cast<int64_t>(begin + r) * o.hop - o.window / 2;
      for (int i = 0; i < o.window; ++i)
        f[i] = mono[mirrored(start + i, n)] * window[static_cast<size_t>(i)];
    }
    cv::dft(in, packed, cv::DFT_ROWS);  // re0, re1, im1, re2, im2 ... re(n/2)
    for (size_t r = 0; r < count; ++r) {
      const float* p = packed.ptr<float>(static_cast<int>(r));
      auto frame = out.frame(begin + r);
      frame[0] = p[0];
      for (size_t b = 1; b + 1 < out.bins; ++b) frame[b] = {p[2 * b - 1], p[2 * b]};
      frame[out.bins - 1] = p[o.fft - 1];
    }
  }
  return out;
}

std::vector<float> istft(const Spectra& spectra) {
  const StftOptions o = checked(spectra.options);
  const auto window = hann(o.window);
  std::vector<float> out(spectra.samples), weight(spectra.samples);
  const auto n = static_cast<int64_t>(spectra.samples);
  for (size_t begin = 0; begin < spectra.frames; begin += kBatch) {
    const size_t count = std::min<size_t>(kBatch, spectra.frames - begin);
    cv::Mat packed(static_cast<int>(count), o.fft, CV_32F), frames;
    for (size_t r = 0; r < count; ++r) {
      float* p = packed.ptr<float>(static_cast<int>(r));
      const auto frame = spectra.frame(begin + r);
      p[0] = frame[0].real();
      for (size_t b = 1; b + 1 < spectra.bins; ++b) {
        p[2 * b - 1] = frame[b].real();
        p[2 * b] = frame[b].imag();
      }
      p[o.fft - 1] = frame[spectra.bins - 1].real();
    }
    cv::dft(packed, frames, cv::DFT_INVERSE | cv::DFT_SCALE | cv::DFT_ROWS | cv::DFT_REAL_OUTPUT);
    for (size_t r = 0; r < count; ++r) {
      const float* f = frames.ptr<float>(static_cast<int>(r));
      const int64_t start = static_cast<int64_t>(begin + r) * o.hop - o.window / 2;
      for (int i = 0; i < o.window; ++i) {
        const int64_t at = start + i;
        if (at < 0 || at >= n) continue;
        const float w = window[static_cast<size_t>(i)];
        out[static_cast<size_t>(at)] += f[i] * w;
        weight[static_cast<size_t>(at)] += w * w;
      }
    }
  }
  for (size_t i = 0; i < out.size(); ++i) out[i] = weight[i] > 1e-6f ? out[i] / weight[i] : 0.0f;
  return out;
}

double mel_from_hz(double hz, MelScale scale) {
  if (scale == MelScale::kHtk) return 2595 * std::log10(1 + hz / 700);
  return hz < 1000 ? hz * 3 / 200 : 15 + 27 * std::log(hz / 1000) / std::log(6.4);
}

double hz_from_mel(double mel, MelScale scale) {
  if (scale == MelScale::kHtk) return 700 * (std::pow(10, mel / 2595) - 1);
  return mel < 15 ? mel * 200 / 3 : 1000 * std::exp((mel - 15) * std::log(6.4) / 27);
}

std::vector<float> mel_filters(int rate_hz, int fft, const MelOptions& o) {
  const double high = o.high_hz > 0 ? o.high_hz : rate_hz / 2.0;
  if (o.bands < 1 || o.low_hz < 0 || high <= o.low_hz || high > rate_hz / 2.0)
    throw Error(ErrorCode::kUsage, "the mel bands do not fit the sample rate",
                "use bands between 0 and half the rate");
  const auto bins = static_cast<size_t>(fft / 2 + 1), bands = static_cast<size_t>(o.bands);
  const double first = mel_from_hz(o.low_hz, o.scale), last = mel_from_hz(high, o.scale);
  std::vector<double> edge(bands + 2);
  for (size_t i = 0; i < edge.size(); ++i)
    edge[i] = hz_from_mel(
        first + (last - first) * static_cast<double>(i) / static_cast<double>(bands + 1), o.scale);
  std::vector<float> out(bands * bins);
  for (size_t m = 0; m < bands; ++m) {
    const double height = o.area_normalised ? 2 / (edge[m + 2] - edge[m]) : 1;
    for (size_t b = 0; b < bins; ++b) {
      const double hz = static_cast<double>(b) * rate_hz / fft;
      const double up = (hz - edge[m]) / (edge[m + 1] - edge[m]);
      const double down = (edge[m + 2] - hz) / (edge[m + 2] - edge[m + 1]);
      out[m * bins + b] = static_cast<float>(height * std::max(0.0, std::min(up, down)));
    }
  }
  return out;
}

std::vector<float> mel_spectrogram(std::span<const float> mono, int rate_hz,
                                   const StftOptions& stft_options, const MelOptions& mel,
                                   double power) {
  const Spectra s = stft(mono, stft_options);
  const auto filters = mel_filters(rate_hz, s.options.fft, mel);
  const auto bands = static_cast<size_t>(mel.bands);
  std::vector<float> out(s.frames * bands), line(s.bins);
  for (size_t f = 0; f < s.frames; ++f) {
    const auto frame = s.frame(f);
    for (size_t b = 0; b < s.bins; ++b) {
      const float p = std::norm(frame[b]);
      line[b] = power == 2   ? p
                : power == 1 ? std::sqrt(p)
                             : static_cast<float>(std::pow(p, power / 2));
    }
    for (size_t m = 0; m < bands; ++m) {
      const float* w = filters.data() + m * s.bins;
      float sum = 0;
      for (size_t b = 0; b < s.bins; ++b) sum += w[b] * line[b];
      out[f * bands + m] = sum;
    }
  }
  return out;
}

}  // namespace likeness::audio
