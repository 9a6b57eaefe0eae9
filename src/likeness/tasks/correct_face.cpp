// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/correct_face.h"

#include <algorithm>
#include <cmath>

#include "likeness/base/error.h"
#include "likeness/face/geometry.h"
#include "likeness/tasks/consent_check.h"

namespace likeness::tasks {
namespace {

constexpr float kFurthestPx = 100'000;

bool sensible(Point2 p) {
  return std::isfinite(p.x) && std::isfinite(p.y) && std::fabs(p.x) < kFurthestPx &&
         std::fabs(p.y) < kFurthestPx;
}

Box box_of(const face::Points& points) {
  Box b{points[0].x, points[0].y, points[0].x, points[0].y};
  for (size_t i = 0; i < face::kMeshPoints; ++i) {
    b.x0 = std::min(b.x0, points[i].x);
    b.y0 = std::min(b.y0, points[i].y);
    b.x1 = std::max(b.x1, points[i].x);
    b.y1 = std::max(b.y1, points[i].y);
  }
  return b;
}

void fit_into(face::Points& points, const Box& box) {
  const Box now = box_of(points);
  const float sx = box.width() / std::max(1e-3f, now.width()),
              sy = box.height() / std::max(1e-3f, now.height());
  for (auto& p : points) {
    p.x = box.x0 + (p.x - now.x0) * sx;
    p.y = box.y0 + (p.y - now.y0) * sy;
    p.z *= 0.5f * (sx + sy);
  }
}

/// Solves K w = d for both axes; K is symmetric and positive definite (Gaussian kernel).
std::vector<Point2> solve(std::vector<std::vector<double>> k, const std::vector<Point2>& d) {
  const size_t n = d.size();
  std::vector<std::array<double, 2>> w(n);
  for (size_t i = 0; i < n; ++i) w[i] = {d[i].x, d[i].y};
  for (size_t c = 0; c < n; ++c) {  // Gauss with pivots: n is at most 68
    size_t pivot = c;
    for (size_t r = c + 1; r < n; ++r)
      if (std::fabs(k[r][c]) > std::fabs(k[pivot][c])) pivot = r;
    std::swap(k[c], k[pivot]);
    std::swap(w[c], w[pivot]);
    for (size_t r = 0; r < n; ++r) {
      if (r == c) continue;
      const double f = k[r][c] / k[c][c];
      for (size_t j = c; j < n; ++j) k[r][j] -= f * k[c][j];
      for (int a = 0; a < 2; ++a) w[r][static_cast<size_t>(a)] -= f * w[c][static_cast<size_t>(a)];
    }
  }
  std::vector<Point2> out(n);
  for (size_t i = 0; i < n; ++i)
    out[i] = {static_cast<float>(w[i][0] / k[i][i]), static_cast<float>(w[i][1] / k[i][i])};
  return out;
}

}  // namespace

face::Points follow_landmarks(const face::Points& points, const std::vector<MovedPoint>& moved) {
  const auto now = face::landmarks68(points);
  const double sigma = 0.5 * std::max(1.0f, face::eye_distance_px(points));
  // Unmoved landmarks hold their place only as far as the kernel lets them: they are not asked.
  std::vector<Point2> from, by;
  for (const auto& m : moved) {
    if (m.index < 0 || m.index >= 68 || !sensible(m.to))
      throw Error(ErrorCode::kUsage, "landmark " + std::to_string(m.index) + " cannot be there",
                  "indices are 0 to 67, positions in pixels of the frame");
    const Point2 at = now[static_cast<size_t>(m.index)];
    if (std::any_of(from.begin(), from.end(), [&](Point2 p) { return distance(p, at) < 1e-3f; }))
      continue;  // the same point twice
    from.push_back(at);
    by.push_back(m.to - at);
  }
  if (from.empty()) return points;
  const auto kernel = [&](Point2 a, Point2 b) {
    const double d = distance(a, b) / sigma;
    return std::exp(-0.5 * d * d);
  };
  std::vector<std::vector<double>> k(from.size(), std::vector<double>(from.size()));
  for (size_t i = 0; i < from.size(); ++i)
    for (size_t j = 0; j < from.size(); ++j)
      k[i][j] = kernel(from[i], from[j]) + (i == j ? 1e-4 : 0);  // nearly equal points stay stable
  const auto weights = solve(std::move(k), by);
  face::Points out = points;
  for (auto& p : out) {
    Point2 shift;
    for (size_t i = 0; i < from.size(); ++i)
      shift = shift + weights[i] * static_cast<float>(kernel({p.x, p.y}, from[i]));
    p.x += shift.x;
    p.y += shift.y;
  }
  return out;
}

face::Face correct_face(project::Project& project, int64_t media, FrameIndex frame, int track,
                        const FaceCorrection& correction) {
  const FrameIndex source = correction.copy_from.value_or(frame);
  const face::Face* start = nullptr;
  const UnlockedFaces unlocked(project, media, source, source + 1);
  const auto& faces = unlocked.faces;
  for (const auto& f : faces)
    if (f.track == track) start = &f;
  if (!start)
    throw Error(
        ErrorCode::kNotFound,
        "frame " + std::to_string(source) + " has no face of track " + std::to_string(track),
        "copy it from a frame that has one");
  if (!start->has_points)
    throw Error(ErrorCode::kRefused,
                "this face is a person's: its landmarks lie sealed, and the key is not open",
                "see: likeness consent show PROJECT");
  face::Face face = *start;
  face.frame = frame;
  if (source != frame) face.has_embedding = false;
  if (correction.box) {
    const Box& b = *correction.box;
    if (!sensible({b.x0, b.y0}) || !sensible({b.x1, b.y1}) || b.width() < 4 || b.height() < 4)
      throw Error(ErrorCode::kUsage, "that is no box of a face", "draw it around the face");
    fit_into(face.points, b);
  }
  face.points = follow_landmarks(face.points, correction.landmarks);
  face.pose = face::solve_pose(face.points);
  face.box = box_of(face.points);
  face.quality.size_px = std::max(face.box.width(), face.box.height());
  face.manual = true;
  project.correct_face(media, face);
  return face;
}

}  // namespace likeness::tasks
