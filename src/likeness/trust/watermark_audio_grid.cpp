// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_audio_grid.h"

#include "likeness/base/error.h"
#include "likeness/trust/fec.h"

namespace likeness::trust::audio_grid {

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

std::vector<cv::Mat> all_channels(const Spectrum& spectrum, int channels, int64_t begin,
                                  int64_t end) {
  std::vector<cv::Mat> out(static_cast<size_t>(channels));
  for (int c = 0; c < channels; ++c) out[static_cast<size_t>(c)] = spectrum.read(c, begin, end);
  return out;
}

}  // namespace likeness::trust::audio_grid
