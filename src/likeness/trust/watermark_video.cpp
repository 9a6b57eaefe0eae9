// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_video.h"

#include <algorithm>
#include <cmath>

#include "likeness/base/error.h"
#include "likeness/trust/fec.h"
#include "likeness/trust/watermark_grid.h"
#include "likeness/trust/watermark_slots.h"

namespace likeness::trust {
namespace {

/// In grey levels: 44.6 dB before rounding to 8 bit, 44.4 after.
constexpr double kRms = 1.5;

}  // namespace

struct VideoWatermarker::Impl {
  int width, height;
  ChipPainter painter;
  std::vector<std::vector<float>> patterns;  ///< of each slot
};

bool VideoWatermarker::fits(int width, int height) {
  return std::min(width, height) >= 96 && std::max(width, height) >= 128;
}

VideoWatermarker::VideoWatermarker(uint64_t id, const WatermarkKey& key, int width, int height) {
  if (!fits(width, height))
    throw Error(ErrorCode::kUnsupported,
                "a picture of " + std::to_string(width) + " x " + std::to_string(height) +
                    " pixels is too small for the watermark",
                "make the output at least 128 x 96 pixels");
  const ChipPlan plan = ChipPlan::video(key);
  const auto code = fec::encode(WatermarkMessage::bits(id, 64));
  impl_ = std::make_unique<Impl>(
      Impl{width, height, ChipPainter(width, height, kVideoChips, plan.side, kRms), {}});
  for (int s = 0; s < plan.slots; ++s) impl_->patterns.push_back(chip_pattern(plan, s, code));
}

VideoWatermarker::~VideoWatermarker() = default;
VideoWatermarker::VideoWatermarker(VideoWatermarker&&) noexcept = default;
VideoWatermarker& VideoWatermarker::operator=(VideoWatermarker&&) noexcept = default;

void VideoWatermarker::embed(media::Frame& frame, double time_s) const {
  if (frame.width() != impl_->width || frame.height() != impl_->height)
    throw Error(ErrorCode::kUsage,
                "a frame of " + std::to_string(frame.width()) + " x " +
                    std::to_string(frame.height()) + " came to a watermarker for " +
                    std::to_string(impl_->width) + " x " + std::to_string(impl_->height),
                "make one watermarker per picture size");
  const auto slots = static_cast<int64_t>(impl_->patterns.size());
  const int64_t slot = slot_of_time(time_s);
  const auto row = static_cast<size_t>(((slot % slots) + slots) % slots);
  impl_->painter.paint(impl_->patterns[row], frame.writable_luma());
}

}  // namespace likeness::trust
