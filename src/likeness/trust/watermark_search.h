// SPDX-License-Identifier: Apache-2.0
// Inside the watermark's reader: where the grid lies (registration by the pilots) and reading the
// message once it is known.
#pragma once

#include <cstdint>
#include <vector>

#include <opencv2/core.hpp>

#include "likeness/trust/watermark_grid.h"
#include "likeness/trust/watermark_video.h"

namespace likeness::trust {

/// Chip (i, j) lies at centre + (offset_x, offset_y) + scale * pitch * R(rotation) * (+-i, j); the
/// offset in pixels.
struct GridPose {
  double scale = 1, rotation_rad = 0;
  bool mirrored = false;
  double offset_x_px = 0, offset_y_px = 0;
  int phase = 0;     ///< marked slot - slot in the file, modulo the pilots' period
  int shift = 0;     ///< which of the sets of evidence (boundaries of slots moved)
  double score = 0;  ///< of the pilots, in sigmas
};

/// Evidence of a span of time: pictures added up per residue of the slot modulo the pilots' period.
struct FoldedEvidence {
  std::vector<cv::Mat> picture;  ///< [pilot_period]; may hold empty ones
  int width = 0, height = 0;     ///< of the file's pictures in pixels
};

/// Value of evidence at the chips that lie inside the picture.
struct ChipSamples {
  std::vector<int> chip;        ///< index on the torus
  std::vector<cv::Point2f> at;  ///< in the evidence picture
};
ChipSamples chips_of_pose(const ChipPlan& plan, const GridPose& pose, double chips, int width,
                          int height, cv::Size evidence);
float sample(const cv::Mat& picture, cv::Point2f at);

class PilotSearch {
 public:
  PilotSearch(const ChipPlan& plan, double chips);
  /// Best poses with the picture as framed, both mirrors, all phases.
  std::vector<GridPose> framed(const std::vector<FoldedEvidence>& shifts) const;
  /// Best poses over scale, rotation, mirror, offset; phases all, or only 0 at shift 0.
  std::vector<GridPose> anywhere(const std::vector<FoldedEvidence>& shifts, bool all_phases) const;
  /// Climbs to the best pose near by.
  GridPose refined(const FoldedEvidence& folded, GridPose pose) const;
  double score(const FoldedEvidence& folded, const GridPose& pose) const;

 private:
  struct Candidate;
  void spectra(const FoldedEvidence& folded, const GridPose& pose, std::vector<cv::Mat>& out,
               double& energy) const;
  void search_offsets(const FoldedEvidence& folded, GridPose pose, bool all_phases,
                      std::vector<GridPose>& best) const;

  const ChipPlan& plan_;
  double chips_;
  std::vector<cv::Mat> pilot_spectra_;
};

/// Adds up what the chips say over any number of slots at one pose.
class ChipSums {
 public:
  explicit ChipSums(const ChipPlan& plan);
  /// `marked_slot`: slot of the evidence + phase.
  void add(const cv::Mat& evidence, const ChipSamples& where, int64_t marked_slot);
  struct Reading {
    bool valid = false;  ///< version and CRC are right
    uint64_t id = 0;
    double score = 0;  ///< all chips against the read message, in sigmas
    double pilot_score = 0;
    int turn = 0;  ///< pilots' periods to add to the phase
  };
  /// The best message; tries the phases that the pilots cannot tell apart.
  Reading read() const;
  int slots() const { return slots_; }

 private:
  const ChipPlan* plan_;
  std::vector<float> sums_;  ///< [slots][chips]
  int slots_ = 0;
};

/// -log10 of the probability that an unmarked file reaches this score with any id, for any of
/// e^log_hypotheses poses. The signs of the chips are random, so the sum is sub-Gaussian whatever
/// the picture shows (Hoeffding 1963); the union bound runs over all ids and poses.
double confidence_of_score(double score, int id_bits, double log_hypotheses);
inline constexpr double kLogPosesFull = 24, kLogPosesQuick = 8;
inline constexpr double kAcceptConfidence = 9;

}  // namespace likeness::trust
