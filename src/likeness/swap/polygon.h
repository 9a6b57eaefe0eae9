// SPDX-License-Identifier: Apache-2.0
// A polygon that a person drew over the mask of the new face.
#pragma once

#include <vector>

#include "likeness/base/image.h"
#include "likeness/base/time.h"

namespace likeness::swap {

struct Polygon {
  FrameIndex first = 0, last = 0;  ///< inclusive
  bool include = false;            ///< raises the mask; else takes it to 0
  /// Where the points lie. On the face: in the unit square of its aligned crop (CropType::kWhole),
  /// so that the polygon moves, turns and grows with the head. On the frame: in units of its width
  /// and height, for what stands still in the picture. Neither depends on the picture's size.
  bool on_face = true;
  int track = -1;  ///< of the only face that it is drawn over; -1: every one that is changed
  std::vector<Point2> points;  ///< at least three
};

}  // namespace likeness::swap
