// SPDX-License-Identifier: Apache-2.0
// The last stage of an analysis: quality and identity per frame, then tracks over the whole clip.
// Inside the face module only.
#pragma once

#include <map>

#include "likeness/face/prepare.h"
#include "likeness/face/quality.h"

namespace likeness::face {

class Finisher {
 public:
  Finisher(const FaceNets& nets, const AnalysisOptions& options, const FrameVisitor& visitor,
           ClipAnalysis& out)
      : nets_(nets), options_(options), visitor_(visitor), out_(out) {}
  void take(TrackedFrame& tracked);

 private:
  bool embedding_due(const Face& face) const;
  const FaceNets& nets_;
  const AnalysisOptions& options_;
  const FrameVisitor& visitor_;
  ClipAnalysis& out_;
  QualityMeter meter_;
  std::map<int, FrameIndex> embedded_;  ///< last frame by track
};

/// Tracks, splits where a track changed its person, clusters, smooths, jitter before and after.
void finish_analysis(ClipAnalysis& out, const AnalysisOptions& options);

}  // namespace likeness::face
