// SPDX-License-Identifier: Apache-2.0
// Putting a generated face into a frame: masks, colour, blending. Shared by swap, avatar and
// lip-sync. Rules: float RGB in [0,1] (values outside are kept), masks are 1-channel float in
// [0,1]; all images of a call have the same size; functions are pure and thread-safe; statistics
// count only pixels whose mask is above 0 and weigh them by it. Nothing here starts threads. Sizes
// that do not fit, wrong channel counts and parameters that are not finite throw kUsage.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "likeness/base/image.h"

namespace likeness::compositing {

// ---- masks
/// Filled polygon; every pixel holds exactly the share of its area that is covered (nonzero
/// winding). Parts outside the image are clipped. Fewer than three corners give an empty mask.
ImageF polygon_mask(int width, int height, const std::vector<Point2>& outline);
/// What a round brush of `radius` pixels covers along a path; a single point gives a disc. Edges
/// are smooth over one pixel. Parts outside the image are clipped. Throws kUsage (numbers that are
/// none).
ImageF stroke_mask(int width, int height, const std::vector<Point2>& path, float radius);
/// Corners of the hull in order; points that are not finite are left out.
std::vector<Point2> convex_hull(std::vector<Point2> points);
/// erode (> 0) or dilate (< 0) by a disc of |px|, then Gaussian blur of sigma blur_px / 2 whose
/// falloff lies inside the eroded shape, so the mask stays 0 where it was 0. Sub-pixel radii
/// allowed. The shape is what lies above 0.5; its edge is found to a fraction of a pixel (exact
/// Euclidean distance to the coverage's edge). The fade from 0 to 1 is 2 blur_px wide, or as wide
/// as the shape is deep. The image border is no edge: a face that the frame cuts off is neither
/// eroded nor faded there.
ImageF erode_blur(const ImageF& mask, float erode_px, float blur_px);
ImageF multiply(const ImageF& a, const ImageF& b);
ImageF maximum(const ImageF& a, const ImageF& b);
ImageF subtract(const ImageF& a, const ImageF& b);  ///< max(0, a - b)
/// What was drawn by hand and covers `drawn` of each pixel. Pixels of which it covers nothing keep
/// their exact value. The mask goes to 0 there; or it is raised to `limit` (what lies under it must
/// have been made; null: to 1); or it goes to `value`.
void exclude_drawn(ImageF& mask, const ImageF& drawn);
void include_drawn(ImageF& mask, const ImageF& drawn, const ImageF* limit = nullptr);
void erase_drawn(ImageF& mask, const ImageF& drawn, const ImageF& value);

// ---- colour match: `source` recoloured to look like `reference` under their masks
enum class ColorMatch { kNone, kReinhard, kLinear, kMkl, kIdt, kSot, kLct };
ColorMatch color_match(
    const std::string& name);  ///< none, rct, linear, lct, mkl, idt, sot; throws kUsage
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
/// Sums in double; covariance row-major, divided by the weight. An empty mask gives weight 0.
ColorStats color_stats(const ImageF& image, const ImageF& mask);
// The maps are the identity when either side has weight 0; directions without variance in the
// source are only shifted, not stretched.
ColorMap linear_map(const ColorStats& source,
                    const ColorStats& reference);  ///< per channel mean / std
ColorMap lct_map(const ColorStats& source, const ColorStats& reference);  ///< Cholesky
ColorMap mkl_map(const ColorStats& source, const ColorStats& reference);  ///< Pitie 2007
void apply_map(ImageF& image, const ColorMap& map);
/// Any of the methods on whole images, which may differ in size from the reference. rct: Reinhard
/// 2001 in CIE Lab (D65); idt: Pitie, Kokaram and Dahyot 2007 (20 rotations, 512-bin CDFs); sot:
/// sliced optimal transport (Rabin 2011), 10 steps of 12 directions. idt and sot are seeded and
/// deterministic; their displacement is smoothed by a guided filter (He 2013) so that noise is not
/// amplified, and they leave pixels of mask 0 alone.
ImageF match_color(const ImageF& source, const ImageF& source_mask, const ImageF& reference,
                   const ImageF& reference_mask, ColorMatch method);

/// Light at the seam: the ratio base / over along the mask's edge, smoothed over reach_px / 2 and
/// fading towards the inside over reach_px, is multiplied onto `over`. Where base is of another
/// kind there (hair, background: light more than about twice apart) it does not count. A membrane
/// in log space, cut short; equal images stay equal. amount in [0, 1]. `over` outside the mask is
/// not looked at.
void match_edge(ImageF& over, const ImageF& base, const ImageF& mask, float reach_px, float amount);

/// Where a soft edge would show what it must hide. `mask` fades inside the shape that `firm` fills
/// up to its edge; where `over` and `base` differ plainly between the two (a jaw before dark hair,
/// a beard over bare skin) mask is raised to firm, where they are alike (skin on skin) it stays.
/// What is decided at the edge holds for reach_px around it, so that the fade has no steps.
void firm_edge(ImageF& mask, const ImageF& firm, const ImageF& over, const ImageF& base,
               float reach_px);

// ---- blend: all give base where the mask is 0
ImageF blend_alpha(const ImageF& base, const ImageF& over, const ImageF& mask);
/// Poisson (Perez 2003; mixed = false: source gradients) on mask > 0.5 region, multigrid; boundary
/// from base. Where the region meets the image border the border is free (Neumann). A region with
/// no base pixel beside it is `over` unchanged. Error below about 1e-3.
ImageF blend_poisson(const ImageF& base, const ImageF& over, const ImageF& mask,
                     bool mixed = false);
/// Laplacian stack (Burt and Adelson 1983, not decimated): band k fades over about 2^k pixels
/// inside the mask, so nothing leaks out; `over` outside the mask is not looked at.
ImageF blend_multiband(const ImageF& base, const ImageF& over, const ImageF& mask, int bands = 5);

// ---- matching the plate
void unsharp(ImageF& image, float amount, float radius_px);  ///< image += amount (image - blurred)
/// Directional blur by the motion vector (pixels per exposure).
void motion_blur(ImageF& image, Point2 motion_px);
/// Standard deviation of noise (robust: weighted median of Immerkaer's 3x3 Laplacian difference,
/// 1996) under the mask, per channel. Clipped pixels are left out. White noise is assumed: after
/// chroma subsampling or heavy coding it comes out lower.
std::array<float, 3> noise_sigma(const ImageF& image, const ImageF& mask);
/// Adds Gaussian grain, a pure function of (seed, frame, x, y). (x0, y0): where the image lies in
/// the frame.
void add_grain(ImageF& image, const std::array<float, 3>& sigma, uint64_t seed, int64_t frame,
               int x0 = 0, int y0 = 0);
void gaussian_blur(ImageF& image, float sigma_px);
ImageF resize(const ImageF& image, int width, int height);  ///< area down, bicubic up

// ---- warps
/// out(x) = image(image_from_out(x)), bilinear or bicubic (Catmull-Rom), border 0; `coverage`, when
/// given, gets 1 inside, 0 outside and the interpolated share between. Where the map shrinks, the
/// image is low-passed first.
ImageF warp_affine(const ImageF& image, const Affine2& out_from_image, int width, int height,
                   bool cubic = true, ImageF* coverage = nullptr);

}  // namespace likeness::compositing

/// The namespace cannot be likeness::compose: base/image.h has a function of that name. Code inside
/// namespace likeness writes compose::erode_blur(...) and gets this.
namespace compose = likeness::compositing;
