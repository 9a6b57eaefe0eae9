// SPDX-License-Identifier: Apache-2.0
// Lighting normalisation of a crop: the smooth shading of the face is estimated over the mesh and
// divided out, so that a set's faces look as if lit alike.
#pragma once

#include "likeness/face/face.h"

namespace likeness::face {

/// Second-order spherical harmonics of irradiance: Ramamoorthi & Hanrahan, "An Efficient
/// Representation for Irradiance Environment Maps", SIGGRAPH 2001.
struct Shading {
  std::array<float, 9>
      coefficient{};  ///< of linear luma over the normal (x right, y up, z to the camera)
  float operator()(const Point3& normal) const;
};
/// Robust fit over the skin of the face. `points` in pixels of `crop`.
Shading estimate_shading(const Image8& crop, const Points& points);
/// The face under even light of its own mean strength. `strength` 0 = unchanged .. 1 = all of the
/// shading removed. Gains stay within 1/3..3 and fade to 1 away from the face.
Image8 relight(const Image8& crop, const Points& points, float strength = 1);

}  // namespace likeness::face
