// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_still.h"

#include <algorithm>
#include <cmath>

#include "likeness/base/error.h"
#include "likeness/trust/fec.h"
#include "likeness/trust/watermark_grid.h"
#include "likeness/trust/watermark_search.h"
#include "likeness/trust/watermark_slots.h"

namespace likeness::trust {
namespace {

constexpr double kRms = 1.6;    ///< in grey levels: 44 dB
constexpr double kSamples = 4;  ///< of evidence per distance of chips
constexpr int kFraction = 64;   ///< of a grey level, in which the change is computed

/// The change of each pixel in grey levels of 8 bit, from a luma function of pixels.
template <typename T>
ImageF change_of(const ImageT<T>& image, float scale, uint32_t id, const WatermarkKey& key) {
  if (image.channels != 3)
    throw Error(ErrorCode::kBadInput, "only RGB pictures can be watermarked",
                "convert the picture to RGB first");
  if (!still_watermark_fits(image.width, image.height))
    throw Error(ErrorCode::kUnsupported,
                "a picture of " + std::to_string(image.width) + " x " +
                    std::to_string(image.height) + " pixels is too small for the watermark",
                "make it at least 256 pixels on its shorter side");
  const size_t count = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
  std::vector<uint16_t> before(count);
  for (size_t i = 0; i < count; ++i) {
    const T* p = image.data.data() + 3 * i;
    const float luma = 0.2126f * static_cast<float>(p[0]) + 0.7152f * static_cast<float>(p[1]) +
                       0.0722f * static_cast<float>(p[2]);
    before[i] = static_cast<uint16_t>(std::clamp(luma * scale, 0.0f, 255.0f) * kFraction + 0.5f);
  }
  std::vector<uint16_t> after = before;
  const ChipPlan plan = ChipPlan::still(key);
  const ChipPainter painter(image.width, image.height, kStillChips, plan.side, kRms);
  const auto pattern = chip_pattern(plan, 0, fec::encode(WatermarkMessage::bits(id, 32)));
  painter.paint(pattern, {{reinterpret_cast<uint8_t*>(after.data()),
                           static_cast<std::ptrdiff_t>(image.width) * 2, image.width, image.height,
                           8 + 6, 2}});
  ImageF change(image.width, image.height, 1);
  for (size_t i = 0; i < count; ++i)
    change.data[i] = (static_cast<float>(after[i]) - static_cast<float>(before[i])) / kFraction;
  return change;
}

}  // namespace

bool still_watermark_fits(int width, int height) { return std::min(width, height) >= 256; }

void embed_still_watermark(Image8& image, uint32_t id, const WatermarkKey& key) {
  const ImageF change = change_of(image, 1.0f, id, key);
  for (size_t i = 0; i < image.data.size(); ++i)
    image.data[i] = static_cast<uint8_t>(
        std::clamp(std::floor(image.data[i] + change.data[i / 3] + 0.5f), 0.0f, 255.0f));
}

void embed_still_watermark(ImageF& image, uint32_t id, const WatermarkKey& key) {
  const ImageF change = change_of(image, 255.0f, id, key);
  for (size_t i = 0; i < image.data.size(); ++i) image.data[i] += change.data[i / 3] / 255.0f;
}

StillWatermarkResult read_still_watermark(const Image8& image, const WatermarkKey& key,
                                          WatermarkSearch depth) {
  StillWatermarkResult out;
  if (image.channels != 3)
    throw Error(ErrorCode::kBadInput, "only RGB pictures can be read for a watermark",
                "convert the picture to RGB first");
  if (std::min(image.width, image.height) < 128) {
    out.reason = "too small: pictures under 128 pixels are not looked at";
    return out;
  }
  const ChipPlan plan = ChipPlan::still(key);
  const PilotSearch search(plan, kStillChips);
  const auto frame = media::Frame::from_rgb8(image, 0, {25, 1});
  FoldedEvidence folded;
  folded.width = image.width;
  folded.height = image.height;
  folded.picture = {still_evidence(reduced_luma(frame, kStillChips, kSamples), kSamples)};
  const auto attempt = [&](const GridPose& pose, double log_poses) {
    ChipSums sums(plan);
    sums.add(
        folded.picture[0],
        chips_of_pose(plan, pose, kStillChips, image.width, image.height, folded.picture[0].size()),
        0);
    const auto r = sums.read();
    const double confidence = confidence_of_score(r.score, plan.id_bits, log_poses);
    const double presence = confidence_of_score(r.pilot_score, 0, log_poses);
    const bool found = r.valid && confidence >= kAcceptConfidence;
    if (!found && r.pilot_score <= out.pilot_score) return found;
    out.found = found;
    out.id = found ? static_cast<uint32_t>(r.id) : 0;
    out.present = found || presence >= kAcceptConfidence;
    out.confidence = found ? confidence : out.present ? presence : 0;
    out.score = r.score;
    out.pilot_score = r.pilot_score;
    out.registration = {pose.scale,
                        pose.rotation_rad * 180 / M_PI,
                        pose.mirrored,
                        pose.offset_x_px / image.width,
                        pose.offset_y_px / image.height,
                        0};
    return found;
  };
  const auto attempt_all = [&](const std::vector<GridPose>& poses, double log_poses, size_t most) {
    for (size_t i = 0; i < std::min(most, poses.size()); ++i)
      if (poses[i].score >= 3.5 && attempt(search.refined(folded, poses[i]), log_poses))
        return true;
    return false;
  };
  if (!attempt_all(search.framed({folded}), kLogPosesQuick, 2) && depth == WatermarkSearch::kFull &&
      !out.present)
    attempt_all(search.anywhere({folded}, false), kLogPosesFull, 6);
  out.reason = out.found     ? "watermark read and verified"
               : out.present ? "a watermark is present, but too weak to read its id"
                             : "no watermark found";
  return out;
}

}  // namespace likeness::trust
