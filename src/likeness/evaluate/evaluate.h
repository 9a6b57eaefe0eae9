// SPDX-License-Identifier: Apache-2.0
// Scores a swapped clip against the footage it was made from and, where there is one, the truth.
//
// `target` is the footage that was changed (the performer acts), `result` what came out, `truth`
// what a perfect swap would show, `mask` white where the face may change. All have the same size
// and number of frames. Videos are read side by side in constant memory; frames are scored in
// parallel; the result does not depend on the number of threads.
//
// In each frame the face of the target that is nearest to the performer's embedding is scored; the
// result's and truth's face is looked for at the same place (then anywhere). The *region* is the
// mask video where given, else the hull of the target face's oval. Definitions:
//   frames_swapped   frames whose result differs from the target inside the region by more than
//   coding: block
//                    difference (metrics.h) inside > 1 + 2 x outside, in 8-bit levels.
//                    frames_passed: the rest.
//   scored frames    frames in which the performer's face was found in the target, except those
//   that were
//                    passed and whose target face is not the performer's (embedding distance >=
//                    0.6).
//   distance_to_*    mean Euclidean distance of the result's dlib embedding (same person <
//   0.5..0.6) over scored
//                    frames with a face in the result. closer_to_identity_pct: share of these with
//                    distance_to_identity < distance_to_performer.
//   landmark_error_pct  mean distance of the 68 points, result to truth (else target), in % of the
//   distance
//                    between the reference's eye centres; mean over frames.
//   pose_error_deg   angle of the rotation between the two head poses (geodesic); mean over frames.
//   psnr_truth, ssim_truth  inside the region, metrics.h; each frame's PSNR comes from its own mean
//   squared error,
//                    and the frames' values are averaged.
//   ssim_outside     result against target outside the region grown by a quarter of the eye
//   distance; the whole
//                    frame where there is no region.
//   jitter_px        e(t) = 68 points of the result - of the reference (truth, else target); mean
//   magnitude of
//                    e(t-1) - 2 e(t) + e(t+1) over points and frames: motion that the reference
//                    does not have.
//   flicker          c(t) = mean colour of (result - target) inside the region, 8-bit levels; mean
//   over frames and
//                    channels of |c(t) - c(t-1)|. flicker_truth: the same against the truth.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/run.h"
#include "likeness/face/analyse.h"

namespace likeness::evaluate {

struct Inputs {
  std::filesystem::path result, target;
  std::filesystem::path truth, mask;  ///< optional: empty when there is none
};

struct EvaluateOptions {
  bool per_frame = true;  ///< arrays per frame in the JSON
  int worst = 5;          ///< how many of the worst frames to name
};

inline constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

/// Values of one frame; NaN = not measured.
struct FrameScore {
  int64_t frame = 0;
  bool target_face = false, result_face = false, swapped = false, scored = false;
  double distance_to_identity = kNotMeasured, distance_to_performer = kNotMeasured;
  double target_distance_to_performer = kNotMeasured;
  double landmark_error_pct = kNotMeasured, pose_error_deg = kNotMeasured;
  double psnr_truth = kNotMeasured, ssim_truth = kNotMeasured, ssim_outside = kNotMeasured;
  double psnr_untouched = kNotMeasured, ssim_untouched = kNotMeasured;
  double jitter_px = kNotMeasured, flicker = kNotMeasured, flicker_truth = kNotMeasured;
};

struct Evaluation {
  int64_t frames = 0, frames_swapped = 0, frames_passed = 0, frames_scored = 0;
  int64_t faces_missed_target = 0;  ///< frames in which the target shows no face that we find
  int64_t faces_missed_result = 0;  ///< frames with a face in the target and none in the result
  double distance_to_identity = kNotMeasured, distance_to_performer = kNotMeasured;
  double closer_to_identity_pct = kNotMeasured;
  double landmark_error_pct = kNotMeasured, pose_error_deg = kNotMeasured;
  double ssim_truth = kNotMeasured, psnr_truth = kNotMeasured, ssim_outside = kNotMeasured;
  double jitter_px = kNotMeasured, flicker = kNotMeasured, flicker_truth = kNotMeasured;
  /// The target itself scored as if it were the result: what doing nothing gets.
  double psnr_untouched = kNotMeasured, ssim_untouched = kNotMeasured;
  double identity_to_performer = kNotMeasured;  ///< distance of the two given embeddings
  double eye_distance_px = kNotMeasured;        ///< mean, of the reference
  bool has_truth = false, has_mask = false;
  std::vector<FrameScore> per_frame;
  std::vector<int64_t>
      worst_frames;  ///< worst first: no face, then least like the identity, then PSNR

  /// Keys as named above; not measured = null. `per_frame` holds one array per value.
  nlohmann::json to_json(bool with_per_frame = true) const;
};

/// Throws kNotFound, kBadInput (sizes or numbers of frames that do not fit together, unreadable
/// files), kCancelled.
Evaluation evaluate(const Inputs& inputs, const face::Embedding& identity,
                    const face::Embedding& performer, const face::FaceNets& nets,
                    Progress& progress, const Cancel& cancel, const EvaluateOptions& options = {});

}  // namespace likeness::evaluate
