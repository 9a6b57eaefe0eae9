// SPDX-License-Identifier: Apache-2.0
// What a person drew over the mask of the new face: polygons, and strokes of a round brush.
#pragma once

#include <vector>

#include "likeness/base/image.h"
#include "likeness/base/time.h"

namespace likeness::swap {

enum class Drawn {
  kExclude,  ///< takes the mask to 0
  kInclude,  ///< raises it
  kErase,    ///< gives it back as it was before anything was drawn
};

struct Polygon {
  FrameIndex first = 0, last = 0;  ///< inclusive
  Drawn kind = Drawn::kExclude;
  /// Where the points lie. On the face: in the unit square of its aligned crop (CropType::kWhole),
  /// so that the polygon moves, turns and grows with the head. On the frame: in units of its width
  /// and height, for what stands still in the picture. Neither depends on the picture's size.
  bool on_face = true;
  int track = -1;  ///< of the only face that it is drawn over; -1: every one that is changed
  /// At least three corners; of a stroke at least one point of its path.
  std::vector<Point2> points;
  /// Above 0: a stroke. In the unit of the points; of the width on the frame.
  float radius = 0;
};

}  // namespace likeness::swap
