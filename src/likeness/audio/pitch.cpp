// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/pitch.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <opencv2/core.hpp>

#include "likeness/audio/resample.h"
#include "likeness/base/error.h"

namespace likeness::audio {
namespace {

constexpr int kWorkHz = 16000;
constexpr size_t kMost = 6;  ///< candidates a frame

struct Candidate {
  float hz = 0, cost = 0;  ///< cost: aperiodicity, 0 = perfectly periodic
};
using Candidates = std::vector<Candidate>;

/// Difference functions of one frame: d(tau) for tau up to `longest`, from the power of the two
/// parts and their cross-correlation.
class Difference {
 public:
  Difference(int window, int longest)
      : window_(window), longest_(longest), size_(cv::getOptimalDFTSize(window + 2 * longest)) {}

  /// `x` has window + longest samples. Gives d'(tau) (YIN eq. 8), tau from 0 to longest.
  const std::vector<float>& normalised(const float* x) {
    const int reach = window_ + longest_;
    a_ = cv::Mat::zeros(1, size_, CV_32F);
    b_ = cv::Mat::zeros(1, size_, CV_32F);
    std::copy(x, x + window_, a_.ptr<float>());
    std::copy(x, x + reach, b_.ptr<float>());
    cv::dft(a_, a_);
    cv::dft(b_, b_);
    cv::mulSpectrums(b_, a_, cross_, 0, true);
    cv::dft(cross_, cross_, cv::DFT_INVERSE | cv::DFT_SCALE | cv::DFT_REAL_OUTPUT);
    double head = 0, sum = 0;
    for (int i = 0; i < window_; ++i) head += static_cast<double>(x[i]) * x[i];
    double tail = head;
    value_.assign(static_cast<size_t>(longest_ + 1), 1.0f);
    for (int tau = 1; tau <= longest_; ++tau) {
      tail += static_cast<double>(x[tau + window_ - 1]) * x[tau + window_ - 1] -
              static_cast<double>(x[tau - 1]) * x[tau - 1];
      const double d =
          std::max(0.0, head + tail - 2.0 * static_cast<double>(cross_.at<float>(tau)));
      sum += d;
      value_[static_cast<size_t>(tau)] = sum > 0 ? static_cast<float>(d * tau / sum) : 1.0f;
    }
    return value_;
  }

 private:
  int window_, longest_, size_;
  cv::Mat a_, b_, cross_;
  std::vector<float> value_;
};

Candidates candidates_of(const std::vector<float>& d, int shortest) {
  Candidates out;
  const int longest = static_cast<int>(d.size()) - 1;
  for (int tau = shortest; tau < longest; ++tau) {
    const auto t = static_cast<size_t>(tau);
    if (!(d[t] < d[t - 1] && d[t] <= d[t + 1]) || d[t] > 0.7f) continue;
    const float curve = d[t - 1] - 2 * d[t] + d[t + 1];
    const float shift = curve > 1e-9f ? 0.5f * (d[t - 1] - d[t + 1]) / curve : 0.0f;
    // A longer period is as periodic as its half: the shorter one is preferred a little.
    const float octave = 0.04f * std::log2(static_cast<float>(tau) / static_cast<float>(shortest));
    out.push_back({static_cast<float>(kWorkHz) / (static_cast<float>(tau) + shift),
                   std::max(0.0f, d[t] - 0.125f * (d[t - 1] - d[t + 1]) * shift) + octave});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.cost < b.cost; });
  if (out.size() > kMost) out.resize(kMost);
  return out;
}

/// Cheapest path; state 0 is "not voiced", state k the candidate k - 1.
std::vector<size_t> best_path(const std::vector<Candidates>& frames,
                              const std::vector<float>& silence, double hop_s) {
  constexpr float kSwitch = 0.20f, kUnvoiced = 0.34f;
  // Speech moves by up to about 5 octaves a second.
  const auto jump = static_cast<float>(0.006 / hop_s);
  std::vector<std::array<float, kMost + 1>> cost(frames.size());
  std::vector<std::array<uint8_t, kMost + 1>> from(frames.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    for (size_t s = 0; s <= frames[i].size(); ++s) {
      const float here = s ? frames[i][s - 1].cost + silence[i] : kUnvoiced;
      cost[i][s] = i ? INFINITY : here;
      if (!i) continue;
      for (size_t p = 0; p <= frames[i - 1].size(); ++p) {
        float move = 0;
        if ((s == 0) != (p == 0))
          move = kSwitch;
        else if (s)
          move = jump * std::abs(std::log2(frames[i][s - 1].hz / frames[i - 1][p - 1].hz));
        const float total = cost[i - 1][p] + move + here;
        if (total < cost[i][s]) cost[i][s] = total, from[i][s] = static_cast<uint8_t>(p);
      }
    }
  }
  std::vector<size_t> path(frames.size());
  if (path.empty()) return path;
  size_t best = 0;
  for (size_t s = 0; s <= frames.back().size(); ++s)
    if (cost.back()[s] < cost.back()[best]) best = s;
  for (size_t i = frames.size(); i-- > 0;) path[i] = best, best = from[i][best];
  return path;
}

}  // namespace

