// SPDX-License-Identifier: Apache-2.0
// Inside the watermark's reader: from frames to evidence pictures, one per slot of time. An
// evidence picture says at each point how much a chip centred there would be + or -, divided by the
// local noise (log-likelihood up to one common factor).
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include <opencv2/core.hpp>

#include "likeness/media/video.h"

namespace likeness::trust {

inline constexpr double kSlotS = 0.125;
/// A frame exactly on a boundary belongs to the later slot in spite of rounding.
inline int64_t slot_of_time(double time_s) {
  return static_cast<int64_t>(std::floor(time_s / kSlotS + 1e-4));
}

/// Luma in grey levels of 8 bit, averaged over areas down to `samples` per distance of chips.
cv::Mat reduced_luma(const media::Frame& frame, double chips, double samples);
inline constexpr double kSamplesPerChip = 4;

struct ReducedFrame {
  double time_s = 0;
  cv::Mat luma;
};

struct SlotEvidence {
  std::vector<int64_t> slot;  ///< ascending
  std::vector<cv::Mat> evidence;
  int width = 0, height = 0;  ///< of the pictures in the file, in pixels
};

/// `shift_s` moves the boundaries of the slots. What a slot has in common with its neighbours is
/// predicted from them by local least squares and taken off: marks differ, the scene does not.
SlotEvidence slot_evidence(const std::vector<ReducedFrame>& frames, double shift_s);

/// The same from one picture alone.
cv::Mat still_evidence(const cv::Mat& luma, double samples_per_chip);

}  // namespace likeness::trust
