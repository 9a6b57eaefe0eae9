// SPDX-License-Identifier: Apache-2.0
// From image pixels to network inputs. Internal to the face networks.
#pragma once

#include <span>

#include "likeness/base/image.h"

namespace likeness::face {

/// Affine crop of an RGB image: out[y][x] = (pixel - mean) * scale, interleaved RGB, size x size.
/// Outside the image is black. Bilinear; where the crop is smaller than what it shows, several
/// samples per pixel are averaged (at most 4 x 4), so that detail does not alias.
struct Normalisation {
  float mean[3] = {0, 0, 0};
  float scale = 1.f / 255.f;
};
void sample_crop(const Image8& image, const Affine2& image_from_crop, int width, int height,
                 const Normalisation& norm, std::span<float> out);

/// Means of k x k blocks of an RGB image; what does not fill a block at the right and bottom is
/// left out.
Image8 reduce(const Image8& image, int k);

/// image_from_crop of a square of `size` pixels around `centre`, turned by `angle_rad`.
Affine2 image_from_square(Point2 centre, float side_px, float angle_rad, int size);

}  // namespace likeness::face
