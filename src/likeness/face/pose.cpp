// SPDX-License-Identifier: Apache-2.0
// Head pose under weak perspective, and the maps between image and canonical coordinates.
#include <cmath>

#include <Eigen/Dense>

#include "likeness/face/geometry.h"

namespace likeness::face {
namespace {

using Eigen::Matrix3d;
using Eigen::Vector3d;

// Image axes (x right, y down, z away from the camera) to camera axes (y up, z to the camera).
Vector3d camera_from_image(const Point3& p) { return {p.x, -p.y, -p.z}; }

Matrix3d rotation_of(const HeadPose& pose) {
  Matrix3d r;
  for (int i = 0; i < 9; ++i) r(i / 3, i % 3) = pose.rotation[i];
  return r;
}

// R = Ry(yaw) Rx(-pitch) Rz(roll), the convention of shared/performers.
void set_angles(HeadPose& pose) {
  const auto& r = pose.rotation;
  pose.yaw_rad = std::atan2(r[2], r[8]);
  pose.pitch_rad = std::asin(std::clamp(r[5], -1.f, 1.f));
  pose.roll_rad = std::atan2(r[3], r[4]);
}

}  // namespace

// Weighted absolute orientation with scale: Umeyama, "Least-squares estimation of transformation
// parameters between two point patterns", PAMI 1991, eq. 40-43, with a weight per point.
HeadPose solve_pose(const Points& points) {
  const CanonicalFace& canonical = canonical_face();
  double weight_sum = 0;
  Vector3d mean_canonical = Vector3d::Zero(), mean_camera = Vector3d::Zero();
  for (auto [index, weight] : canonical.procrustes) {
    const Point3& c = canonical.position_cm[index];
    mean_canonical += weight * Vector3d(c.x, c.y, c.z);
    mean_camera += weight * camera_from_image(points[index]);
    weight_sum += weight;
  }
  mean_canonical /= weight_sum;
  mean_camera /= weight_sum;
  Matrix3d covariance = Matrix3d::Zero();
  double variance = 0;
  for (auto [index, weight] : canonical.procrustes) {
    const Point3& c = canonical.position_cm[index];
    const Vector3d a = Vector3d(c.x, c.y, c.z) - mean_canonical;
    covariance += weight * (camera_from_image(points[index]) - mean_camera) * a.transpose();
    variance += weight * a.squaredNorm();
  }
  HeadPose pose;
  if (!covariance.allFinite()) return pose;
  Eigen::JacobiSVD<Matrix3d> svd(covariance, Eigen::ComputeFullU | Eigen::ComputeFullV);
  Vector3d sign(1, 1, (svd.matrixU() * svd.matrixV().transpose()).determinant() < 0 ? -1 : 1);
  const Matrix3d rotation = svd.matrixU() * sign.asDiagonal() * svd.matrixV().transpose();
  const double scale = std::max(1e-6, svd.singularValues().dot(sign) / variance);
  const Vector3d translation = mean_camera - scale * rotation * mean_canonical;
  for (int i = 0; i < 9; ++i) pose.rotation[i] = static_cast<float>(rotation(i / 3, i % 3));
  pose.scale_px_per_cm = static_cast<float>(scale);
  pose.translation_px = {static_cast<float>(translation.x()), static_cast<float>(-translation.y())};
  pose.translation_z_px = static_cast<float>(-translation.z());
  set_angles(pose);
  return pose;
}

std::array<Point3, kPoints> canonical_from_image(const Points& points, const HeadPose& pose) {
  const Matrix3d inverse = rotation_of(pose).transpose() / pose.scale_px_per_cm;
  const Vector3d origin =
      camera_from_image({pose.translation_px.x, pose.translation_px.y, pose.translation_z_px});
  std::array<Point3, kPoints> out;
  for (int i = 0; i < kPoints; ++i) {
    const Vector3d c = inverse * (camera_from_image(points[i]) - origin);
    out[i] = {static_cast<float>(c.x()), static_cast<float>(c.y()), static_cast<float>(c.z())};
  }
  return out;
}

Points image_from_canonical(const std::array<Point3, kPoints>& points_cm, const HeadPose& pose) {
  const Matrix3d forward = rotation_of(pose) * static_cast<double>(pose.scale_px_per_cm);
  Points out;
  for (int i = 0; i < kPoints; ++i) {
    const Vector3d c = forward * Vector3d(points_cm[i].x, points_cm[i].y, points_cm[i].z);
    out[i] = {static_cast<float>(c.x() + pose.translation_px.x),
              static_cast<float>(-c.y() + pose.translation_px.y),
              static_cast<float>(-c.z() + pose.translation_z_px)};
  }
  return out;
}

}  // namespace likeness::face
