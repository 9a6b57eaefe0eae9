// SPDX-License-Identifier: Apache-2.0
// How usable a face is: size, sharpness, exposure, occlusion. Inside the face module only.
#pragma once

#include <array>
#include <map>

#include "likeness/face/face.h"

namespace likeness::face {

/// Skin of one face as a Gaussian over (log luma, log R/G, log B/G).
struct SkinModel {
  std::array<float, 3> mean{};
  std::array<float, 3> sigma{};
  float frames = 0;  ///< how many it was learnt from; 0 = unknown
};

class QualityMeter {
 public:
  /// Frames of a track must come in order: its skin model learns from them. `points` in pixels of
  /// `image`; the caller puts size_px into frame pixels.
  Quality measure(const Image8& image, const Points& points, int track);
  void forget_tracks() { skin_.clear(); }

 private:
  std::map<int, SkinModel> skin_;
};

}  // namespace likeness::face
