// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <functional>

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/compose/compose.h"
#include "likeness/compose/test_images.h"

namespace likeness::compositing {
namespace {

using Blend = std::function<ImageF(const ImageF&, const ImageF&, const ImageF&)>;
const std::pair<const char*, Blend> kBlends[] = {
    {"alpha", blend_alpha},
    {"poisson", [](auto& b, auto& o, auto& m) { return blend_poisson(b, o, m); }},
    {"mixed", [](auto& b, auto& o, auto& m) { return blend_poisson(b, o, m, true); }},
    {"multiband", [](auto& b, auto& o, auto& m) { return blend_multiband(b, o, m); }}};

bool same_bits(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

// Regions of all kinds: holes, frame borders, thin lines, single pixels, everything, nothing.
std::vector<ImageF> regions(int w, int h) {
  std::vector<ImageF> masks;
  masks.push_back(disc(w, h, w / 2.0f, h / 2.0f, h / 3.0f));
  masks.push_back(subtract(masks[0], disc(w, h, w / 2.0f, h / 2.0f, h / 8.0f)));
  masks.push_back(disc(w, h, 2, 3, h / 2.0f));
  masks.push_back(disc(w, h, w, h, h / 2.5f));
  masks.push_back(polygon_mask(w, h, {{5, 5}, {w - 4.0f, 6}, {w - 4.0f, 7.5f}, {5, 6.5f}}));
  masks.push_back(ImageF(w, h, 1));
  masks.back().at(w / 2, h / 2) = 1;
  masks.push_back(ImageF(w, h, 1, 1.0f));
  masks.push_back(ImageF(w, h, 1));
  ImageF noise(w, h, 1);
  Rng rng(4);
  for (float& v : noise.data) v = rng.uniform() < 0.5f ? 0.0f : rng.uniform();
  masks.push_back(noise);
  ImageF left(w, h, 1);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w / 2; ++x) left.at(x, y) = 1;
  masks.push_back(left);
  masks.push_back(erode_blur(disc(w, h, w / 2.0f, h / 2.0f, h / 2.2f), 1, 8));
  return masks;
}

TEST(Blend, WhereTheMaskIsZeroTheBaseStaysBitForBit) {
  ImageF base = texture(97, 75, 1), over = texture(97, 75, 2);
  base.at(0, 0, 0) = -0.0f;
  base.at(1, 0, 0) = -0.3f;
  base.at(2, 0, 0) = 1.7f;
  for (const ImageF& mask : regions(97, 75))
    for (const auto& [name, blend] : kBlends) {
      const ImageF out = blend(base, over, mask);
      for (size_t i = 0; i < mask.data.size(); ++i)
        for (int c = 0; c < 3; ++c) {
          if (mask.data[i] == 0) {
            ASSERT_TRUE(same_bits(out.data[i * 3 + c], base.data[i * 3 + c])) << name;
          }
          ASSERT_TRUE(std::isfinite(out.data[i * 3 + c])) << name;
        }
    }
}

TEST(Blend, WhatLiesOutsideTheMaskOfOverDoesNotMatter) {
  const ImageF base = texture(80, 70, 1), clean = texture(80, 70, 2);
  const ImageF mask = erode_blur(disc(80, 70, 40, 35, 25), 0, 5);
  ImageF dirty = clean;
  for (size_t i = 0; i < mask.data.size(); ++i)
    if (mask.data[i] == 0)
      for (int c = 0; c < 3; ++c) dirty.data[i * 3 + c] = 1e6f;
  EXPECT_EQ(blend_alpha(base, clean, mask).data, blend_alpha(base, dirty, mask).data);
  EXPECT_EQ(blend_multiband(base, clean, mask).data, blend_multiband(base, dirty, mask).data);
}

TEST(Blend, EqualImagesGiveTheBase) {
  const ImageF base = texture(97, 75, 5);
  for (const ImageF& mask : regions(97, 75))
    for (const auto& [name, blend] : kBlends)
      EXPECT_LT(max_difference(blend(base, base, mask), base),
                name == std::string("mixed") ? 1e-5 : 1e-7)
          << name;
}

TEST(Alpha, EndsAreExact) {
  const ImageF base = texture(40, 40, 1), over = texture(40, 40, 2);
  EXPECT_EQ(blend_alpha(base, over, ImageF(40, 40, 1, 1.0f)).data, over.data);
  const ImageF half = blend_alpha(base, over, ImageF(40, 40, 1, 0.5f));
  for (size_t i = 0; i < half.data.size(); ++i)
    EXPECT_NEAR(half.data[i], 0.5f * (base.data[i] + over.data[i]), 1e-6);
}

TEST(Poisson, ConstantOffsetIsRemoved) {
  const ImageF base = texture(120, 110, 7);
  ImageF over = base;
  for (size_t i = 0; i < over.data.size(); ++i) over.data[i] += 0.1f * (1 + i % 3);
  for (const ImageF& mask : regions(120, 110)) {
    bool border = false;  // a region with no neighbour has nothing to take the offset from
    for (float m : mask.data) border = border || !(m > 0.5f);
    if (border) {
      EXPECT_LT(max_difference(blend_poisson(base, over, mask), base), 1e-3);
    }
  }
}

// Largest violation of sum(f - f_n) = sum(over - over_n) inside the region.
double poisson_residual(const ImageF& f, const ImageF& over, const ImageF& mask) {
  double most = 0;
  const int dx[] = {1, -1, 0, 0}, dy[] = {0, 0, 1, -1};
  for (int y = 0; y < f.height; ++y)
    for (int x = 0; x < f.width; ++x) {
      if (!(mask.at(x, y) > 0.5f)) continue;
      double r = 0;
      for (int k = 0; k < 4; ++k) {
        const int nx = x + dx[k], ny = y + dy[k];
        if (nx < 0 || ny < 0 || nx >= f.width || ny >= f.height) continue;
        r += (f.at(x, y, 1) - f.at(nx, ny, 1)) - (over.at(x, y, 1) - over.at(nx, ny, 1));
      }
      most = std::max(most, std::fabs(r));
    }
  return most;
}

TEST(Poisson, KeepsTheGradientsOfOverInAnyRegion) {
  const ImageF base = texture(130, 101, 1), over = texture(130, 101, 2);
  for (const ImageF& mask : regions(130, 101))
    EXPECT_LT(poisson_residual(blend_poisson(base, over, mask), over, mask), 1e-3);
}

TEST(Poisson, MatchesTheAnalyticMembrane) {
  // base - over is harmonic on the whole plane: so is the correction, and the result is the base.
  const ImageF over = texture(150, 140, 3);
  ImageF base = over;
  for (int y = 0; y < 140; ++y)
    for (int x = 0; x < 150; ++x) {
      const float u = (x - 70) / 100.0f, v = (y - 60) / 100.0f;
      for (int c = 0; c < 3; ++c)
        base.at(x, y, c) += 0.2f * (u * u - v * v) + 0.1f * u * v + 0.1f * u;
    }
  const ImageF mask = subtract(disc(150, 140, 75, 70, 62), disc(150, 140, 50, 60, 9));
  EXPECT_LT(max_difference(blend_poisson(base, over, mask), base), 1e-3);
}

TEST(Poisson, MixedKeepsTheStrongerGradient) {
  const ImageF flat(80, 80, 3, 0.5f), mask = disc(80, 80, 40, 40, 30);
  ImageF textured = flat;
  for (int y = 30; y < 50; ++y)
    for (int x = 30; x < 50; ++x) textured.at(x, y, 0) = 0.8f;
  // The base has the texture, over is flat: plain Poisson wipes it off, mixed keeps it.
  EXPECT_LT(max_difference(blend_poisson(textured, flat, mask), flat), 1e-3);
  EXPECT_LT(max_difference(blend_poisson(textured, flat, mask, true), textured), 2e-3);
}

TEST(Multiband, InsideIsOverAndTheSeamIsSoft) {
  const ImageF base(200, 200, 3, 0.2f), over(200, 200, 3, 0.7f);
  const ImageF mask = disc(200, 200, 100, 100, 80);
  const ImageF out = blend_multiband(base, over, mask, 5);
  EXPECT_NEAR(out.at(100, 100), 0.7, 1e-3);
  // A step of the low frequencies is spread over many pixels; alpha blending has it all in one.
  double steepest = 0;
  for (int x = 0; x + 1 < 200; ++x)
    steepest = std::max<double>(steepest, std::fabs(out.at(x + 1, 100) - out.at(x, 100)));
  EXPECT_LT(steepest, 0.06);
}

TEST(Multiband, FineDetailReachesTheEdge) {
  const ImageF base(160, 160, 3, 0.5f);
  ImageF over = base;
  for (int y = 0; y < 160; ++y)
    for (int x = 0; x < 160; ++x)
      for (int c = 0; c < 3; ++c) over.at(x, y, c) += (x + y) & 1 ? 0.1f : -0.1f;
  const ImageF mask = disc(160, 160, 80, 80, 60);
  const ImageF out = blend_multiband(base, over, mask, 5);
  // Five pixels inside the edge the chessboard is still there; a 32 px feather would have lost it.
  EXPECT_GT(std::fabs(out.at(80 + 54, 80) - 0.5f), 0.085f);
}

TEST(Blend, RefusesWhatDoesNotFit) {
  const ImageF a(8, 8, 3), b(9, 8, 3), m(8, 8, 1);
  for (const auto& [name, blend] : kBlends) {
    EXPECT_THROW(blend(a, b, m), Error) << name;
    EXPECT_THROW(blend(a, a, a), Error) << name;
    EXPECT_TRUE(blend(ImageF(0, 0, 3), ImageF(0, 0, 3), ImageF(0, 0, 1)).empty()) << name;
  }
  EXPECT_THROW(blend_multiband(a, a, m, 0), Error);
}

}  // namespace
}  // namespace likeness::compositing
