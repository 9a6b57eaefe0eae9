// SPDX-License-Identifier: Apache-2.0
// Which part of mesh space is skin in both faces. Hair and background reach in from the edge: they
// are far darker, of another hue, or never the same.
#pragma once

#include <algorithm>
#include <vector>

#include "likeness/base/image.h"
#include "likeness/face/mesh_warp.h"

namespace likeness::train {

/// One person's light-free textures, what is seen in each, and their mean (RGB float [0,1]).
struct Samples {
  const std::vector<ImageF>& texture;
  const std::vector<ImageF>& visible;
  const ImageF& mean;
};

/// 1 where both faces show skin, 0 where something else of either comes in from the edge of the
/// layout; falls off inside the skin. samples[0] is what would be pasted, samples[1] what would be
/// covered.
ImageF skin_of(const Samples samples[2], const face::MeshLayout& layout);

/// Value at fraction p of the sorted values. `values` is not empty.
inline float percentile_of(std::vector<float> values, double p) {
  const auto k = static_cast<size_t>(p * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + static_cast<long>(k), values.end());
  return values[k];
}

}  // namespace likeness::train
