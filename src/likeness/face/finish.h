// SPDX-License-Identifier: Apache-2.0
// The last stage of an analysis: quality and identity per frame, then tracks over the whole clip.
// Inside the face module only.
#pragma once

#include <map>

#include "likeness/face/motion.h"
#include "likeness/face/prepare.h"
#include "likeness/face/quality.h"

namespace likeness::face {

class Finisher {
 public:
  Finisher(const FaceNets& nets, const AnalysisOptions& options, const FrameVisitor& visitor,
           ClipAnalysis& out)
      : nets_(nets), options_(options), visitor_(visitor), out_(out) {}
  void take(TrackedFrame& tracked);
  /// One for each of out.faces.
  const std::vector<Motion>& motions() const { return motions_; }

 private:
  bool embedding_due(const Face& face) const;
  const FaceNets& nets_;
  const AnalysisOptions& options_;
  const FrameVisitor& visitor_;
  ClipAnalysis& out_;
  QualityMeter meter_;
  MotionMeter motion_meter_;
  std::vector<Motion> motions_;
  std::map<int, FrameIndex> embedded_;  ///< last frame by track
};

/// Smooths, with jitter before and after; then tracks, splits where a track changed its person,
/// clusters. `motions`: one for each of out.faces, or none.
void finish_analysis(ClipAnalysis& out, const std::vector<Motion>& motions,
                     const AnalysisOptions& options);

}  // namespace likeness::face
