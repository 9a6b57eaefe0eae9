// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/compose/compose.h"
#include "likeness/compose/test_images.h"

namespace likeness::compositing {
namespace {

constexpr int kSize = 160;
const ImageF kMask = disc(kSize, kSize, 80, 80, 60);

ImageF flat(float value) { return ImageF(kSize, kSize, 3, value); }
float step_at_edge(const ImageF& over, const ImageF& base) {
  // Just inside the disc, all around.
  float worst = 0;
  for (int i = 0; i < 32; ++i) {
    const double a = i * M_PI / 16;
    const int x = static_cast<int>(80 + 57 * std::cos(a)),
              y = static_cast<int>(80 + 57 * std::sin(a));
    worst = std::max(worst, std::fabs(over.at(x, y, 1) - base.at(x, y, 1)));
  }
  return worst;
}

TEST(MatchEdge, EqualImagesStayEqualAndNothingOutsideIsTouched) {
  ImageF over = flat(0.4f);
  match_edge(over, flat(0.4f), kMask, 20, 1);
  for (float v : over.data) ASSERT_NEAR(v, 0.4f, 1e-6f);
  ImageF lit = flat(0.3f);
  match_edge(lit, flat(0.4f), kMask, 20, 1);
  for (int y = 0; y < kSize; ++y)
    for (int x = 0; x < kSize; ++x)
      if (kMask.at(x, y) == 0) ASSERT_EQ(lit.at(x, y, 0), 0.3f);
  ImageF off = flat(0.3f);
  match_edge(off, flat(0.4f), kMask, 20, 0);
  EXPECT_EQ(off.data, flat(0.3f).data);
}

TEST(MatchEdge, ClosesTheStepAtTheEdgeAndKeepsTheMiddle) {
  // One side of the plate lies in the shade, as a cheek does.
  ImageF plate = flat(0.6f);
  for (int y = 0; y < kSize; ++y)
    for (int x = 0; x < kSize; ++x)
      for (int k = 0; k < 3; ++k)
        plate.at(x, y, k) = 0.6f - 0.2f / (1 + std::exp((static_cast<float>(x) - 60) / 8));
  ImageF over = flat(0.6f);
  const float before = step_at_edge(over, plate);
  match_edge(over, plate, kMask, 16, 1);
  EXPECT_GT(before, 0.18f);
  EXPECT_LT(step_at_edge(over, plate), 0.3f * before);  // what is left is slight, and stays
  EXPECT_NEAR(over.at(80, 80, 0), 0.6f, 0.01f);
  // Half of it is half of it, about.
  ImageF half = flat(0.6f);
  match_edge(half, plate, kMask, 16, 0.5f);
  EXPECT_NEAR(step_at_edge(half, plate), 0.5f * before, 0.12f * before);
}

TEST(MatchEdge, HairAtTheEdgeIsNotLight) {
  ImageF plate = flat(0.6f);
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < kSize; ++x)
      for (int k = 0; k < 3; ++k) plate.at(x, y, k) = 0.08f;
  ImageF over = flat(0.6f);
  match_edge(over, plate, kMask, 16, 1);
  for (int y = 45; y < 120; ++y) EXPECT_NEAR(over.at(80, y, 0), 0.6f, 0.02f) << y;
}

TEST(FirmEdge, OnlyWhereTheTwoPicturesDiffer) {
  // A jaw: the left half lies before dark hair, the right half on skin like its own.
  const ImageF soft = erode_blur(kMask, 6, 8), over = flat(0.6f);
  ImageF base = flat(0.6f);
  for (int y = 0; y < kSize; ++y)
    for (int x = 0; x < kSize / 2; ++x)
      for (int k = 0; k < 3; ++k) base.at(x, y, k) = 0.1f;
  ImageF mask = soft;
  firm_edge(mask, kMask, over, base, 8);
  for (size_t p = 0; p < mask.data.size(); ++p) {
    ASSERT_GE(mask.data[p], soft.data[p] - 1e-6f);
    ASSERT_LE(mask.data[p], std::max(soft.data[p], kMask.data[p]) + 1e-6f);
  }
  EXPECT_LT(soft.at(22, 80), 0.1f);
  EXPECT_GT(mask.at(22, 80), 0.98f);  // opaque up to the edge
  EXPECT_NEAR(mask.at(137, 80), soft.at(137, 80), 0.02f);
  // From the middle outwards along a row there is no step but the silhouette's.
  for (int x = 30; x < 80; ++x) EXPECT_GT(mask.at(x, 80), 0.95f) << x;
  ImageF same = soft;
  firm_edge(same, kMask, over, over, 8);
  for (size_t p = 0; p < same.data.size(); ++p) ASSERT_NEAR(same.data[p], soft.data[p], 1e-3f);
  EXPECT_THROW(firm_edge(mask, ImageF(3, 3, 1), over, base, 8), Error);
}

TEST(MatchEdge, AnyMaskAndSizeGiveFiniteValues) {
  for (int size : {1, 3, 17, 64})
    for (float value : {0.0f, 0.5f, 1.0f}) {
      ImageF over(size, size, 3, 0.2f);
      match_edge(over, ImageF(size, size, 3, 0.9f), ImageF(size, size, 1, value), 9, 1);
      for (float v : over.data) ASSERT_TRUE(std::isfinite(v));
    }
  ImageF over = flat(0.5f);
  EXPECT_THROW(match_edge(over, ImageF(3, 3, 3), kMask, 9, 1), Error);
  EXPECT_THROW(match_edge(over, flat(0.5f), kMask, 9, 2), Error);
}

}  // namespace
}  // namespace likeness::compositing
