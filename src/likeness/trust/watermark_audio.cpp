// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_audio.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "likeness/base/error.h"
#include "likeness/trust/fec.h"
#include "likeness/trust/watermark_audio_grid.h"

namespace likeness::trust {
using namespace audio_grid;
namespace {

/// Mean power of a row's bins, over +-4 s, from which strength is judged.
std::vector<float> local_power(const std::vector<float>& power, int64_t reach) {
  std::vector<double> sum(power.size() + 1);
  for (size_t i = 0; i < power.size(); ++i) sum[i + 1] = sum[i] + power[i];
  std::vector<float> out(power.size());
  const auto count = static_cast<int64_t>(power.size());
  for (int64_t i = 0; i < count; ++i) {
    const int64_t a = std::max<int64_t>(0, i - reach), b = std::min(count, i + reach + 1);
    out[static_cast<size_t>(i)] = static_cast<float>(
        (sum[static_cast<size_t>(b)] - sum[static_cast<size_t>(a)]) / static_cast<double>(b - a));
  }
  return out;
}

/// Powers that strength is computed from: band by row, of all channels together.
struct Loudness {
  std::vector<float> row;    ///< mean power of the band's bins
  std::vector<float> local;  ///< the same over +-4 s
  double total = 0;
};

/// What the mark costs for knee = factor x local power, from every 4th row.
double cost(const std::vector<std::vector<float>>& bins, const std::vector<float>& local,
            double factor) {
  double sum = 0;
  for (size_t r = 0; r < bins.size(); ++r) {
    const float knee = static_cast<float>(local[4 * r] * factor) + 1e-12f;
    for (float e : bins[r]) {
      const float g = strength(e, knee);
      sum += static_cast<double>(e) * g * g;
    }
  }
  return sum;
}

/// Smooths powers along a row, so that neighbouring bins get about the same strength.
float smooth_power(const std::vector<cv::Mat>& spectra, int row, int bin, int limit) {
  float sum = 0;
  for (const cv::Mat& s : spectra) {
    const float* p = s.ptr<float>(row);
    const float here = Spectrum::power(p, bin);
    const float left = bin > 1 ? Spectrum::power(p, bin - 1) : here;
    const float right = bin + 1 < limit ? Spectrum::power(p, bin + 1) : here;
    sum += 0.5f * here + 0.25f * (left + right);
  }
  return sum;
}

/// Knee factor for which the mark is `snr_db` below the sound, and the local powers.
double knee_factor(const AudioClip& clip, const Spectrum& spectrum, double snr_db,
                   std::vector<float>& local) {
  const int first = spectrum.first_bin(), last = spectrum.last_bin(), half = spectrum.size() / 2;
  std::vector<float> row_power(static_cast<size_t>(spectrum.rows()));
  std::vector<std::vector<float>> bins;
  double total = 0;
  for (int64_t begin = 0; begin < spectrum.rows(); begin += kBatch) {
    const int64_t end = std::min(spectrum.rows(), begin + kBatch);
    const auto spectra = all_channels(spectrum, clip.channels, begin, end);
    for (int64_t r = begin; r < end; ++r) {
      std::vector<float> line;
      double sum = 0;
      for (int b = first; b < last; ++b) {
        line.push_back(smooth_power(spectra, static_cast<int>(r - begin), b, half));
        sum += line.back();
      }
      row_power[static_cast<size_t>(r)] = static_cast<float>(sum / (last - first));
      if (r % 4 != 0) continue;
      for (const cv::Mat& s : spectra)
        for (int b = 1; b < half; ++b)
          total += Spectrum::power(s.ptr<float>(static_cast<int>(r - begin)), b);
      bins.push_back(std::move(line));
    }
  }
  local = local_power(row_power, static_cast<int64_t>(4.0 * clip.rate_hz / spectrum.hop()));
  const double allowed = total * std::pow(10, -snr_db / 10);
  double low = -6, high = 4;
  for (int i = 0; i < 24; ++i) {
    const double middle = (low + high) / 2;
    (cost(bins, local, std::pow(10, middle)) > allowed ? high : low) = middle;
  }
  return std::pow(10, low);
}

}  // namespace

void embed_audio_watermark(AudioClip& clip, uint64_t id, const WatermarkKey& key, double start_s,
                           const AudioWatermarkOptions& options) {
  check(clip);
  if (clip.rate_hz < 16000)
    throw Error(ErrorCode::kUnsupported,
                "sound of " + std::to_string(clip.rate_hz) + " Hz carries no watermark",
                "use a rate of at least 16000 Hz");
  if (!(options.snr_db >= 20 && options.snr_db <= 60))
    throw Error(ErrorCode::kUsage, "the watermark's signal-to-noise ratio must be 20 to 60 dB",
                "30 dB is the default");
  if (clip.samples.empty()) return;
  const TilePlan plan = make_plan(key);
  const auto code = fec::encode(WatermarkMessage::bits(id, 64));
  const Spectrum spectrum(clip, 4);
  std::vector<float> local;
  const double factor = knee_factor(clip, spectrum, options.snr_db, local);
  const int first = spectrum.first_bin(), last = spectrum.last_bin(), half = spectrum.size() / 2;
  std::vector<float> change(clip.samples.size());
  const auto count = static_cast<int64_t>(clip.frames());
  for (int64_t begin = 0; begin < spectrum.rows(); begin += kBatch) {
    const int64_t end = std::min(spectrum.rows(), begin + kBatch);
    auto spectra = all_channels(spectrum, clip.channels, begin, end);
    std::vector<float> gain(static_cast<size_t>(last));
    for (int64_t r = begin; r < end; ++r) {
      const int row = static_cast<int>(r - begin);
      const auto tile =
          static_cast<int64_t>(std::floor((spectrum.centre_s(r) + start_s) / kTileS + 1e-6));
      const size_t at = static_cast<size_t>(((tile % kTimes) + kTimes) % kTimes) * kBands;
      const float knee = static_cast<float>(local[static_cast<size_t>(r)] * factor) + 1e-12f;
      for (int b = first; b < last; ++b) {
        const size_t chip =
            at + static_cast<size_t>(std::clamp(band_of(spectrum.hz(b)), 0, kBands - 1));
        const bool negative = !plan.pilot[chip] && code[plan.code_bit[chip]];
        const float g = strength(smooth_power(spectra, row, b, half), knee);
        gain[static_cast<size_t>(b)] = static_cast<float>(plan.sign[chip]) * (negative ? -g : g);
      }
      for (cv::Mat& s : spectra) {
        float* p = s.ptr<float>(row);
        p[0] = 0;
        for (int b = 1; 2 * b <= spectrum.size(); ++b) {
          const float g = b >= first && b < last ? gain[static_cast<size_t>(b)] : 0.0f;
          p[2 * b - 1] *= g;
          if (2 * b < spectrum.size()) p[2 * b] *= g;
        }
      }
    }
    for (int c = 0; c < clip.channels; ++c) {
      cv::Mat frames;
      cv::dft(spectra[static_cast<size_t>(c)], frames,
              cv::DFT_INVERSE | cv::DFT_SCALE | cv::DFT_ROWS | cv::DFT_REAL_OUTPUT);
      for (int64_t r = begin; r < end; ++r) {
        const float* f = frames.ptr<float>(static_cast<int>(r - begin));
        for (int i = 0; i < spectrum.size(); ++i) {
          const int64_t to = spectrum.start(r) + i;
          if (to >= 0 && to < count)
            change[static_cast<size_t>(to * clip.channels + c)] +=
                f[i] * spectrum.window()[static_cast<size_t>(i)] *
                0.5f;  // 4 hops: windows add to 2
        }
      }
    }
  }
  double sound = 0, mark = 0;
  for (size_t i = 0; i < change.size(); ++i) {
    sound += static_cast<double>(clip.samples[i]) * clip.samples[i];
    mark += static_cast<double>(change[i]) * change[i];
  }
  // Overlapping windows agree less than their powers say: the mark comes out weaker than allowed.
  double scale = mark > 0 ? std::sqrt(sound * std::pow(10, -options.snr_db / 10) / mark) : 0;
  scale = std::min(scale, 1.3);
  for (size_t i = 0; i < change.size(); ++i)
    clip.samples[i] = std::clamp(clip.samples[i] + static_cast<float>(scale) * change[i],
                                 std::min(-1.0f, clip.samples[i]), std::max(1.0f, clip.samples[i]));
}

}  // namespace likeness::trust
