// SPDX-License-Identifier: Apache-2.0
// From a decoded frame to what the nets look at. Inside the face module only.
#pragma once

#include "likeness/face/tracker.h"

namespace likeness::face {

/// Part of a frame as RGB: view point = (frame point - origin) * scale.
struct View {
  Image8 own;  ///< empty when `image` belongs to the frame
  const Image8* image = nullptr;
  Point2 origin;
  float scale = 1;

  Points into(const Points& points) const;
  Points back(const Points& points) const;
};

std::shared_ptr<PreparedFrame> prepare_frame(media::Frame frame, const FaceNets& nets,
                                             const AnalysisOptions& options);
/// Pixels around a square at `centre`: the reduced frame when it still has `wanted_px` for the
/// side, else the region at full size.
View view_of(const PreparedFrame& prepared, Point2 centre, float side_px, float wanted_px);
/// The nets behind the tracker, coordinates in frame pixels.
FaceFinder finder_of(const FaceNets& nets, const AnalysisOptions& options);
/// How many frames may be held for going back in time: `detect_every`, less when frames are huge.
int frames_to_hold(const media::VideoInfo& info, const AnalysisOptions& options);

}  // namespace likeness::face
