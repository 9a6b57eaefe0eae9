// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/pitch.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <numeric>

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

/// Cheapest path through the candidates of frames, found as they come; state 0 is "not voiced",
/// state k the candidate k - 1.
class Path {
 public:
  explicit Path(double hop_s) : jump_(static_cast<float>(0.006 / hop_s)) {}
  /// `silence` is what voicing costs more here.
  void add(Candidates candidates, float silence) {
    constexpr float kSwitch = 0.20f, kUnvoiced = 0.34f;
    Step now{std::move(candidates), {}, {}};
    for (size_t s = 0; s <= now.candidates.size(); ++s) {
      const float here = s ? now.candidates[s - 1].cost + silence : kUnvoiced;
      now.cost[s] = steps_.empty() ? here : INFINITY;
      if (steps_.empty()) continue;
      const Step& before = steps_.back();
      for (size_t p = 0; p <= before.candidates.size(); ++p) {
        float move = 0;
        if ((s == 0) != (p == 0))
          move = kSwitch;
        else if (s)  // speech moves by up to about 5 octaves a second
          move =
              jump_ * std::abs(std::log2(now.candidates[s - 1].hz / before.candidates[p - 1].hz));
        const float total = before.cost[p] + move + here;
        if (total < now.cost[s]) now.cost[s] = total, now.from[s] = static_cast<uint8_t>(p);
      }
    }
    // So that costs do not grow for hours.
    const float least = *std::min_element(
        now.cost.begin(), now.cost.begin() + static_cast<long>(now.candidates.size() + 1));
    for (float& c : now.cost) c -= least;
    steps_.push_back(std::move(now));
  }
  /// Decides all frames but the last `keep` and gives them out.
  void decide(size_t keep, Pitch& out) {
    const size_t ready = steps_.size() - done_;
    if (ready <= keep || steps_.empty()) return;
    std::vector<size_t> state(steps_.size());
    size_t best = 0;
    for (size_t s = 0; s <= steps_.back().candidates.size(); ++s)
      if (steps_.back().cost[s] < steps_.back().cost[best]) best = s;
    for (size_t i = steps_.size(); i-- > 0;) state[i] = best, best = steps_[i].from[best];
    for (; done_ + keep < steps_.size(); ++done_) {
      const size_t s = state[done_];
      const Candidate c = s ? steps_[done_].candidates[s - 1] : Candidate{0, 1};
      out.f0_hz.push_back(c.hz);
      out.clarity.push_back(s ? std::clamp(1 - c.cost, 0.0f, 1.0f) : 0.0f);
    }
    // The last one stays: the next frame's way begins there.
    const size_t drop = std::min(done_, steps_.size() - 1);
    steps_.erase(steps_.begin(), steps_.begin() + static_cast<long>(drop));
    done_ -= drop;
  }

 private:
  struct Step {
    Candidates candidates;
    std::array<float, kMost + 1> cost;
    std::array<uint8_t, kMost + 1> from;
  };
  float jump_;
  std::deque<Step> steps_;
  size_t done_ = 0;  ///< how many of steps_ were given out
};

/// Sound of any rate to kWorkHz as it comes. A piece is resampled with some sound on both sides,
/// which is left out again; one piece that is all is resampled as a whole.
class ToWorkRate {
 public:
  explicit ToWorkRate(int rate_hz) : rate_hz_(rate_hz) {
    const int common = std::gcd(rate_hz, kWorkHz);
    in_ = static_cast<size_t>(rate_hz / common);
    out_ = static_cast<size_t>(kWorkHz / common);
    margin_ = (static_cast<size_t>(rate_hz) / 100 / in_ + 1) * in_;
  }
  void push(std::span<const float> mono, bool last, std::vector<float>& out) {
    held_.insert(held_.end(), mono.begin(), mono.end());
    if (!last && held_.size() < before_ + margin_ + in_) return;
    const size_t size =
        last ? held_.size() : before_ + (held_.size() - before_ - margin_) / in_ * in_ + margin_;
    const auto made = resample(std::span(held_).first(size), rate_hz_, kWorkHz);
    const size_t from = before_ / in_ * out_;
    const size_t to = last ? made.size() : (size - margin_) / in_ * out_;
    if (from < to)
      out.insert(out.end(), made.begin() + static_cast<long>(from),
                 made.begin() + static_cast<long>(to));
    if (last) return;
    const size_t next = size - margin_, keep = std::min(next, margin_);
    held_.erase(held_.begin(), held_.begin() + static_cast<long>(next - keep));
    before_ = keep;
  }

