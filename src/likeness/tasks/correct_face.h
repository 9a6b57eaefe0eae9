// SPDX-License-Identifier: Apache-2.0
// Correcting what was detected, by hand: a moved box, moved landmarks, or the face of another
// frame.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "likeness/project/project.h"

namespace likeness::tasks {

/// One of the 68 points of landmarks68() and where it belongs, in pixels of the frame.
struct MovedPoint {
  int index = 0;
  Point2 to;
};

struct FaceCorrection {
  std::optional<Box> box;               ///< the mesh is moved and scaled into it
  std::vector<MovedPoint> landmarks;    ///< the mesh follows them smoothly
  std::optional<FrameIndex> copy_from;  ///< start from this frame's face of the same track
};

/// Stores the corrected row (pose solved anew) and gives it. Throws kNotFound (no face to start
/// from), kUsage (outside of all sense: not finite, a box without area).
face::Face correct_face(project::Project& project, int64_t media, FrameIndex frame, int track,
                        const FaceCorrection& correction);

/// Mesh whose 68 points go where they were moved: each displacement counts with a Gaussian of half
/// the distance of the eyes, and the moved points are met exactly. The others keep their place.
face::Points follow_landmarks(const face::Points& points, const std::vector<MovedPoint>& moved);

}  // namespace likeness::tasks
