// SPDX-License-Identifier: Apache-2.0
// Putting a generated face into a frame: masks, colour, blending. Shared by swap, avatar and lip-sync.
// Rules: float RGB in [0,1] (values outside are kept), masks are 1-channel float in [0,1]; all images of
// a call have the same size; functions are pure and thread-safe; statistics count only pixels whose
// mask is above 0 and weigh them by it.
#pragma once

#include <string>
#include <vector>

#include "likeness/base/image.h"

namespace likeness::compose {

// ---- masks
/// Filled polygon with an antialiased edge.
ImageF polygon_mask(int width, int height, const std::vector<Point2>& outline);
std::vector<Point2> convex_hull(std::vector<Point2> points);
/// erode (> 0) or dilate (< 0) by a disc of |px|, then Gaussian blur of sigma blur_px / 2 whose falloff lies
/// inside the eroded shape, so the mask stays 0 where it was 0. Sub-pixel radii allowed.
ImageF erode_blur(const ImageF& mask, float erode_px, float blur_px);
ImageF multiply(const ImageF& a, const ImageF& b);
ImageF maximum(const ImageF& a, const ImageF& b);
ImageF subtract(const ImageF& a, const ImageF& b);  ///< max(0, a - b)

// ---- colour match: `source` recoloured to look like `reference` under their masks
enum class ColorMatch { kNone, kReinhard, kLinear, kMkl, kIdt, kSot };
ColorMatch color_match(const std::string& name);  ///< none, rct, lct, mkl, idt, sot; throws kUsage
/// Affine colour map y = A x + b (row-major 3x3, 3); rct works in CIE Lab and is not of this form.
struct ColorMap {
  std::array<float, 9> a{1, 0, 0, 0, 1, 0, 0, 0, 1};
  std::array<float, 3> b{0, 0, 0};
};
struct ColorStats {
  std::array<double, 3> mean{};
  std::array<double, 9> covariance{};
  double weight = 0;
};
ColorStats color_stats(const ImageF& image, const ImageF& mask);
ColorMap linear_map(const ColorStats& source, const ColorStats& reference);  ///< per channel mean / std
ColorMap lct_map(const ColorStats& source, const ColorStats& reference);     ///< Cholesky
ColorMap mkl_map(const ColorStats& source, const ColorStats& reference);     ///< Pitie 2007
void apply_map(ImageF& image, const ColorMap& map);
/// Any of the methods on whole images. idt and sot are seeded and deterministic.
ImageF match_color(const ImageF& source, const ImageF& source_mask, const ImageF& reference,
                   const ImageF& reference_mask, ColorMatch method);

// ---- blend: all give base where the mask is 0
ImageF blend_alpha(const ImageF& base, const ImageF& over, const ImageF& mask);
/// Poisson (mixed = false: source gradients) on mask > 0.5 region, multigrid; boundary from base.
ImageF blend_poisson(const ImageF& base, const ImageF& over, const ImageF& mask);
ImageF blend_multiband(const ImageF& base, const ImageF& over, const ImageF& mask, int bands = 5);

// ---- matching the plate
void unsharp(ImageF& image, float amount, float radius_px);
/// Directional blur by the motion vector (pixels per exposure).
void motion_blur(ImageF& image, Point2 motion_px);
/// Standard deviation of noise (robust, from the Laplacian's median) under the mask, per channel.
std::array<float, 3> noise_sigma(const ImageF& image, const ImageF& mask);
/// Adds Gaussian grain, a pure function of (seed, frame, x, y).
void add_grain(ImageF& image, const std::array<float, 3>& sigma, uint64_t seed, int64_t frame);
void gaussian_blur(ImageF& image, float sigma_px);
ImageF resize(const ImageF& image, int width, int height);  ///< area down, bicubic up

// ---- warps
/// out(x) = image(image_from_out(x)), bilinear or bicubic, border 0; `coverage` gets 1 inside.
ImageF warp_affine(const ImageF& image, const Affine2& out_from_image, int width, int height, bool cubic = true);

}  // namespace likeness::compose
