// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "likeness/base/error.h"
#include "likeness/trust/watermark_evidence.h"
#include "likeness/trust/watermark_grid.h"
#include "likeness/trust/watermark_video.h"

namespace likeness::trust {
namespace {

constexpr double kBlockS = 8.0;
constexpr size_t kMostFrames = 1200;  ///< of a block, 60 MB

}  // namespace

struct VideoWatermarkReader::Impl {
  EvidenceReader reader;
  int width = 0, height = 0;
  double last_time = 0;
  std::vector<ReducedFrame> block;

  void evaluate() {
    if (block.empty()) return;
    std::vector<SlotEvidence> sets;
    for (int i = 0; i < kSlotShifts; ++i) {
      sets.push_back(slot_evidence(block, i * kSlotS / kSlotShifts));
      sets.back().width = width;
      sets.back().height = height;
    }
    block.clear();
    reader.add(sets);
  }
};

VideoWatermarkReader::VideoWatermarkReader(const WatermarkKey& key, WatermarkSearch search)
    : impl_(std::make_unique<Impl>(Impl{EvidenceReader(key, search), 0, 0, 0, {}})) {}
VideoWatermarkReader::~VideoWatermarkReader() = default;
VideoWatermarkReader::VideoWatermarkReader(VideoWatermarkReader&&) noexcept = default;

void VideoWatermarkReader::add(const media::Frame& frame, double time_s) {
  Impl& m = *impl_;
  if (frame.empty() || !std::isfinite(time_s))
    throw Error(ErrorCode::kUsage, "an empty frame came to the watermark reader",
                "pass decoded frames with their times");
  if (m.width == 0) {
    m.width = frame.width();
    m.height = frame.height();
  } else {
    if (frame.width() != m.width || frame.height() != m.height)
      throw Error(ErrorCode::kUsage, "the size of the picture changes",
                  "use one reader per picture size");
    if (time_s < m.last_time)
      throw Error(ErrorCode::kUsage, "frames came to the watermark reader out of order",
                  "pass them in order of time");
  }
  m.last_time = time_s;
  if (m.reader.result().found || !VideoWatermarker::fits(m.width, m.height)) return;
  if (!m.block.empty() &&
      (time_s - m.block.front().time_s >= kBlockS - 1e-6 || m.block.size() >= kMostFrames))
    m.evaluate();
  m.block.push_back({time_s, reduced_luma(frame, kVideoChips, kSamplesPerChip)});
}

bool VideoWatermarkReader::done() const { return impl_->reader.result().found; }

VideoWatermarkResult VideoWatermarkReader::result() {
  Impl& m = *impl_;
  m.evaluate();
  VideoWatermarkResult out = m.reader.result();
  out.slots = m.reader.slots();
  if (m.width > 0 && !VideoWatermarker::fits(m.width, m.height))
    out.reason = "too small: pictures under 128 x 96 pixels carry no watermark";
  else if (out.slots == 0)
    out.reason = "no frames were looked at";
  else if (out.found)
    out.reason = "watermark read and verified";
  else if (out.present)
    out.reason =
        "a watermark is present, but too weak or too short to read its id: about 2 to 8 "
        "seconds are needed, more after strong compression";
  else if (out.slots * kSlotS < 2)
    out.reason = "no watermark found; too short to be sure: the full id needs about 2 seconds";
  else
    out.reason = "no watermark found";
  return out;
}

VideoWatermarkResult read_video_watermark(const std::filesystem::path& path,
                                          const WatermarkKey& key, WatermarkSearch search,
                                          double longest_s) {
  media::VideoReader video(path);
  VideoWatermarkReader reader(key, search);
  while (auto frame = video.next()) {
    const double time_s = frame->time.value();
    if (time_s > longest_s || reader.done()) break;
    reader.add(*frame, time_s);
  }
  return reader.result();
}

}  // namespace likeness::trust
