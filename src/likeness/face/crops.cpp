// SPDX-License-Identifier: Apache-2.0
// 68 points, outlines of the parts, and the aligned crops.
#include <cmath>

#include <Eigen/Dense>

#include "likeness/base/error.h"
#include "likeness/face/geometry.h"

namespace likeness::face {
namespace {

// face-models.md 4.5
constexpr std::array<int, 68> kMeshOf68 = {
    127, 234, 93,  132, 58,  136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,  // jaw
    70,  63,  105, 66,  55,  285, 296, 334, 293, 300,                                     // brows
    168, 197, 5,   4,   75,  97,  2,   326, 305,                                          // nose
    33,  160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,                           // eyes
    61,  39,  37,  0,   267, 269, 291, 405, 314, 17,  84,  181,  // outer lips
    78,  82,  13,  312, 308, 317, 14,  87};                      // inner lips

// Brows, nose, eyes and a mouth corner: what keeps its place while a person talks
// (peers-face.md 1.1).
constexpr int kStableFirst = 17, kStableLast = 48, kStableCorner = 54;

struct MeanFace {
  std::vector<int> index;      ///< mesh points
  std::vector<Point2> target;  ///< in the unit square
};

// The canonical face seen from the front, in a square as wide as the brows and centred halfway
// between eyes and mouth. Other people's mean faces (measured ones) agree with it to a few per
// cent.
const MeanFace& mean_face() {
  static const MeanFace mean = [] {
    const auto& position = canonical_face().position_cm;
    const float side_cm = position[300].x - position[70].x;
    const float eyes_y = (position[33].y + position[133].y + position[362].y + position[263].y) / 4;
    const float mouth_y = (position[61].y + position[291].y) / 2;
    const float middle_y = (eyes_y + mouth_y) / 2;
    MeanFace out;
    for (int i = kStableFirst; i <= kStableLast + 1; ++i) {
      const int mesh = kMeshOf68[i <= kStableLast ? i : kStableCorner];
      out.index.push_back(mesh);
      out.target.push_back(
          {position[mesh].x / side_cm + 0.5f, (middle_y - position[mesh].y) / side_cm + 0.5f});
    }
    return out;
  }();
  return mean;
}

float padding_of(CropType type) {
  switch (type) {
    case CropType::kHalf:
      return 0.f;
    case CropType::kFull:
      return 0.2109375f;
    case CropType::kWhole:
      return 0.40f;
    case CropType::kHead:
      return 0.70f;
  }
  return 0.f;
}

// Least-squares similarity (no mirror) from the image to the mean face: Umeyama 1991 in two
// dimensions, where it has a closed form. This direction keeps turned faces from filling the crop.
Affine2 unit_from_image(const Points& points) {
  const MeanFace& mean = mean_face();
  const double n = static_cast<double>(mean.index.size());
  double ux = 0, uy = 0, ix = 0, iy = 0;
  for (size_t k = 0; k < mean.index.size(); ++k) {
    ux += mean.target[k].x / n, uy += mean.target[k].y / n;
    ix += points[mean.index[k]].x / n, iy += points[mean.index[k]].y / n;
  }
  double dot = 0, cross = 0, norm = 0;
  for (size_t k = 0; k < mean.index.size(); ++k) {
    const double ax = points[mean.index[k]].x - ix, ay = points[mean.index[k]].y - iy;
    const double bx = mean.target[k].x - ux, by = mean.target[k].y - uy;
    dot += ax * bx + ay * by, cross += ax * by - ay * bx, norm += ax * ax + ay * ay;
  }
  if (!(norm > 1e-9) || !(std::hypot(dot, cross) > 1e-9))
    throw Error(ErrorCode::kNoFace, "the landmarks of a face fall on one point",
                "exclude this face or correct its landmarks by hand");
  const double c = dot / norm, s = cross / norm;
  Affine2 out;
  out.m = {static_cast<float>(c), static_cast<float>(-s), static_cast<float>(ux - c * ix + s * iy),
           static_cast<float>(s), static_cast<float>(c),  static_cast<float>(uy - s * ix - c * iy)};
  return out;
}

}  // namespace

std::array<Point2, 68> landmarks68(const Points& points) {
  std::array<Point2, 68> out;
  for (int i = 0; i < 68; ++i) out[i] = {points[kMeshOf68[i]].x, points[kMeshOf68[i]].y};
  return out;
}

float eye_distance_px(const Points& points) {
  const Point2 right{(points[33].x + points[133].x) / 2, (points[33].y + points[133].y) / 2};
  const Point2 left{(points[362].x + points[263].x) / 2, (points[362].y + points[263].y) / 2};
  return distance(right, left);
}

const std::vector<int>& part_outline(Part part) {
  static const std::vector<int> left_eye{263, 466, 388, 387, 386, 385, 384, 398,
                                         362, 382, 381, 380, 374, 373, 390, 249};
  static const std::vector<int> right_eye{33,  246, 161, 160, 159, 158, 157, 173,
                                          133, 155, 154, 153, 145, 144, 163, 7};
  static const std::vector<int> lips{61,  185, 40,  39,  37,  0,  267, 269, 270, 409,
                                     291, 375, 321, 405, 314, 17, 84,  181, 91,  146};
  static const std::vector<int> inner_mouth{78,  191, 80,  81,  82,  13, 312, 311, 310, 415,
                                            308, 324, 318, 402, 317, 14, 87,  178, 88,  95};
  static const std::vector<int> left_brow{300, 293, 334, 296, 336, 285, 295, 282, 283, 276};
  static const std::vector<int> right_brow{70, 63, 105, 66, 107, 55, 65, 52, 53, 46};
  static const std::vector<int> nose{168, 193, 245, 188, 174, 236, 198, 209, 49,
                                     48,  64,  98,  97,  2,   326, 327, 294, 278,
                                     279, 429, 420, 456, 399, 412, 465, 417};
  switch (part) {
    case Part::kLeftEye:
      return left_eye;
    case Part::kRightEye:
      return right_eye;
    case Part::kLips:
      return lips;
    case Part::kInnerMouth:
      return inner_mouth;
    case Part::kLeftBrow:
      return left_brow;
    case Part::kRightBrow:
      return right_brow;
    case Part::kNose:
      return nose;
  }
  throw Error(ErrorCode::kInternal, "unknown part of the face");
}

CropType crop_type(const std::string& name) {
  if (name == "half") return CropType::kHalf;
  if (name == "full") return CropType::kFull;
  if (name == "whole") return CropType::kWhole;
  if (name == "head") return CropType::kHead;
  throw Error(ErrorCode::kUsage, "unknown crop type '" + name + "'",
              "use half, full, whole or head");
}

std::string crop_type_name(CropType type) {
  switch (type) {
    case CropType::kHalf:
      return "half";
    case CropType::kFull:
      return "full";
    case CropType::kWhole:
      return "whole";
    case CropType::kHead:
      return "head";
  }
  throw Error(ErrorCode::kInternal, "unknown crop type");
}

Affine2 crop_from_image(const Points& points, CropType type, int size_px) {
  const float half = padding_of(type) * std::sqrt(2.f) + 0.5f;
  Point2 centre{0.5f, 0.5f};
  // Whole faces want the forehead; heads want the hair, and the skull lies behind a turned face.
  if (type == CropType::kWhole) centre.y -= 0.07f;
  if (type == CropType::kHead) {
    const float side = std::sin(solve_pose(points).yaw_rad);
    centre.x -= side * std::fabs(std::tanh(2 * side)) / 2;
    centre.y -= 0.5f;
  }
  const float px_per_unit = static_cast<float>(size_px) / (2 * half);
  Affine2 crop_from_unit;
  crop_from_unit.m = {px_per_unit, 0,           (half - centre.x) * px_per_unit,
                      0,           px_per_unit, (half - centre.y) * px_per_unit};
  return compose(crop_from_unit, unit_from_image(points));
}

}  // namespace likeness::face
