// SPDX-License-Identifier: Apache-2.0
#include <numbers>

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/compose/compose.h"
#include "likeness/compose/test_images.h"

namespace likeness::compositing {
namespace {

double shoelace(const std::vector<Point2>& p) {
  double area = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const Point2 a = p[i], b = p[(i + 1) % p.size()];
    area += static_cast<double>(a.x) * b.y - static_cast<double>(b.x) * a.y;
  }
  return std::fabs(area) / 2;
}

TEST(PolygonMask, CoverageIsExact) {
  Rng rng(1);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<Point2> points;
    for (int i = 0; i < 12; ++i) points.push_back({rng.uniform(1, 63), rng.uniform(1, 47)});
    const auto hull = convex_hull(points);
    const ImageF mask = polygon_mask(64, 48, hull);
    EXPECT_NEAR(sum(mask), shoelace(hull), 1e-2);
    const auto [low, high] = std::minmax_element(mask.data.begin(), mask.data.end());
    EXPECT_GE(*low, 0);
    EXPECT_LE(*high, 1);
  }
}

TEST(PolygonMask, OnePixelShapesAndDirection) {
  const std::vector<Point2> triangle{{3, 3}, {4, 3}, {3, 4}};
  const ImageF mask = polygon_mask(8, 8, triangle);
  EXPECT_NEAR(mask.at(3, 3), 0.5, 1e-6);
  EXPECT_NEAR(sum(mask), 0.5, 1e-6);
  const std::vector<Point2> other(triangle.rbegin(), triangle.rend());
  EXPECT_LT(max_difference(mask, polygon_mask(8, 8, other)), 1e-6);
  // A quarter of a pixel, across a pixel border.
  const ImageF box =
      polygon_mask(8, 8, {{1.75f, 2.25f}, {2.25f, 2.25f}, {2.25f, 2.75f}, {1.75f, 2.75f}});
  EXPECT_NEAR(box.at(1, 2), 0.125, 1e-6);
  EXPECT_NEAR(box.at(2, 2), 0.125, 1e-6);
}

TEST(DrawnByHand, TouchesItsInsideOnly) {
  Rng rng(5);
  ImageF mask(40, 30, 1), limit(40, 30, 1);
  for (float& v : mask.data) v = rng.uniform(0, 1);
  for (float& v : limit.data) v = rng.uniform(0, 1);
  const std::vector<Point2> outline{{8, 6}, {30.5f, 9}, {22, 24.25f}};
  const ImageF inside = polygon_mask(40, 30, outline);
  ImageF excluded = mask, included = mask, limited = mask, erased = mask;
  exclude_drawn(excluded, inside);
  include_drawn(included, inside);
  include_drawn(limited, inside, &limit);
  erase_drawn(erased, inside, limit);
  int whole = 0;
  for (size_t i = 0; i < mask.data.size(); ++i) {
    if (inside.data[i] == 0) {
      EXPECT_EQ(excluded.data[i], mask.data[i]);
      EXPECT_EQ(included.data[i], mask.data[i]);
      EXPECT_EQ(limited.data[i], mask.data[i]);
      EXPECT_EQ(erased.data[i], mask.data[i]);
    } else if (inside.data[i] == 1) {
      ++whole;
      EXPECT_EQ(excluded.data[i], 0);
      EXPECT_EQ(included.data[i], 1);
      EXPECT_EQ(limited.data[i], std::max(mask.data[i], limit.data[i]));
      EXPECT_EQ(erased.data[i], limit.data[i]);
    } else {
      EXPECT_LE(excluded.data[i], mask.data[i]);
      EXPECT_GE(included.data[i], mask.data[i]);
    }
  }
  EXPECT_GT(whole, 100);
  // What was drawn last counts; two corners are no polygon; what was drawn is erased to the bit.
  ImageF both = mask;
  exclude_drawn(both, inside);
  include_drawn(both, inside);
  EXPECT_EQ(both.at(20, 12), 1);
  erase_drawn(both, polygon_mask(40, 30, {{0, 0}, {40, 0}, {40, 30}, {0, 30}}), mask);
  EXPECT_EQ(both.data, mask.data);
  ImageF same = mask;
  exclude_drawn(same, polygon_mask(40, 30, {{0, 0}, {39, 29}}));
  EXPECT_EQ(same.data, mask.data);
  const ImageF small(39, 30, 1);
  EXPECT_THROW(include_drawn(same, inside, &small), Error);
  EXPECT_THROW(exclude_drawn(same, small), Error);
  EXPECT_THROW(erase_drawn(same, inside, small), Error);
}

