// SPDX-License-Identifier: Apache-2.0
// The pixel terms of losses.h for one colour plane, with their gradient. No torch here.
#pragma once

#include <vector>

namespace likeness::nets {

struct PlaneWeights {
  float dssim = 0, l1 = 0, mse = 0, priority = 0, edge = 0;
  std::vector<float> window;  ///< taps of DSSIM, symmetric; at most `side`
};
struct PlaneTerms {
  double dssim = 0, l1 = 0, mse = 0, priority = 0, edge = 0;  ///< weighted means over the plane
};

/// Scratch of one thread, reused between planes.
struct PlaneScratch {
  std::vector<float> values;
};

/// predicted, target: side x side, read with strides in floats. weight, priority: side x side
/// contiguous or null. gradient (same strides as predicted, overwritten): scale * d(sum of the
/// terms)/d predicted.
PlaneTerms plane_loss(const float* predicted, long stride_y, long stride_x, const float* target,
                      const float* weight, const float* priority, int side,
                      const PlaneWeights& weights, float scale, float* gradient,
                      PlaneScratch& scratch);

}  // namespace likeness::nets