Pitch track_pitch(std::span<const float> mono, int rate_hz, const PitchOptions& o) {
  if (!(o.hop_s >= 0.001 && o.hop_s <= 0.1 && o.low_hz >= 30 && o.high_hz <= 2000 &&
        o.low_hz < o.high_hz))
    throw Error(ErrorCode::kUsage, "the pitch range must lie in 30 to 2000 Hz",
                "60 to 500 Hz fits speech");
  Pitch out;
  out.hop_s = o.hop_s;
  if (mono.empty()) return out;
  const auto x = resample(mono, rate_hz, kWorkHz);
  const int longest = static_cast<int>(kWorkHz / o.low_hz) + 2;
  const int shortest = std::max(2, static_cast<int>(kWorkHz / o.high_hz));
  const int window = std::max(longest, kWorkHz / 40), reach = window + longest;
  const auto count = static_cast<size_t>(static_cast<double>(x.size()) / kWorkHz / o.hop_s) + 1;
  float loudest = 0;
  std::vector<float> power(count), part(static_cast<size_t>(reach));
  std::vector<Candidates> frames(count);
  Difference difference(window, longest);
  for (size_t i = 0; i < count; ++i) {
    const auto start = std::llround(static_cast<double>(i) * o.hop_s * kWorkHz) - reach / 2;
    double sum = 0;
    for (int k = 0; k < reach; ++k) {
      const auto at = start + k;
      const float v =
          at >= 0 && at < static_cast<int64_t>(x.size()) ? x[static_cast<size_t>(at)] : 0;
      part[static_cast<size_t>(k)] = v;
      sum += static_cast<double>(v) * v;
    }
    power[i] = static_cast<float>(sum / reach);
    loudest = std::max(loudest, power[i]);
    if (power[i] > 1e-10f) frames[i] = candidates_of(difference.normalised(part.data()), shortest);
  }
  // Hum and room tone may be periodic too: what is 35 dB under the loudest frame costs more.
  std::vector<float> silence(count);
  for (size_t i = 0; i < count; ++i) {
    const float under_db = 10 * std::log10((loudest + 1e-12f) / (power[i] + 1e-12f));
    silence[i] = std::clamp((under_db - 35) / 15, 0.0f, 1.0f);
  }
  const auto path = best_path(frames, silence, o.hop_s);
  out.f0_hz.resize(count);
  out.clarity.resize(count);
  for (size_t i = 0; i < count; ++i)
    if (path[i]) {
      out.f0_hz[i] = frames[i][path[i] - 1].hz;
      out.clarity[i] = std::clamp(1 - frames[i][path[i] - 1].cost, 0.0f, 1.0f);
    }
  return out;
}

double median_f0_hz(const Pitch& pitch) {
  std::vector<float> voiced;
  for (const float f : pitch.f0_hz)
    if (f > 0) voiced.push_back(f);
  if (voiced.empty()) return 0;
  const auto middle = voiced.begin() + static_cast<long>(voiced.size() / 2);
  std::nth_element(voiced.begin(), middle, voiced.end());
  return static_cast<double>(*middle);
}