 private:
  int rate_hz_;
  size_t in_, out_, margin_;
  std::vector<float> held_;
  size_t before_ = 0;  ///< samples of held_ that were given already
};

}  // namespace

struct PitchTracker::State {
  PitchOptions options;
  size_t delay;
  int longest, shortest, window, reach;
  ToWorkRate rate;
  Difference difference;
  Path path;
  std::vector<float> x;  ///< at kWorkHz, from sample `begin` on
  int64_t begin = 0;
  size_t next = 0;  ///< frame
  float loudest = 0;

  State(int rate_hz, const PitchOptions& o, size_t later)
      : options(o),
        delay(later),
        longest(static_cast<int>(kWorkHz / o.low_hz) + 2),
        shortest(std::max(2, static_cast<int>(kWorkHz / o.high_hz))),
        window(std::max(longest, kWorkHz / 40)),
        reach(window + longest),
        rate(rate_hz),
        difference(window, longest),
        path(o.hop_s) {}
  int64_t start(size_t frame) const {
    return std::llround(static_cast<double>(frame) * options.hop_s * kWorkHz) - reach / 2;
  }
};

PitchTracker::PitchTracker(int rate_hz, const PitchOptions& o, size_t delay) {
  if (!(o.hop_s >= 0.001 && o.hop_s <= 0.1 && o.low_hz >= 30 && o.high_hz <= 2000 &&
        o.low_hz < o.high_hz))
    throw Error(ErrorCode::kUsage, "the pitch range must lie in 30 to 2000 Hz",
                "60 to 500 Hz fits speech");
  state_ = std::make_unique<State>(rate_hz, o, delay);
}
PitchTracker::~PitchTracker() = default;
PitchTracker::PitchTracker(PitchTracker&&) noexcept = default;

Pitch PitchTracker::push(std::span<const float> mono, bool last) {
  State& s = *state_;
  s.rate.push(mono, last, s.x);
  const int64_t end = s.begin + static_cast<int64_t>(s.x.size());
  const auto all = static_cast<size_t>(static_cast<double>(end) / kWorkHz / s.options.hop_s) + 1;
  std::vector<float> power, part(static_cast<size_t>(s.reach));
  std::vector<Candidates> frames;
  for (; last ? s.next < all : s.start(s.next) + s.reach <= end; ++s.next) {
    const int64_t start = s.start(s.next);
    double sum = 0;
    for (int k = 0; k < s.reach; ++k) {
      const int64_t at = start + k;
      const float v = at >= s.begin && at < end ? s.x[static_cast<size_t>(at - s.begin)] : 0;
      part[static_cast<size_t>(k)] = v;
      sum += static_cast<double>(v) * v;
    }
    power.push_back(static_cast<float>(sum / s.reach));
    s.loudest = std::max(s.loudest, power.back());
    frames.push_back(power.back() > 1e-10f
                         ? candidates_of(s.difference.normalised(part.data()), s.shortest)
                         : Candidates{});
  }
  for (size_t i = 0; i < frames.size(); ++i) {
    // Hum and room tone may be periodic too: what is 35 dB under the loudest frame costs more.
    const float under_db = 10 * std::log10((s.loudest + 1e-12f) / (power[i] + 1e-12f));
    s.path.add(std::move(frames[i]), std::clamp((under_db - 35) / 15, 0.0f, 1.0f));
  }
  Pitch out;
  out.hop_s = s.options.hop_s;
  s.path.decide(last ? 0 : s.delay, out);
  const int64_t drop = std::clamp<int64_t>(s.start(s.next) - s.begin, 0, end - s.begin);
  s.x.erase(s.x.begin(), s.x.begin() + drop);
  s.begin += drop;
  return out;
}

Pitch track_pitch(std::span<const float> mono, int rate_hz, const PitchOptions& o) {
  PitchTracker tracker(rate_hz, o, PitchTracker::kWhole);
  if (!mono.empty()) return tracker.push(mono, true);
  Pitch none;
  none.hop_s = o.hop_s;
  return none;
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