TEST(StrokeMask, CoversWhatARoundBrushCovers) {
  for (const float r : {0.8f, 2.5f, 11.0f}) {
    const ImageF disc = stroke_mask(80, 60, {{40.3f, 30.2f}}, r);
    EXPECT_NEAR(sum(disc), 3.14159265 * r * r, 0.03 * r * r + 0.25) << r;
    const ImageF line = stroke_mask(80, 60, {{20, 20}, {50, 40}}, r);
    EXPECT_NEAR(sum(line), 3.14159265 * r * r + 2 * r * std::hypot(30.0, 20.0), 0.05 * r * r + 0.6);
    // The same path, walked in small steps and back, covers the same.
    std::vector<Point2> walked;
    for (int i = -30; i <= 30; ++i)
      walked.push_back({20 + 30 * (1 - std::abs(static_cast<float>(i)) / 30),
                        20 + 20 * (1 - std::abs(static_cast<float>(i)) / 30)});
    EXPECT_LT(max_difference(stroke_mask(80, 60, walked, r), line), 1e-3) << r;
  }
  // Clipping changes nothing of what is inside, and far outside there is nothing.
  const std::vector<Point2> path{{-5, 10}, {12, -4}, {45, 33}};
  std::vector<Point2> moved = path;
  for (Point2& p : moved) p = p + Point2{30, 30};
  const ImageF clipped = stroke_mask(40, 30, path, 4), whole = stroke_mask(110, 100, moved, 4);
  for (int y = 0; y < 30; ++y)
    for (int x = 0; x < 40; ++x) EXPECT_NEAR(clipped.at(x, y), whole.at(x + 30, y + 30), 1e-4);
  EXPECT_EQ(sum(stroke_mask(40, 30, {{1e7f, 3}}, 4)), 0);
  EXPECT_EQ(sum(stroke_mask(40, 30, {}, 4)), 0);
  EXPECT_EQ(sum(stroke_mask(40, 30, {{-50, -50}, {90, 80}}, 1000)), 40 * 30);
  EXPECT_THROW(stroke_mask(8, 8, {{0, std::nanf("")}}, 1), Error);
  EXPECT_THROW(stroke_mask(8, 8, {{0, 0}}, std::nanf("")), Error);
  EXPECT_THROW(stroke_mask(8, 8, {{0, 0}}, -1), Error);
}

TEST(PolygonMask, ClipsOnEverySide) {
  const ImageF full = polygon_mask(20, 10, {{-5, -7}, {40, -7}, {40, 30}, {-5, 30}});
  for (float v : full.data) EXPECT_EQ(v, 1);
  // Clipping must not change what lies inside the image.
  const std::vector<Point2> star{{-8, 5.3f}, {9, -12}, {31, 4.1f}, {12, 25}};
  std::vector<Point2> moved = star;
  for (Point2& p : moved) p = p + Point2{20, 20};
  const ImageF clipped = polygon_mask(20, 10, star), whole = polygon_mask(60, 60, moved);
  for (int y = 0; y < 10; ++y)
    for (int x = 0; x < 20; ++x) EXPECT_NEAR(clipped.at(x, y), whole.at(x + 20, y + 20), 1e-5);
}

TEST(PolygonMask, RefusesNumbersThatAreNone) {
  EXPECT_THROW(polygon_mask(8, 8, {{0, 0}, {std::nanf(""), 1}, {1, 1}}), Error);
  EXPECT_EQ(sum(polygon_mask(8, 8, {{0, 0}, {5, 5}})), 0);
}

TEST(ConvexHull, HoldsAllPointsAndIsConvex) {
  Rng rng(5);
  std::vector<Point2> points;
  for (int i = 0; i < 300; ++i)
    points.push_back({std::floor(rng.uniform(0, 40)), rng.uniform(0, 40)});
  const auto hull = convex_hull(points);
  ASSERT_GE(hull.size(), 3u);
  for (size_t i = 0; i < hull.size(); ++i) {
    const Point2 a = hull[i], b = hull[(i + 1) % hull.size()];
    for (Point2 p : points)
      EXPECT_GE((b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x), -1e-3f);
  }
  EXPECT_EQ(convex_hull({{1, 1}, {1, 1}, {2, 2}, {3, 3}}).size(), 2u);
}

// Radius of a disc-like mask, from its area.
double radius_of(const ImageF& mask) { return std::sqrt(sum(mask) / std::numbers::pi); }

TEST(ErodeBlur, RadiusIsSubPixel) {
  const ImageF mask = disc(160, 160, 80.3f, 79.6f, 60);
  for (float erode : {-12.0f, -3.5f, -0.3f, 0.25f, 0.5f, 1.0f, 2.75f, 10.4f, 31.0f})
    EXPECT_NEAR(radius_of(erode_blur(mask, erode, 0)), 60 - erode, 0.08) << erode;
  const ImageF slanted = polygon_mask(160, 160, {{20, 35}, {140, 10}, {150, 120}, {40, 150}});
  const ImageF small = erode_blur(slanted, 7.3f, 0);
  // Offsetting a convex polygon inwards by r: area - perimeter r + r^2 sum of cot(half angles);
  // here by the sides.
  EXPECT_LT(sum(small), sum(slanted));
  for (int y = 0; y < 160; ++y)
    for (int x = 0; x < 160; ++x) EXPECT_LE(small.at(x, y), slanted.at(x, y));
}

