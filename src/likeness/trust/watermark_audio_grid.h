// SPDX-License-Identifier: Apache-2.0
// Inside the audio watermark: its tiles in time and frequency, and the spectra they are made of.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <opencv2/core.hpp>

#include "likeness/base/audio.h"
#include "likeness/trust/watermark_audio.h"

namespace likeness::trust::audio_grid {

inline constexpr int kTimes = 256, kBands = 52;  ///< tiles of a block
inline constexpr double kBlockS = 8.0, kTileS = kBlockS / kTimes;
inline constexpr double kLowHz = 300, kBandHz = 100;
inline constexpr double kWindowS = 0.024;

struct TilePlan {
  std::vector<int8_t> pilot, sign;  ///< [kTimes][kBands]; pilot 0: a data tile
  std::vector<uint16_t> code_bit;
  int code_bits = 0;
};
TilePlan make_plan(const WatermarkKey& key);

/// Throws kBadInput when rate, channels and length do not fit together.
void check(const AudioClip& clip);

/// Short-time spectra of one channel, in batches of rows so that memory does not follow the length.
class Spectrum {
 public:
  Spectrum(const AudioClip& clip, int hops_per_window)
      : clip_(clip),
        size_(cv::getOptimalDFTSize((static_cast<int>(clip.rate_hz * kWindowS) + 1) / 2) * 2),
        hop_(size_ / hops_per_window),
        window_(static_cast<size_t>(size_)) {
    for (int i = 0; i < size_; ++i)
      window_[static_cast<size_t>(i)] =
          std::sqrt(0.5f - 0.5f * std::cos(2 * static_cast<float>(M_PI) * static_cast<float>(i) /
                                           static_cast<float>(size_)));
  }
  int size() const { return size_; }
  int hop() const { return hop_; }
  const std::vector<float>& window() const { return window_; }
  int64_t rows() const { return (static_cast<int64_t>(clip_.frames()) + size_) / hop_ + 1; }
  int64_t start(int64_t row) const { return row * hop_ - size_; }
  double centre_s(int64_t row) const {
    return (static_cast<double>(start(row)) + size_ / 2.0) / clip_.rate_hz;
  }
  double hz(int bin) const { return static_cast<double>(bin) * clip_.rate_hz / size_; }
  /// Packed spectra (see cv::dft) of rows [begin, end).
  cv::Mat read(int channel, int64_t begin, int64_t end) const {
    cv::Mat frames(static_cast<int>(end - begin), size_, CV_32F), out;
    const auto count = static_cast<int64_t>(clip_.frames());
    for (int64_t r = begin; r < end; ++r) {
      float* f = frames.ptr<float>(static_cast<int>(r - begin));
      for (int i = 0; i < size_; ++i) {
        const int64_t at = start(r) + i;
        f[i] = at >= 0 && at < count
                   ? clip_.samples[static_cast<size_t>(at * clip_.channels + channel)] *
                         window_[static_cast<size_t>(i)]
                   : 0.0f;
      }
    }
    cv::dft(frames, out, cv::DFT_ROWS);
    return out;
  }
  static float power(const float* packed, int bin) {
    const float re = packed[2 * bin - 1], im = packed[2 * bin];
    return re * re + im * im;
  }
  /// Bins [first, last) of the marked band.
  int first_bin() const { return std::max(1, static_cast<int>(std::ceil(kLowHz / hz(1)))); }
  int last_bin() const {
    return std::min(size_ / 2, static_cast<int>(std::ceil((kLowHz + kBands * kBandHz) / hz(1))));
  }

 private:
  const AudioClip& clip_;
  int size_, hop_;
  std::vector<float> window_;
};

inline constexpr int64_t kBatch = 512;

inline constexpr float kDepth = 0.33f;  ///< largest change of an amplitude: 2.5 dB
/// Change of the amplitude of a bin with power e when full strength ends at power t.
inline float strength(float e, float t) { return kDepth / std::sqrt(1.0f + e / t); }

inline int band_of(double hz) { return static_cast<int>(std::floor((hz - kLowHz) / kBandHz)); }

std::vector<cv::Mat> all_channels(const Spectrum& spectrum, int channels, int64_t begin,
                                  int64_t end);

}  // namespace likeness::trust::audio_grid
