// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/compose/compose.h"
#include "likeness/compose/test_images.h"

namespace likeness::compositing {
namespace {

Affine2 similarity(float scale, float angle, Point2 from, Point2 to) {
  const float c = scale * std::cos(angle), s = scale * std::sin(angle);
  Affine2 a;
  a.m = {c, -s, to.x - c * from.x + s * from.y, s, c, to.y - s * from.x - c * from.y};
  return a;
}

Point2 centroid(const ImageF& image, int c) {
  double mass = 0, x = 0, y = 0;
  for (int j = 0; j < image.height; ++j)
    for (int i = 0; i < image.width; ++i) {
      const double v = image.at(i, j, c);
      mass += v, x += v * (i + 0.5), y += v * (j + 0.5);
    }
  return {static_cast<float>(x / mass), static_cast<float>(y / mass)};
}

ImageF blob(int w, int h, Point2 centre, float sigma) {
  ImageF image(w, h, 1);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      const float d = distance({x + 0.5f, y + 0.5f}, centre);
      image.at(x, y) = std::exp(-0.5f * d * d / (sigma * sigma));
    }
  return image;
}

TEST(Warp, IdentityIsExactAndShiftsByWholePixelsAre) {
  const ImageF image = texture(50, 40, 1);
  for (bool cubic : {false, true}) {
    EXPECT_EQ(max_difference(warp_affine(image, Affine2{}, 50, 40, cubic), image), 0);
    Affine2 shift;
    shift.m[2] = 3, shift.m[5] = -2;
    const ImageF moved = warp_affine(image, shift, 50, 40, cubic);
    EXPECT_EQ(moved.at(13, 8, 1), image.at(10, 10, 1));
    EXPECT_EQ(moved.at(1, 8, 1), 0);
  }
}

TEST(Warp, PointsLandWhereTheMapSaysAndComeBack) {
  Rng rng(2);
  for (int trial = 0; trial < 30; ++trial) {
    const Point2 at{rng.uniform(60, 140), rng.uniform(60, 140)};
    const ImageF image = blob(200, 200, at, 6);
    const float scale = rng.uniform(0.4f, 2.2f);
    const Affine2 map = similarity(scale, rng.uniform(-3, 3), {100, 100}, {110, 120});
    const ImageF out = warp_affine(image, map, 240, 240, trial % 2);
    const Point2 there = map(at);
    if (there.x < 40 || there.y < 40 || there.x > 200 || there.y > 200) continue;
    EXPECT_LT(distance(centroid(out, 0), there), 0.05) << scale;
    const ImageF back = warp_affine(out, map.inverse(), 200, 200, trial % 2);
    EXPECT_LT(distance(centroid(back, 0), at), 0.1) << scale;
  }
}

TEST(Warp, ThereAndBackKeepsTheImage) {
  const ImageF image = texture(160, 160, 4, 0);
  const Affine2 map = similarity(1.3f, 0.4f, {80, 80}, {140, 140});
  const ImageF back = warp_affine(warp_affine(image, map, 280, 280), map.inverse(), 160, 160);
  double most = 0;
  for (int y = 30; y < 130; ++y)
    for (int x = 30; x < 130; ++x)
      most = std::max<double>(most, std::fabs(back.at(x, y, 0) - image.at(x, y, 0)));
  EXPECT_LT(most, 0.005);
}

TEST(Warp, ShrinkingDoesNotAlias) {
  // A one-pixel chessboard carries no low frequency: shrunk, it must be flat grey.
  ImageF board(256, 256, 3);
  for (int y = 0; y < 256; ++y)
    for (int x = 0; x < 256; ++x)
      for (int c = 0; c < 3; ++c) board.at(x, y, c) = static_cast<float>((x + y) & 1);
  for (float scale : {0.5f, 0.31f, 0.13f, 0.03f}) {
    const int n = static_cast<int>(256 * scale);
    const ImageF out =
        warp_affine(board, similarity(scale, 0.2f, {128, 128}, {n / 2.0f, n / 2.0f}), n, n);
    for (int y = n / 3; y < 2 * n / 3; ++y)
      for (int x = n / 3; x < 2 * n / 3; ++x) EXPECT_NEAR(out.at(x, y, 0), 0.5, 0.03) << scale;
  }
}

TEST(Warp, CoverageAndBorder) {
  const ImageF image(20, 20, 3, 1.0f);
  Affine2 shift;
  shift.m[2] = 10.5f, shift.m[5] = 10;
  ImageF coverage;
  const ImageF out = warp_affine(image, shift, 60, 60, false, &coverage);
  ASSERT_EQ(coverage.width, 60);
  EXPECT_EQ(coverage.at(20, 20), 1);
  EXPECT_EQ(coverage.at(5, 20), 0);
  EXPECT_NEAR(coverage.at(10, 20), 0.5, 1e-4);
  for (int y = 0; y < 60; ++y)
    for (int x = 0; x < 60; ++x) EXPECT_NEAR(out.at(x, y, 1), coverage.at(x, y), 1e-5);
  // Far away, tiny images, images that are not there.
  shift.m[2] = 1e6f;
  EXPECT_EQ(sum(warp_affine(image, shift, 30, 30)), 0);
  EXPECT_EQ(warp_affine(ImageF(1, 1, 1, 1.0f), similarity(0.01f, 1, {0, 0}, {2, 2}), 4, 4).width,
            4);
  EXPECT_EQ(sum(warp_affine(ImageF(0, 0, 3), Affine2{}, 4, 4)), 0);
  Affine2 none;
  none.m = {0, 0, 0, 0, 0, 0};
  EXPECT_THROW(warp_affine(image, none, 4, 4), Error);
  none.m = {std::nanf(""), 0, 0, 0, 1, 0};
  EXPECT_THROW(warp_affine(image, none, 4, 4), Error);
}

}  // namespace
}  // namespace likeness::compositing