TEST(ErodeBlur, StraightEdgesAtAnyAngleMoveByTheRadius) {
  for (float angle = 0; angle < 3.1f; angle += 0.17f)
    for (float erode : {0.4f, 3.3f}) {
      const float nx = std::cos(angle), ny = std::sin(angle);
      auto half_plane = [&](float offset) {
        const Point2 c{50 + nx * offset, 50 + ny * offset}, t{-ny * 300, nx * 300},
            n{nx * 300, ny * 300};
        return polygon_mask(100, 100, {c + t, c - t, c - t - n, c + t - n});
      };
      const ImageF eroded = erode_blur(half_plane(0.37f), erode, 0),
                   truth = half_plane(0.37f - erode);
      // Compare along the middle, away from where the image ends.
      double error = 0;
      for (int y = 30; y < 70; ++y)
        for (int x = 30; x < 70; ++x) error += eroded.at(x, y) - truth.at(x, y);
      EXPECT_LT(std::fabs(error) / 40, 0.1) << angle << " " << erode;
    }
}

TEST(ErodeBlur, NeverLeaksAndFades) {
  Rng rng(9);
  for (int trial = 0; trial < 20; ++trial) {
    ImageF mask = disc(120, 90, rng.uniform(0, 120), rng.uniform(0, 90), rng.uniform(5, 50));
    mask =
        subtract(mask, disc(120, 90, rng.uniform(0, 120), rng.uniform(0, 90), rng.uniform(3, 20)));
    const float erode = rng.uniform(0, 6), blur = rng.uniform(0, 30);
    const ImageF soft = erode_blur(mask, erode, blur), hard = erode_blur(mask, erode, 0);
    for (size_t i = 0; i < mask.data.size(); ++i) {
      if (mask.data[i] == 0 || hard.data[i] == 0) {
        EXPECT_EQ(soft.data[i], 0);
      }
      EXPECT_GE(soft.data[i], 0);
      EXPECT_LE(soft.data[i], 1);
    }
  }
  // Across a long straight edge the fade goes from 0 to 1 over 2 blur_px, half way in the middle.
  const ImageF wide = polygon_mask(200, 60, {{20, -9}, {300, -9}, {300, 99}, {20, 99}});
  const ImageF soft = erode_blur(wide, 0, 20);
  EXPECT_EQ(soft.at(19, 30), 0);
  EXPECT_LT(soft.at(20, 30), 0.01);
  EXPECT_NEAR(0.5 * (soft.at(39, 30) + soft.at(40, 30)), 0.5, 0.02);
  EXPECT_GT(soft.at(61, 30), 0.99);
  for (int x = 20; x < 199; ++x) EXPECT_GE(soft.at(x + 1, 30), soft.at(x, 30) - 1e-6f);
  EXPECT_GT(soft.at(199, 30), 0.99) << "the image border is no edge";
  EXPECT_GT(soft.at(100, 0), 0.99);
}

TEST(ErodeBlur, EdgeCases) {
  const ImageF mask = disc(64, 64, 32, 32, 6);
  EXPECT_EQ(max_difference(erode_blur(mask, 0, 0), mask), 0);
  EXPECT_GT(erode_blur(mask, 0, 400).at(31, 31), 0.5) << "a wide blur must not erase a small mask";
  EXPECT_EQ(sum(erode_blur(mask, 20, 4)), 0);
  EXPECT_EQ(sum(erode_blur(ImageF(64, 64, 1), 3, 4)), 0);
  const ImageF ones(64, 64, 1, 1.0f);
  EXPECT_EQ(max_difference(erode_blur(ones, 5, 7), ones), 0);
  EXPECT_THROW(erode_blur(mask, std::nanf(""), 0), Error);
  EXPECT_THROW(erode_blur(mask, 0, -1), Error);
  EXPECT_THROW(erode_blur(ImageF(4, 4, 3), 0, 1), Error);
  EXPECT_TRUE(erode_blur(ImageF(0, 0, 1), 2, 2).empty());
}

TEST(ErodeBlur, MovesSmoothlyWithTheMask) {
  // A twentieth of a pixel of motion must not make the mask jump: that would flicker.
  ImageF before = erode_blur(disc(100, 100, 50, 50, 30), 4, 8);
  for (int step = 1; step <= 20; ++step) {
    const ImageF now = erode_blur(disc(100, 100, 50 + 0.05f * step, 50, 30), 4, 8);
    EXPECT_LT(max_difference(before, now), 0.03);
    before = now;
  }
}

TEST(MaskAlgebra, Rules) {
  const ImageF a = disc(40, 40, 15, 20, 10), b = disc(40, 40, 25, 20, 12);
  EXPECT_EQ(max_difference(maximum(a, b), maximum(b, a)), 0);
  EXPECT_EQ(sum(subtract(a, a)), 0);
  const ImageF ones(40, 40, 1, 1.0f);
  EXPECT_EQ(max_difference(multiply(a, ones), a), 0);
  // Inclusion and exclusion, exact for masks of products: a + b - ab = max(a, b) where one is 0
  // or 1.
  for (float v : subtract(a, b).data) EXPECT_GE(v, 0);
  EXPECT_THROW(multiply(a, ImageF(39, 40, 1)), Error);
}

}  // namespace
}  // namespace likeness::compositing
