// SPDX-License-Identifier: Apache-2.0
// Pure geometry of faces: canonical model, pose, crops, 68 points, jitter.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "likeness/face/face.h"

namespace likeness::face {

/// MediaPipe's metric face (models/face_geometry.binarypb): parsed once, bounds-checked.
struct CanonicalFace {
  std::array<Point3, kMeshPoints> position_cm;    ///< x right, y up, z to the camera
  std::array<Point2, kMeshPoints> uv;             ///< [0,1], v down
  std::vector<std::array<int, 3>> triangles;      ///< 898, covers eyes and mouth
  std::vector<std::pair<int, float>> procrustes;  ///< 33 (landmark, weight)
};
CanonicalFace parse_canonical_face(std::span<const uint8_t> bytes);  ///< throws kDamaged
const CanonicalFace& canonical_face();  ///< from models_folder(); throws kMissing

/// Weighted similarity Procrustes of the canonical face onto the points (weak perspective).
HeadPose solve_pose(const Points& points);
/// Canonical-frame points (cm) of a face: the pose undone. 478 points.
std::array<Point3, kPoints> canonical_from_image(const Points& points, const HeadPose& pose);
/// And back: image points (x, y px, z px) of canonical points under a pose.
Points image_from_canonical(const std::array<Point3, kPoints>& points_cm, const HeadPose& pose);

std::array<Point2, 68> landmarks68(
    const Points& points);                    ///< iBUG order, mapping of face-models.md 4.5
float eye_distance_px(const Points& points);  ///< between eye centres
const std::vector<int>& face_oval();          ///< 36 indices, in order around the face
enum class Part {
  kLeftEye,
  kRightEye,
  kLips,
  kInnerMouth,
  kLeftBrow,
  kRightBrow,
  kNose
};  // subject's left
const std::vector<int>& part_outline(Part part);

enum class CropType { kHalf, kFull, kWhole, kHead };
CropType crop_type(const std::string& name);  ///< "half", "full", "whole", "head"; throws kUsage
std::string crop_type_name(CropType type);
/// Similarity transform crop_from_image: Umeyama on stable points to the mean face, padding by type
/// as DeepFaceLab's faces (half 0, full 0.211, whole 0.40, head 0.70).
Affine2 crop_from_image(const Points& points, CropType type, int size_px);

/// Mean magnitude of the second difference of landmarks, in % of the eye distance (0 = perfectly
/// smooth motion). Input: consecutive frames of one track.
float jitter_pct(const std::vector<Points>& track);
/// Zero-phase smoothing over a track (no lag): local polynomial fit whose window shrinks with
/// speed, so that blinks and speech survive.
std::vector<Points> smooth_track(const std::vector<Points>& track, float strength = 1.0f);

}  // namespace likeness::face
