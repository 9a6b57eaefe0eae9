// SPDX-License-Identifier: Apache-2.0
// Scene cuts by the distance of colour histograms. Inside the face module only.
#pragma once

#include <deque>
#include <vector>

#include "likeness/base/image.h"

namespace likeness::face {

/// What of a small picture stays alike while things only move, and a thumbnail.
struct SceneSignature {
  std::vector<float> bins;   ///< 3 x 3 cells: luma, then two chroma differences; each sums to 1
  std::vector<float> thumb;  ///< luma, 48 x 27
};
SceneSignature scene_signature(const Image8& small);
/// Of the histograms: 0 = alike .. 1 = nothing in common; mean over all cells but the two that
/// changed most, for a person who walks in.
float scene_distance(const SceneSignature& a, const SceneSignature& b);
/// Of the thumbnails: mean absolute difference, 0..1.
float picture_difference(const SceneSignature& a, const SceneSignature& b);

/// Decides where scenes begin. A cut is a change of the histograms beyond the threshold, or a
/// change of the picture that stands out from the frames before and after it (a jump cut in one
/// room).
class SceneCuts {
 public:
  explicit SceneCuts(float threshold) : threshold_(threshold) {}
  /// Gives whether the frame *before* this one began a scene (nothing to say at the first call).
  bool add(SceneSignature signature);
  bool last();  ///< the same for the last frame

 private:
  bool decide(float next_difference) const;
  float threshold_;
  int frames_ = 0;
  SceneSignature newest_;
  float distance_ = 0, difference_ = 0;  ///< of the newest frame to the one before
  std::deque<float> before_;             ///< differences of the frames before that
};

}  // namespace likeness::face