namespace {

/// Pitch marks: one a period where voiced, on the strongest peak near where it is due; every 5 ms
/// else.
struct Mark {
  int64_t at = 0;
  double period = 0;  ///< samples
  bool voiced = false;
};

std::vector<Mark> pitch_marks(std::span<const float> x, int rate_hz, const Pitch& pitch) {
  std::vector<Mark> out;
  const auto n = static_cast<int64_t>(x.size());
  double at = 0;
  bool was_voiced = false;
  while (at < static_cast<double>(n)) {
    const auto f = std::min(pitch.f0_hz.size() - 1,
                            static_cast<size_t>(std::lround(at / rate_hz / pitch.hop_s)));
    const double f0 = static_cast<double>(pitch.f0_hz[f]);
    const bool voiced = f0 > 0;
    const double period = voiced ? rate_hz / f0 : rate_hz * 0.005;
    auto mark = std::min(n - 1, static_cast<int64_t>(std::llround(at)));
    if (voiced) {
      // Wide at the first mark of a voiced stretch, then near the expected place.
      const auto reach = std::max<int64_t>(1, std::llround(period * (was_voiced ? 0.15 : 0.5)));
      int64_t best = mark;
      for (int64_t k = std::max<int64_t>(0, mark - reach); k <= std::min(n - 1, mark + reach); ++k)
        if (x[static_cast<size_t>(k)] > x[static_cast<size_t>(best)]) best = k;
      if (out.empty() || best > out.back().at) mark = best;
    }
    out.push_back({mark, period, voiced});
    was_voiced = voiced;
    at = static_cast<double>(mark) + period;
  }
  return out;
}

}  // namespace

std::vector<float> shift_pitch(std::span<const float> x, int rate_hz, const Pitch& pitch,
                               double ratio) {
  return shift_pitch(x, rate_hz, pitch, std::vector<double>(pitch.f0_hz.size(), ratio));
}

std::vector<float> shift_pitch(std::span<const float> x, int rate_hz, const Pitch& pitch,
                               std::span<const double> ratios) {
  LIKENESS_REQUIRE(ratios.size() == pitch.f0_hz.size());
  bool any = false;
  for (const double r : ratios) {
    if (!(r >= 0.499 && r <= 2.001))
      throw Error(ErrorCode::kUsage, "the pitch can be changed by at most one octave",
                  "use -12st to +12st");
    any = any || std::abs(r - 1) > 1e-6;
  }
  std::vector<float> out(x.begin(), x.end());
  if (!any || x.empty()) return out;
  const auto marks = pitch_marks(x, rate_hz, pitch);
  const auto n = static_cast<int64_t>(x.size());
  std::fill(out.begin(), out.end(), 0.0f);
  std::vector<float> weight(x.size());
  size_t nearest = 0;
  for (double at = static_cast<double>(marks.front().at); at < static_cast<double>(n);) {
    while (nearest + 1 < marks.size() &&
           std::abs(static_cast<double>(marks[nearest + 1].at) - at) <=
               std::abs(static_cast<double>(marks[nearest].at) - at))
      ++nearest;
    const Mark& m = marks[nearest];
    const auto frame =
        std::min(ratios.size() - 1, static_cast<size_t>(std::lround(at / rate_hz / pitch.hop_s)));
    const double step = m.voiced ? m.period / ratios[frame] : m.period;
    // Two periods of the source, so that the envelope stays; wide enough to overlap when steps
    // grow.
    const auto reach = std::llround(std::max(m.period, m.voiced ? step : m.period));
    const auto to = std::llround(at);
    for (int64_t k = -reach; k <= reach; ++k) {
      const int64_t source = m.at + k, target = to + k;
      if (source < 0 || source >= n || target < 0 || target >= n) continue;
      const auto w = static_cast<float>(
          0.5 + 0.5 * std::cos(M_PI * static_cast<double>(k) / static_cast<double>(reach)));
      out[static_cast<size_t>(target)] += w * x[static_cast<size_t>(source)];
      weight[static_cast<size_t>(target)] += w;
    }
    at += step;
  }
  // Periods closer together add up to more than one, further apart to less.
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = weight[i] > 0.05f ? out[i] / std::max(weight[i], 0.3f) : 0.0f;
  return out;
}

}  // namespace likeness::audio
