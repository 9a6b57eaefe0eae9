// SPDX-License-Identifier: Apache-2.0
// What the face module knows about one face, and the rules all its functions share.
// Landmarks are MediaPipe's: 468 mesh points, then 5 points per iris (478). x, y in pixels of the
// image the face was found in, z in the same scale (nose < 0). Angles in radians with the signs of
// `shared/performers`: yaw > 0 turns to the image's right, pitch > 0 looks up, roll > 0 tips the
// top of the head to the image's left. Canonical coordinates: centimetres, x right, y up, z to the
// camera.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "likeness/base/image.h"
#include "likeness/base/time.h"

namespace likeness::face {

inline constexpr int kMeshPoints = 468;
inline constexpr int kPoints = 478;
inline constexpr int kEmbeddingSize = 128;
using Points = std::array<Point3, kPoints>;
using Embedding = std::array<float, kEmbeddingSize>;  ///< dlib ResNet, Euclidean; same person < 0.5

struct HeadPose {
  std::array<float, 9> rotation{1, 0, 0, 0, 1,
                                0, 0, 0, 1};  ///< row-major, camera_from_canonical (y up)
  float scale_px_per_cm = 1;
  Point2 translation_px;  ///< image position of the canonical origin
  float translation_z_px = 0;
  float yaw_rad = 0, pitch_rad = 0, roll_rad = 0;
};

struct Quality {
  float sharpness = 0;  ///< variance of Laplacian of the 128 px luma crop, /1000, 0..1 clamped
  float size_px = 0;    ///< longer side of the mesh's box
  float exposure = 0;   ///< 1 = well exposed, 0 = all crushed or clipped
  float occlusion = 0;  ///< share of the hull whose colour disagrees with the skin model, 0..1
};

struct Face {
  FrameIndex frame = 0;
  int track = -1;
  Box box;             ///< bounding box of the mesh
  float presence = 0;  ///< 0..1, sigmoid of the mesh net's logit
  Points points{};
  bool has_points = true;  ///< false: they lie sealed in a project, and no key is open
  HeadPose pose;
  Quality quality;
  bool has_embedding = false;
  Embedding embedding{};
  bool manual = false;  ///< corrected by hand: analysis must not overwrite it
};

/// Where the model files lie: LIKENESS_MODELS, else .cache/models beside the source tree, else
/// /usr/share/likeness/models, else ~/.cache/likeness/models.
std::filesystem::path models_folder();

}  // namespace likeness::face
