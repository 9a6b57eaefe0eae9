// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_audio_live.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "likeness/base/error.h"
#include "likeness/trust/fec.h"
#include "likeness/trust/watermark_audio_grid.h"

namespace likeness::trust {
using namespace audio_grid;

struct LiveAudioMark::State {
  TilePlan plan;
  std::vector<uint8_t> code;
  double hz_per_bin;
  size_t first, last;  ///< bins of the marked band
  double allowed;      ///< power of the mark over that of the sound
  double local = 0;    ///< mean power of the band's bins over the last 4 s
  double sound = 0, mark = 0;
  double factor = 0.1;  ///< full strength ends at factor x local power
  std::vector<float> power;

  State(uint64_t id, int rate_hz, int fft, double snr_db, const WatermarkKey& key)
      : plan(make_plan(key)),
        code(fec::encode(WatermarkMessage::bits(id, 64))),
        hz_per_bin(static_cast<double>(rate_hz) / fft),
        first(static_cast<size_t>(std::ceil(kLowHz / hz_per_bin))),
        last(static_cast<size_t>(std::ceil((kLowHz + kBands * kBandHz) / hz_per_bin))),
        allowed(std::pow(10, -snr_db / 10)),
        power(static_cast<size_t>(fft / 2 + 1)) {}
};

LiveAudioMark::LiveAudioMark(uint64_t id, int rate_hz, int fft, double snr_db,
                             const WatermarkKey& key) {
  LIKENESS_REQUIRE(rate_hz >= 16000 && fft >= 64 && fft % 2 == 0);
  state_ = std::make_unique<State>(id, rate_hz, fft, snr_db, key);
}
LiveAudioMark::~LiveAudioMark() = default;
LiveAudioMark::LiveAudioMark(LiveAudioMark&&) noexcept = default;

double LiveAudioMark::snr_db() const {
  return 10 * std::log10((state_->sound + 1e-12) / (state_->mark + 1e-12));
}

void LiveAudioMark::mark(std::span<std::complex<float>> x, double centre_s) {
  State& s = *state_;
  LIKENESS_REQUIRE(x.size() == s.power.size());
  constexpr double kKeep = 0.9973;  // of the past, per frame: 4 s at 10.7 ms
  double total = 0, band = 0;
  for (size_t b = 0; b < x.size(); ++b) {
    s.power[b] = std::norm(x[b]);
    total += static_cast<double>(s.power[b]);
  }
  for (size_t b = s.first; b < s.last; ++b) band += static_cast<double>(s.power[b]);
  band /= static_cast<double>(s.last - s.first);
  // Pauses at the start say nothing about how loud speech will be.
  s.local =
      band > s.local ? s.local + 0.2 * (band - s.local) : kKeep * s.local + (1 - kKeep) * band;
  const auto tile = static_cast<int64_t>(std::floor(centre_s / kTileS + 1e-6));
  const size_t at = static_cast<size_t>(((tile % kTimes) + kTimes) % kTimes) * kBands;
  const float knee = static_cast<float>(s.local * s.factor) + 1e-12f;
  double mark = 0;
  for (size_t b = s.first; b < s.last; ++b) {
    const size_t chip = at + static_cast<size_t>(std::clamp(
                                 band_of(static_cast<double>(b) * s.hz_per_bin), 0, kBands - 1));
    const bool negative = !s.plan.pilot[chip] && s.code[s.plan.code_bit[chip]];
    const float smooth = 0.5f * s.power[b] + 0.25f * (s.power[b - 1] + s.power[b + 1]);
    const float g = strength(smooth, knee) * static_cast<float>(s.plan.sign[chip]);
    mark += static_cast<double>(s.power[b] * g * g);
    x[b] *= 1 + (negative ? -g : g);
  }
  s.sound = kKeep * s.sound + total;
  s.mark = kKeep * s.mark + mark;
  s.factor = std::clamp(s.factor * (s.mark > s.allowed * s.sound ? 0.98 : 1.02), 1e-6, 1e3);
}

}  // namespace likeness::trust
