// SPDX-License-Identifier: Apache-2.0
// Which triangle of the face mesh each pixel shows. Inside the face module only.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "likeness/face/geometry.h"

namespace likeness::face {

struct MeshPixel {
  int triangle = -1;
  std::array<float, 3> weight{};  ///< barycentric
  float z = std::numeric_limits<float>::infinity();
};

/// Depth-buffered raster of the 898 triangles: nearest (smallest z) wins; pixel centres are
/// sampled. `facing_only`: leaves out triangles whose back is seen.
inline std::vector<MeshPixel> raster_mesh(const Points& points, int width, int height,
                                          bool facing_only = true) {
  std::vector<MeshPixel> out(static_cast<size_t>(width) * height);
  const auto& triangles = canonical_face().triangles;
  for (size_t t = 0; t < triangles.size(); ++t) {
    const Point3 &a = points[triangles[t][0]], &b = points[triangles[t][1]],
                 &c = points[triangles[t][2]];
    const float area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
    // Counter-clockwise with y up is clockwise with y down: a front shows a negative area.
    if (!(std::fabs(area) > 1e-6f) || (facing_only && area > 0)) continue;
    const int x0 = std::max(0, static_cast<int>(std::floor(std::min({a.x, b.x, c.x}) - 0.5f)));
    const int x1 =
        std::min(width - 1, static_cast<int>(std::ceil(std::max({a.x, b.x, c.x}) - 0.5f)));
    const int y0 = std::max(0, static_cast<int>(std::floor(std::min({a.y, b.y, c.y}) - 0.5f)));
    const int y1 =
        std::min(height - 1, static_cast<int>(std::ceil(std::max({a.y, b.y, c.y}) - 0.5f)));
    for (int y = y0; y <= y1; ++y)
      for (int x = x0; x <= x1; ++x) {
        const float px = static_cast<float>(x) + 0.5f, py = static_cast<float>(y) + 0.5f;
        const float wb = ((px - a.x) * (c.y - a.y) - (c.x - a.x) * (py - a.y)) / area;
        const float wc = ((b.x - a.x) * (py - a.y) - (px - a.x) * (b.y - a.y)) / area;
        const float wa = 1 - wb - wc;
        if (wa < -1e-4f || wb < -1e-4f || wc < -1e-4f) continue;
        const float z = wa * a.z + wb * b.z + wc * c.z;
        MeshPixel& pixel = out[static_cast<size_t>(y) * width + x];
        if (z < pixel.z) pixel = {static_cast<int>(t), {wa, wb, wc}, z};
      }
  }
  return out;
}

/// Unit normals per vertex in camera axes (x right, y up, z to the camera), area-weighted.
inline std::vector<Point3> vertex_normals(const Points& points) {
  std::vector<Point3> normals(kMeshPoints);
  for (const auto& t : canonical_face().triangles) {
    const Point3 &a = points[t[0]], &b = points[t[1]], &c = points[t[2]];
    const float ux = b.x - a.x, uy = a.y - b.y, uz = a.z - b.z;
    const float vx = c.x - a.x, vy = a.y - c.y, vz = a.z - c.z;
    const Point3 n{uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx};
    for (int i : t) normals[i].x += n.x, normals[i].y += n.y, normals[i].z += n.z;
  }
  for (Point3& n : normals) {
    const float length = std::sqrt(n.x * n.x + n.y * n.y + n.z * n.z);
    if (length > 0)
      n = {n.x / length, n.y / length, n.z / length};
    else
      n = {0, 0, 1};
  }
  return normals;
}

}  // namespace likeness::face
