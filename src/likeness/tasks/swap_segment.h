// SPDX-License-Identifier: Apache-2.0
// Rendering one segment of a swap: decode, render, encode at the same time, in constant memory.
#pragma once

#include <functional>
#include <map>

#include "likeness/base/run.h"
#include "likeness/media/video.h"
#include "likeness/project/project.h"
#include "likeness/swap/render.h"

namespace likeness::tasks {

/// What happened to the frames of a segment.
struct SegmentCounts {
  int64_t frames = 0, swapped = 0, no_face = 0, other_face = 0, failed = 0;
  nlohmann::json failures = nlohmann::json::array();  ///< the first 20: {frame, why}
  nlohmann::json damage = nlohmann::json::array();
};

struct Segment {
  std::filesystem::path source;
  FrameIndex begin = 0, end = 0;
  /// Per model: its renderer and the tracks it is laid on.
  std::vector<std::pair<const swap::Renderer*, std::vector<int>>> layers;
  /// Drawn over the masks; of all frames.
  const std::vector<swap::Polygon>& polygons;
  /// Faces of frames begin-1 .. end (one more on each side for motion), sorted by frame.
  std::vector<face::Face> faces;
};

/// Motion of a face from frame to frame, in pixels: half the way from the frame before to the frame
/// after, one-sided at the ends of a track; either may be null.
Point2 face_motion(const face::Face* before, const face::Face& here, const face::Face* after);

/// Calls `write` for every frame in order. A frame that cannot be rendered passes unchanged and is
/// counted.
SegmentCounts render_segment(const Segment& segment,
                             const std::function<void(const media::Frame&)>& write,
                             Progress& progress, const Cancel& cancel);

}  // namespace likeness::tasks
