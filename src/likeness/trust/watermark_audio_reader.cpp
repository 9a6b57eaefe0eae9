// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/trust/fec.h"
#include "likeness/trust/watermark_audio_grid.h"
#include "likeness/trust/watermark_audio_windows.h"
#include "likeness/trust/watermark_search.h"
#include "likeness/trust/watermark_whiten.h"

namespace likeness::trust {
using namespace audio_grid;
namespace {

constexpr double kLogPoses = 12;  ///< offsets, sub-offsets and speeds
constexpr int kSubOffsets = 4;

/// Log power of the marked band and a little around it, of a span of the clip.
struct LogSpectrum {
  cv::Mat value;  ///< rows of time, columns of bins
  std::vector<double> time_s, hz;
};

LogSpectrum log_spectrum(const AudioClip& clip, const Spectrum& spectrum, int64_t begin,
                         int64_t end) {
  LogSpectrum out;
  const int first = std::max(1, static_cast<int>(kLowHz * 0.95 / spectrum.hz(1)));
  const int last =
      std::min(spectrum.size() / 2,
               static_cast<int>((kLowHz + kBands * kBandHz) * 1.03 / spectrum.hz(1)) + 1);
  for (int b = first; b < last; ++b) out.hz.push_back(spectrum.hz(b));
  out.value.create(static_cast<int>(end - begin), last - first, CV_32F);
  for (int64_t from = begin; from < end; from += kBatch) {
    const int64_t to = std::min(end, from + kBatch);
    const auto spectra = all_channels(spectrum, clip.channels, from, to);
    for (int64_t r = from; r < to; ++r) {
      float* v = out.value.ptr<float>(static_cast<int>(r - begin));
      for (int b = first; b < last; ++b) {
        float sum = 0;
        for (const cv::Mat& s : spectra)
          sum += Spectrum::power(s.ptr<float>(static_cast<int>(r - from)), b);
        v[b - first] = sum;
      }
      out.time_s.push_back(spectrum.centre_s(r));
    }
  }
  double peak = 0;
  cv::minMaxLoc(out.value, nullptr, &peak);
  out.value += std::max(peak * 1e-7, 1e-12);
  cv::log(out.value, out.value);
  return out;
}

/// Evidence of the tiles, [time][band], for marked time = speed * time + offset.
cv::Mat tile_evidence(const LogSpectrum& log, double speed, double offset_s, int64_t& first_tile) {
  std::vector<int> band;
  for (double hz : log.hz) band.push_back(band_of(hz / speed));
  const auto tile_of = [&](double t) {
    return static_cast<int64_t>(std::floor((t * speed + offset_s) / kTileS + 1e-6));
  };
  first_tile = tile_of(log.time_s.front());
  const int tiles = static_cast<int>(tile_of(log.time_s.back()) - first_tile) + 1;
  cv::Mat sum = cv::Mat::zeros(tiles, kBands, CV_32F), count = sum.clone();
  for (size_t r = 0; r < log.time_s.size(); ++r) {
    const int tile = static_cast<int>(tile_of(log.time_s[r]) - first_tile);
    const float* v = log.value.ptr<float>(static_cast<int>(r));
    float *s = sum.ptr<float>(tile), *c = count.ptr<float>(tile);
    for (size_t b = 0; b < band.size(); ++b)
      if (band[b] >= 0 && band[b] < kBands) {
        s[band[b]] += v[b];
        c[band[b]] += 1;
      }
  }
  cv::Mat level = sum / cv::max(count, 1.0), slow, variance;
  cv::GaussianBlur(level, slow, {0, 0}, 4, 4, cv::BORDER_REFLECT);
  const cv::Mat residual = whitened(level - slow, 1);
  cv::GaussianBlur(residual.mul(residual), variance, {0, 0}, 2, 2, cv::BORDER_REFLECT);
  return residual / (variance + 0.02);
}

/// Evidence added up modulo the block, for one speed and sub-offset.
struct Folded {
  double speed, offset_s;
  cv::Mat sum = cv::Mat::zeros(kTimes, kBands, CV_32F);
};

struct Shift {
  const Folded* folded;
  int tiles;
  double score;
};

void keep_best(std::vector<Shift>& best, const Shift& s) {
  constexpr size_t kKept = 4;
  const auto at = std::upper_bound(best.begin(), best.end(), s, [](const Shift& a, const Shift& b) {
    return a.score > b.score;
  });
  best.insert(at, s);
  if (best.size() > kKept) best.pop_back();
}

void score_shifts(const TilePlan& plan, const Folded& folded, std::vector<Shift>& best) {
  for (int d = 0; d < kTimes; ++d) {
    double sum = 0, energy = 0;
    for (int t = 0; t < kTimes; ++t) {
      const float* e = folded.sum.ptr<float>(t);
      const int8_t* p = plan.pilot.data() + static_cast<size_t>((t + d) % kTimes) * kBands;
      for (int b = 0; b < kBands; ++b)
        if (p[b]) {
          sum += p[b] * e[b];
          energy += static_cast<double>(e[b]) * e[b];
        }
    }
    if (energy > 0) keep_best(best, {&folded, d, sum / std::sqrt(energy)});
  }
}

void read_shift(const TilePlan& plan, const Shift& shift, AudioWatermarkResult& out) {
  std::vector<float> soft(static_cast<size_t>(plan.code_bits));
  double sum = 0, energy = 0;
  for (int t = 0; t < kTimes; ++t) {
    const float* e = shift.folded->sum.ptr<float>(t);
    const size_t at = static_cast<size_t>((t + shift.tiles) % kTimes) * kBands;
    for (size_t b = 0; b < kBands; ++b) {
      energy += static_cast<double>(e[b]) * e[b];
      if (plan.pilot[at + b])
        sum += plan.pilot[at + b] * e[b];
      else
        soft[plan.code_bit[at + b]] += static_cast<float>(plan.sign[at + b]) * e[b];
    }
  }
  if (energy <= 0) return;
  const auto bits = fec::decode(soft, WatermarkMessage::size(64));
  const auto code = fec::encode(bits);
  for (size_t b = 0; b < code.size(); ++b) sum += code[b] ? -soft[b] : soft[b];
  AudioWatermarkResult now;
  now.score = sum / std::sqrt(energy);
  now.pilot_score = shift.score;
  now.found = WatermarkMessage::parse(bits, 64, now.id) &&
              confidence_of_score(now.score, 64, kLogPoses) >= kAcceptConfidence;
  if (!now.found) now.id = 0;
  const double presence = confidence_of_score(shift.score, 0, kLogPoses);
  now.present = now.found || presence >= kAcceptConfidence;
  now.confidence = now.found     ? confidence_of_score(now.score, 64, kLogPoses)
                   : now.present ? presence
                                 : 0;
  now.time_offset_s = std::fmod(shift.folded->offset_s + shift.tiles * kTileS, kBlockS);
  now.speed = shift.folded->speed;
  if (now.found || (!out.found && now.pilot_score > out.pilot_score)) out = now;
}

/// `best`: best first.
void read_best(const TilePlan& plan, const std::vector<Shift>& best, AudioWatermarkResult& out) {
  for (const Shift& s : best) {
    if (s.score < 3) break;
    read_shift(plan, s, out);
    if (out.found) return;
  }
}

/// Adds a span to every fold, then reads from the best shifts.
void evaluate(const TilePlan& plan, const LogSpectrum& log, std::vector<Folded>& folds,
              AudioWatermarkResult& out) {
  std::vector<std::vector<Shift>> best(folds.size());
  parallel_for(0, static_cast<int>(folds.size()), [&](int i) {
    Folded& f = folds[static_cast<size_t>(i)];
    int64_t first = 0;
    const cv::Mat evidence = tile_evidence(log, f.speed, f.offset_s, first);
    for (int t = 0; t < evidence.rows; ++t) {
      const int row = static_cast<int>((((first + t) % kTimes) + kTimes) % kTimes);
      f.sum.row(row) += evidence.row(t);
    }
    score_shifts(plan, f, best[static_cast<size_t>(i)]);
  });
  std::vector<Shift> all;
  for (const auto& list : best)
    for (const Shift& s : list) keep_best(all, s);
  read_best(plan, all, out);
}

}  // namespace

AudioWatermarkResult read_audio_watermark(const AudioClip& clip, const WatermarkKey& key) {
  check(clip);
  AudioWatermarkResult out;
  if (clip.rate_hz < 8000 || clip.duration_s() < 0.5) {
    out.reason = "too short or of too low a rate to carry a watermark";
    return out;
  }
  const TilePlan plan = make_plan(key);
  const Spectrum spectrum(clip, 4);
  constexpr double kSpanS = 16, kSpeedSearchS = 48;
  const auto rows_per_span = static_cast<int64_t>(kSpanS * clip.rate_hz / spectrum.hop());
  std::vector<Folded> plain, stretched;
  for (int sub = 0; sub < kSubOffsets; ++sub) plain.push_back({1.0, sub * kTileS / kSubOffsets});
  for (int step = -14; step <= 14; ++step)
    for (int sub = 0; sub < kSubOffsets && step != 0; ++sub)
      stretched.push_back({1 + 0.0015 * step, sub * kTileS / kSubOffsets});
  for (int64_t begin = 0; begin < spectrum.rows() && !out.found; begin += rows_per_span) {
    int64_t end = begin + rows_per_span;
    if (end + rows_per_span / 4 > spectrum.rows()) end = spectrum.rows();  // no tiny last span
    const LogSpectrum log = log_spectrum(clip, spectrum, begin, end);
    evaluate(plan, log, plain, out);
    if (!out.found && spectrum.centre_s(begin) < kSpeedSearchS) evaluate(plan, log, stretched, out);
    if (end == spectrum.rows()) break;
  }
  out.reason = out.found ? "watermark read and verified"
               : out.present
                   ? "a watermark is present, but too weak or too short to read its id: about 4 "
                     "to 8 seconds are needed"
                   : "no watermark found";
  return out;
}

struct AudioWindowReader::Impl {
  TilePlan plan;
  std::vector<cv::Mat> evidence;  ///< per sub-offset
};

AudioWindowReader::AudioWindowReader(const AudioClip& clip, const WatermarkKey& key) {
  check(clip);
  impl_ = std::make_unique<Impl>(Impl{make_plan(key), {}});
  const Spectrum spectrum(clip, 4);
  const LogSpectrum log = log_spectrum(clip, spectrum, 0, spectrum.rows());
  int64_t first = 0;
  for (int sub = 0; sub < kSubOffsets; ++sub)
    impl_->evidence.push_back(tile_evidence(log, 1.0, sub * kTileS / kSubOffsets, first));
}
AudioWindowReader::~AudioWindowReader() = default;

int AudioWindowReader::tiles() const { return impl_->evidence.back().rows; }

AudioWatermarkResult AudioWindowReader::read(int begin, int end) const {
  std::vector<Folded> folds;
  std::vector<Shift> best;
  for (int sub = 0; sub < kSubOffsets; ++sub) folds.push_back({1.0, sub * kTileS / kSubOffsets});
  for (size_t sub = 0; sub < folds.size(); ++sub) {
    const cv::Mat& e = impl_->evidence[sub];
    for (int t = begin; t < std::min(end, e.rows); ++t) folds[sub].sum.row(t % kTimes) += e.row(t);
    score_shifts(impl_->plan, folds[sub], best);
  }
  AudioWatermarkResult out;
  read_best(impl_->plan, best, out);
  return out;
}

}  // namespace likeness::trust
