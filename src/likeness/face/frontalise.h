// SPDX-License-Identifier: Apache-2.0
// A face turned to the front through its mesh. Expression stays; what the camera did not see is
// taken from the other half of the face.
#pragma once

#include "likeness/face/geometry.h"

namespace likeness::face {

struct Frontal {
  Image8 image;   ///< size_px square RGB; outside the face the nearest colours, blurred
  ImageF mask;    ///< 1 on the face
  ImageF seen;    ///< how well the camera saw the skin itself, 0..1; the rest is mirrored
  Points points;  ///< in pixels of `image`
};
/// `points` in pixels of `image`. `type` sets the framing, as crop_from_image does for frontal
/// faces.
Frontal frontalise(const Image8& image, const Points& points, CropType type, int size_px);

}  // namespace likeness::face
