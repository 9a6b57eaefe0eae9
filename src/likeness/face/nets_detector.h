// SPDX-License-Identifier: Apache-2.0
// BlazeFace: anchors, decoding and merging of detections. Internal to the face networks.
#pragma once

#include <vector>

#include "likeness/face/analyse.h"
#include "likeness/tensor/executor.h"

namespace likeness::face {

class BlazeFace {
 public:
  struct Grid {
    int cells = 0;  ///< cells x cells
    int anchors_per_cell = 0;
  };
  BlazeFace(const tensor::Graph& graph, std::vector<Grid> grids);
  /// Appends what the net finds in the square `side_px` at `centre`; outside the image is black.
  /// Places and results are in pixels of the full image, `reduced` is that image reduced by
  /// `reduction`.
  void detect(const Image8& reduced, int reduction, Point2 centre, float side_px,
              std::vector<Detection>& out) const;

 private:
  tensor::Executor net_;
  std::vector<Point2> anchors_;  ///< in [0,1] of the input square
  int size_ = 0;
  int boxes_output_ = 0, scores_output_ = 0;
};

/// Weighted non-maximum suppression: detections that overlap by more than `overlap` (intersection
/// over union) become one, the mean weighted by score. Sorted by score, best first.
std::vector<Detection> merge_detections(std::vector<Detection> detections, float overlap = 0.3f);

}  // namespace likeness::face
