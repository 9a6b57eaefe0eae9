// SPDX-License-Identifier: Apache-2.0
// Scene cuts by the distance of colour histograms. Inside the face module only.
#pragma once

#include <vector>

#include "likeness/base/image.h"

namespace likeness::face {

/// Colour histograms of a 3 x 3 grid of a small picture: what stays alike while things only move.
struct SceneSignature {
  std::vector<float> bins;  ///< per cell: luma, then two chroma differences; each sums to 1
};
SceneSignature scene_signature(const Image8& small);
/// 0 = alike .. 1 = nothing in common; mean over all cells but the two that changed most.
float scene_distance(const SceneSignature& a, const SceneSignature& b);

}  // namespace likeness::face
