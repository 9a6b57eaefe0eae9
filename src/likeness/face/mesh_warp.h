// SPDX-License-Identifier: Apache-2.0
// Faces in "mesh space": every face is unwrapped by the 468-point mesh onto one fixed 2D layout, so
// that pose, place and most of the expression are gone and pixel (x, y) is always the same spot of
// the skin. Piecewise affine over the canonical face's 898 triangles plus a ring of 72 around the
// face oval.
//
// A layout is a frontal view with the mouth open (in the canonical UV the inner mouth has no area,
// so teeth would vanish). All functions are pure and thread-safe.
#pragma once

#include <vector>

#include "likeness/face/face.h"

namespace likeness::face {

inline constexpr int kRingPoints = 36;
inline constexpr int kWarpPoints = kMeshPoints + kRingPoints;
using WarpPoints = std::array<Point3, kWarpPoints>;

/// Mesh points and the ring around their oval: the oval scaled by 1 + `ring` about its centre.
WarpPoints with_ring(const Points& points, float ring);

struct MeshLayout {
  int size_px = 0;
  float ring = 0.10f;
  std::array<Point2, kWarpPoints> position_px{};
  std::vector<int> triangle;  ///< per pixel, -1 outside
  ImageF coverage;            ///< 1 inside the oval, falling smoothly to 0 at the ring's outer edge
  /// The face up to its silhouette: below the eyes 1 to just inside the oval and 0 from there, with
  /// a step's edge; above them the same as coverage, for a forehead goes on as hair.
  ImageF silhouette;
  ImageF inner;     ///< the same with an edge that falls off inside the silhouette
  ImageF priority;  ///< 1 at eyes, brows and mouth, soft edges, 0 elsewhere
  ImageF eyes;      ///< 1 between the lids, soft edges, 0 elsewhere
};
/// From 468 mesh positions in any unit (x right, y down); fitted to the square with the ring
/// inside.
MeshLayout make_layout(const std::array<Point2, kMeshPoints>& shape, int size_px);

/// Triangles over kWarpPoints vertices: the canonical 898 and the ring.
const std::vector<std::array<int, 3>>& warp_triangles();

/// The face of `image` under `points`, unwrapped: size_px x size_px x 3, float [0,1]. Pixels that
/// the image does not cover repeat its border. Averages 2x2 samples when the face is larger than
/// the layout.
ImageF unwrap(const Image8& image, const Points& points, const MeshLayout& layout);
ImageF unwrap(const ImageF& image, const Points& points, const MeshLayout& layout);
/// How well each layout pixel is seen, 0..1: 0 on triangles that face away, soft at the contour.
ImageF visibility(const Points& points, const MeshLayout& layout);

/// Where each pixel of a region of the frame lies in the layout.
struct FrameMap {
  Rect region;
  std::vector<Point2> layout_px;  ///< x < -1e3 where the face is not
};
/// Hidden surfaces removed by depth. The region is the mesh's box clipped to the frame.
FrameMap map_frame(const Points& points, const MeshLayout& layout, int frame_width,
                   int frame_height);
/// Catmull-Rom sampling of a layout image of one to three channels; 0 where the map has no face.
ImageF wrap(const ImageF& layout_image, const FrameMap& map);

}  // namespace likeness::face
