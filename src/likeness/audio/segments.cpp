// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/segments.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "likeness/base/error.h"

namespace likeness::audio {
namespace {

/// The quietest frame of [from_s, to_s], of levels smoothed over 50 ms.
double quietest_s(const Activity& a, double from_s, double to_s) {
  constexpr size_t kReach = 2;
  const auto frame = [&](double s) {
    return std::min(a.level_db.size(), static_cast<size_t>(std::max(0.0, s / a.hop_s)));
  };
  double best = 1e9, at = (from_s + to_s) / 2;
  for (size_t f = frame(from_s); f < frame(to_s); ++f) {
    double sum = 0;
    const size_t begin = f >= kReach ? f - kReach : 0;
    const size_t end = std::min(a.level_db.size(), f + kReach + 1);
    for (size_t k = begin; k < end; ++k) sum += static_cast<double>(a.level_db[k]);
    const double mean = sum / static_cast<double>(end - begin);
    if (mean < best) best = mean, at = static_cast<double>(f) * a.hop_s;
  }
  return at;
}

/// Cuts one run of speech until no part is too long.
void divide(const Activity& a, Segment s, double most_s, std::vector<Segment>& out) {
  if (s.duration_s() <= most_s) {
    out.push_back(s);
    return;
  }
  const int parts = static_cast<int>(std::ceil(s.duration_s() / most_s));
  const double step = s.duration_s() / parts;
  // Around the first of the even cuts, but so that neither side gets too long.
  const double cut =
      quietest_s(a, s.begin_s + 0.6 * step, std::min(s.begin_s + most_s, s.begin_s + 1.2 * step));
  out.push_back({s.begin_s, cut});
  divide(a, {cut, s.end_s}, most_s, out);
}

/// Room at both ends, never past the neighbour's.
void widen(std::vector<Segment>& segments, double duration_s, double margin_s) {
  for (size_t i = 0; i < segments.size(); ++i) {
    const double before = i ? segments[i - 1].end_s : -segments[i].begin_s;
    const double after =
        i + 1 < segments.size() ? segments[i + 1].begin_s : 2 * duration_s - segments[i].end_s;
    const double left = std::min(margin_s, std::max(0.0, segments[i].begin_s - before) / 2);
    const double right = std::min(margin_s, std::max(0.0, after - segments[i].end_s) / 2);
    segments[i].begin_s = std::max(0.0, segments[i].begin_s - left);
    segments[i].end_s = std::min(duration_s, segments[i].end_s + right);
  }
}

}  // namespace

std::vector<Segment> cut_at_pauses(const Activity& activity, double duration_s,
                                   const SegmentOptions& o) {
  if (!(o.least_s > 0 && o.most_s > 2 * o.least_s && o.wanted_s <= o.most_s && o.margin_s >= 0 &&
        o.most_s > 4 * o.margin_s))
    throw Error(ErrorCode::kUsage, "segments cannot be of such lengths", "use 1 to 12 s");
  const double most = o.most_s - 2 * o.margin_s;  // the margins come on top
  std::vector<Segment> runs;
  for (const Segment& s : activity.speech) divide(activity, s, most, runs);
  std::vector<Segment> out;
  for (const Segment& s : runs) {
    const bool near = !out.empty() && s.begin_s - out.back().end_s <= o.join_pause_s;
    const double together = out.empty() ? 0 : s.end_s - out.back().begin_s;
    // Short ones take a neighbour even where the whole gets longer than wanted.
    const bool needs =
        !out.empty() && (out.back().duration_s() < o.least_s || s.duration_s() < o.least_s);
    if (near && together <= (needs ? most : std::min(most, o.wanted_s)))
      out.back().end_s = s.end_s;
    else
      out.push_back(s);
  }
  widen(out, duration_s, o.margin_s);
  std::erase_if(out, [&](const Segment& s) { return s.duration_s() < o.least_s; });
  return out;
}

std::vector<Segment> cut_by_sentences(const Activity& activity, double duration_s,
                                      const std::vector<size_t>& letters, const SegmentOptions& o) {
  const auto& speech = activity.speech;
  constexpr double kLeastPauseS = 0.3, kClearly = 1.4, kOff = 1.6;
  if (letters.empty() || speech.size() < letters.size()) return {};
  std::vector<double> pauses;
  for (size_t i = 1; i < speech.size(); ++i)
    pauses.push_back(speech[i].begin_s - speech[i - 1].end_s);
  std::vector<size_t> order(pauses.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return pauses[a] > pauses[b]; });
  const size_t cuts = letters.size() - 1;
  if (cuts > 0 && pauses[order[cuts - 1]] < kLeastPauseS) return {};
  if (cuts > 0 && cuts < order.size() && pauses[order[cuts - 1]] < kClearly * pauses[order[cuts]])
    return {};
  std::vector<size_t> at(order.begin(), order.begin() + static_cast<long>(cuts));
  std::sort(at.begin(), at.end());
  std::vector<Segment> out;
  size_t begin = 0;
  for (const size_t cut : at) {
    out.push_back({speech[begin].begin_s, speech[cut].end_s});
    begin = cut + 1;
  }
  out.push_back({speech[begin].begin_s, speech.back().end_s});
  double whole_s = 0;
  size_t all = 0;
  for (size_t i = 0; i < out.size(); ++i) whole_s += out[i].duration_s(), all += letters[i];
  for (size_t i = 0; i < out.size(); ++i) {
    const double want = whole_s * static_cast<double>(letters[i]) / static_cast<double>(all);
    const double got = out[i].duration_s();
    if (cuts > 0 && (got > want * kOff + 0.3 || got < want / kOff - 0.3)) return {};
  }
  widen(out, duration_s, o.margin_s);
  for (const Segment& s : out)
    if (s.duration_s() < o.least_s || s.duration_s() > o.most_s) return {};
  return out;
}

double best_cut_s(const Activity& activity, double from_s, double to_s) {
  double best = 0, at = 0;
  double end = 0;
  const auto look = [&](double pause_begin, double pause_end) {
    const double begin = std::max(pause_begin, from_s), last = std::min(pause_end, to_s);
    if (last - begin > best) best = last - begin, at = (begin + last) / 2;
  };
  for (const Segment& s : activity.speech) look(end, s.begin_s), end = s.end_s;
  look(end, static_cast<double>(activity.level_db.size()) * activity.hop_s);
  return best > 0.1 ? at : quietest_s(activity, from_s, to_s);
}

}  // namespace likeness::audio
