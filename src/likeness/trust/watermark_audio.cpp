// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_audio.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/trust/fec.h"
#include "likeness/trust/watermark_search.h"
#include "likeness/trust/watermark_whiten.h"

namespace likeness::trust {
namespace {

constexpr int kTimes = 256, kBands = 52;  ///< tiles of a block
constexpr double kBlockS = 8.0, kTileS = kBlockS / kTimes;
constexpr double kLowHz = 300, kBandHz = 100;
constexpr double kWindowS = 0.024;
constexpr float kDepth = 0.33f;   ///< largest change of an amplitude: 2.5 dB
constexpr double kLogPoses = 12;  ///< offsets, sub-offsets and speeds
constexpr int kSubOffsets = 4;

struct TilePlan {
  std::vector<int8_t> pilot, sign;  ///< [kTimes][kBands]; pilot 0: a data tile
  std::vector<uint16_t> code_bit;
  int code_bits = 0;
};

TilePlan make_plan(const WatermarkKey& key) {
  constexpr size_t kTiles = static_cast<size_t>(kTimes) * kBands;
  TilePlan plan;
  plan.code_bits = fec::code_size(WatermarkMessage::size(64));
  const auto bytes = key.stream("audio 1", kTiles * 4);
  for (size_t i = 0; i < kTiles; ++i) {
    const uint8_t* b = bytes.data() + 4 * i;
    const int sign = b[1] & 1 ? 1 : -1;
    plan.pilot.push_back(static_cast<int8_t>(b[0] < 51 ? sign : 0));
    plan.sign.push_back(static_cast<int8_t>(sign));
    const uint32_t draw = b[2] | static_cast<uint32_t>(b[3]) << 8;
    plan.code_bit.push_back(
        static_cast<uint16_t>((draw * static_cast<uint32_t>(plan.code_bits)) >> 16));
  }
  return plan;
}

void check(const AudioClip& clip) {
  if (clip.channels < 1 || clip.channels > 64 || clip.rate_hz < 1 ||
      clip.samples.size() % static_cast<size_t>(clip.channels) != 0)
    throw Error(ErrorCode::kBadInput, "the sound has no proper rate or number of channels",
                "decode it again");
}

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

constexpr int64_t kBatch = 512;

int band_of(double hz) { return static_cast<int>(std::floor((hz - kLowHz) / kBandHz)); }

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

/// |change|^2 / |sound|^2 of a tile with power e when full strength ends at power t.
float strength(float e, float t) { return kDepth / std::sqrt(1.0f + e / t); }

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

std::vector<cv::Mat> all_channels(const Spectrum& spectrum, int channels, int64_t begin,
                                  int64_t end) {
  std::vector<cv::Mat> out(static_cast<size_t>(channels));
  for (int c = 0; c < channels; ++c) out[static_cast<size_t>(c)] = spectrum.read(c, begin, end);
  return out;
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

namespace {

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
  for (const Shift& s : all) {
    if (s.score < 3) break;
    read_shift(plan, s, out);
    if (out.found) return;
  }
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

}  // namespace likeness::trust
