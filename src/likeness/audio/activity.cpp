// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/activity.h"

#include <algorithm>
#include <cmath>

#include "likeness/audio/resample.h"
#include "likeness/audio/spectrum.h"
#include "likeness/base/error.h"

namespace likeness::audio {
namespace {

constexpr int kWorkHz = 16000;

std::vector<float> levels_db(std::span<const float> mono, int rate_hz, double hop_s) {
  constexpr double kLowHz = 100, kHighHz = 7000;
  const auto x = resample(mono, rate_hz, kWorkHz);
  StftOptions o;
  o.window = 512;
  o.hop = static_cast<int>(std::lround(kWorkHz * hop_s));
  const Spectra s = stft(x, o);
  std::vector<float> out(s.frames);
  const auto first = static_cast<size_t>(kLowHz * o.window / kWorkHz),
             last = static_cast<size_t>(kHighHz * o.window / kWorkHz);
  // Parseval: a full-scale sound has power 1 after dividing by the window's energy.
  const double energy = 3.0 / 8.0 * o.window * o.window / 2;
  for (size_t f = 0; f < s.frames; ++f) {
    double sum = 0;
    for (size_t b = first; b < last; ++b) sum += static_cast<double>(std::norm(s.frame(f)[b]));
    out[f] = static_cast<float>(10 * std::log10(sum / energy + 1e-12));
  }
  return out;
}

float percentile(std::vector<float> v, double p) {
  const auto at = v.begin() + static_cast<long>(static_cast<double>(v.size() - 1) * p);
  std::nth_element(v.begin(), at, v.end());
  return *at;
}

/// Runs of true of at least `shortest` frames, with gaps under `gap` closed.
std::vector<std::pair<size_t, size_t>> runs(const std::vector<bool>& on, size_t shortest,
                                            size_t gap) {
  std::vector<std::pair<size_t, size_t>> out;
  for (size_t i = 0; i < on.size();) {
    if (!on[i]) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < on.size() && on[end]) ++end;
    if (!out.empty() && i - out.back().second < gap)
      out.back().second = end;
    else
      out.emplace_back(i, end);
    i = end;
  }
  std::erase_if(out, [&](const auto& r) { return r.second - r.first < shortest; });
  return out;
}

double mean_level(const std::vector<float>& db, const std::vector<bool>& which, bool value) {
  double sum = 0;
  size_t n = 0;
  for (size_t i = 0; i < db.size(); ++i)
    if (which[i] == value) sum += std::pow(10, static_cast<double>(db[i]) / 10), ++n;
  return n ? 10 * std::log10(sum / static_cast<double>(n) + 1e-12) : -120;
}

}  // namespace

Activity find_activity(std::span<const float> mono, int rate_hz, const ActivityOptions& o) {
  if (!(o.hop_s >= 0.002 && o.hop_s <= 0.03))
    throw Error(ErrorCode::kUsage, "the step of voice activity must be 2 to 30 ms", "use 10 ms");
  Activity out;
  out.hop_s = o.hop_s;
  if (mono.empty()) return out;
  out.level_db = levels_db(mono, rate_hz, o.hop_s);
  constexpr float kSilenceDb = -75;
  const float loud = percentile(out.level_db, 0.95), noise = percentile(out.level_db, 0.05);
  if (loud < kSilenceDb) {
    out.noise_db = static_cast<double>(noise);
    return out;
  }
  // Where there is hardly a pause the quietest frames are speech too; then the peak decides.
  const float limit =
      std::max({kSilenceDb, std::min(noise + static_cast<float>(o.above_noise_db), loud - 15),
                loud - static_cast<float>(o.under_peak_db)});
  std::vector<bool> on(out.level_db.size());
  for (size_t i = 0; i < on.size(); ++i) on[i] = out.level_db[i] > limit;
  const auto frames = [&](double s) { return static_cast<size_t>(std::lround(s / o.hop_s)); };
  const double whole = static_cast<double>(mono.size()) / rate_hz;
  std::vector<bool> speech(on.size());
  for (const auto& [begin, end] :
       runs(on, frames(o.shortest_speech_s), frames(o.shortest_pause_s))) {
    std::fill(speech.begin() + static_cast<long>(begin), speech.begin() + static_cast<long>(end),
              true);
    const double from = std::max(0.0, static_cast<double>(begin) * o.hop_s - o.margin_s);
    const double to = std::min(whole, static_cast<double>(end) * o.hop_s + o.margin_s);
    if (!out.speech.empty() && from <= out.speech.back().end_s)
      out.speech.back().end_s = to;
    else
      out.speech.push_back({from, to});
  }
  for (const Segment& s : out.speech) out.speech_s += s.duration_s();
  out.speech_db = mean_level(out.level_db, speech, true);
  // With hardly a pause the noise is heard in the quietest frames: it is at most as loud as they
  // are, and in a recording that is all noise just as loud.
  const auto pauses = std::count(speech.begin(), speech.end(), false);
  out.noise_db = static_cast<size_t>(pauses) * 20 > speech.size()
                     ? mean_level(out.level_db, speech, false)
                     : static_cast<double>(noise);
  return out;
}

}  // namespace likeness::audio
