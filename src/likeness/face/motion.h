// SPDX-License-Identifier: Apache-2.0
// What the pixels say about the motion of a mesh, and landmarks made steady with it. Inside the
// face module only.
//
// Landmark nets err by a pixel or two, anew in every frame; dense optical flow (DIS: Kroeger et al.
// 2016) between neighbouring frames errs by a tenth of that, but drifts. Together they are a
// random walk that is observed: the state is where a point is, the flow predicts it, the landmark
// measures it, and the smoother of Rauch, Tung and Striebel (1965) gives the best estimate from the
// frames before and after, without lag.
#pragma once

#include <memory>

#include "likeness/face/prepare.h"
#include "likeness/face/smooth.h"

namespace likeness::face {

/// Motion of every mesh point from the frame before, as the pixels show it.
struct Motion {
  static constexpr float kUnit_px = 1 / 32.0f;
  static constexpr uint8_t kUnknown = 255;
  std::array<int16_t, 2 * kMeshPoints> step{};  ///< x, y in kUnit_px
  /// How far the way there and back ends from its start, in 1/256 of the eye distance; kUnknown:
  /// no frame before, or the motion left the image.
  std::array<uint8_t, kMeshPoints> doubt;
  Motion() { doubt.fill(kUnknown); }
};

class MotionMeter {
 public:
  /// Motions of the faces of one frame; frames come in order.
  std::vector<Motion> measure(const PreparedPtr& prepared, const std::vector<Face>& faces);

 private:
  PreparedPtr before_;
  std::vector<Face> faces_before_;
};

using ReadMotion = std::function<const Motion&(size_t)>;
/// Steadies consecutive frames of one track in place; mesh points only, x and y. `strength` 1 is
/// the landmark nets' own noise. Each frame is read before it, or one near it, is written.
void steady_sequence(size_t frames, float strength, const ReadPoints& read,
                     const ReadMotion& motion,
                     const std::function<void(size_t, const Points&)>& write);

}  // namespace likeness::face
