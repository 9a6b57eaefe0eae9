// SPDX-License-Identifier: Apache-2.0
// Watermark of a single picture: a 32-bit id on a grid of the same kind as the video's (see
// watermark_video.h), with finer chips because there is no time to add over.
#pragma once

#include <cstdint>

#include "likeness/base/image.h"
#include "likeness/trust/watermark_key.h"
#include "likeness/trust/watermark_video.h"

namespace likeness::trust {

struct StillWatermarkResult {
  bool found = false;
  uint32_t id = 0;
  bool present = false;
  double confidence = 0;  ///< -log10 of the probability of a false accept; at least 9 if found
  double score = 0, pilot_score = 0;
  WatermarkRegistration registration;
  std::string reason;
};

/// At least 256 px on the shorter side.
bool still_watermark_fits(int width, int height);

/// Marks an RGB picture (luma only; the same amount is added to R, G and B). Throws kUnsupported
/// when it is too small, kBadInput when it is not RGB.
void embed_still_watermark(Image8& image, uint32_t id,
                           const WatermarkKey& key = WatermarkKey::product());
/// The same for a float picture in [0, 1] (16-bit files).
void embed_still_watermark(ImageF& image, uint32_t id,
                           const WatermarkKey& key = WatermarkKey::product());

StillWatermarkResult read_still_watermark(const Image8& image,
                                          const WatermarkKey& key = WatermarkKey::product(),
                                          WatermarkSearch search = WatermarkSearch::kFull);

/// The id of a still that belongs to a longer id: its upper half xor its lower half.
inline uint32_t still_id(uint64_t id) { return static_cast<uint32_t>(id ^ (id >> 32)); }

}  // namespace likeness::trust
