// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <thread>

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/compose/compose.h"
#include "likeness/compose/test_images.h"

namespace likeness::compositing {
namespace {

constexpr ColorMatch kAll[] = {ColorMatch::kReinhard, ColorMatch::kLinear, ColorMatch::kLct,
                               ColorMatch::kMkl,      ColorMatch::kIdt,    ColorMatch::kSot};

double stats_difference(const ColorStats& a, const ColorStats& b) {
  double most = 0;
  for (int i = 0; i < 3; ++i) most = std::max(most, std::fabs(a.mean[i] - b.mean[i]));
  for (int i = 0; i < 9; ++i)
    most = std::max(most, std::fabs(a.covariance[i] - b.covariance[i]) * 10);
  return most;
}

ImageF recoloured(ImageF image) {
  ColorMap map;
  map.a = {0.7f, 0.2f, 0.0f, 0.1f, 0.6f, -0.1f, 0.0f, 0.1f, 0.5f};
  map.b = {0.08f, 0.02f, 0.11f};
  apply_map(image, map);
  return image;
}

TEST(ColorStats, CountOnlyAndWeighByTheMask) {
  ImageF image = texture(50, 40, 3);
  ImageF mask = disc(50, 40, 25, 20, 14);
  const ColorStats plain = color_stats(image, mask);
  EXPECT_NEAR(plain.weight, sum(mask), 1e-6);
  // What lies outside must not matter, not even as zeros.
  for (size_t i = 0; i < mask.data.size(); ++i)
    if (mask.data[i] == 0)
      for (int c = 0; c < 3; ++c) image.data[i * 3 + c] = 77;
  EXPECT_EQ(stats_difference(plain, color_stats(image, mask)), 0);
  // A constant mask of any height gives the same mean.
  const ImageF other = texture(50, 40, 4);
  EXPECT_LT(stats_difference(color_stats(other, ImageF(50, 40, 1, 0.3f)),
                             color_stats(other, ImageF(50, 40, 1, 1.0f))),
            1e-9);
}

TEST(ColorMaps, CovarianceAndMeanAreMatchedExactly) {
  const ImageF source = texture(90, 80, 1), reference = recoloured(texture(70, 60, 2));
  const ImageF ones(90, 80, 1, 1.0f);
  const ColorStats from = color_stats(source, disc(90, 80, 45, 40, 30));
  const ColorStats to = color_stats(reference, disc(70, 60, 30, 30, 25));
  for (bool cholesky : {false, true}) {
    ImageF image = source;
    apply_map(image, cholesky ? lct_map(from, to) : mkl_map(from, to));
    EXPECT_LT(stats_difference(color_stats(image, disc(90, 80, 45, 40, 30)), to), 2e-4) << cholesky;
  }
  // MKL is the map of least displacement: symmetric and positive.
  const ColorMap mkl = mkl_map(from, to);
  EXPECT_NEAR(mkl.a[1], mkl.a[3], 1e-5);
  EXPECT_NEAR(mkl.a[2], mkl.a[6], 1e-5);
  EXPECT_NEAR(mkl.a[5], mkl.a[7], 1e-5);
  ImageF image = source;
  apply_map(image, linear_map(from, to));
  const ColorStats linear = color_stats(image, disc(90, 80, 45, 40, 30));
  for (int c = 0; c < 3; ++c) {
    EXPECT_NEAR(linear.mean[c], to.mean[c], 1e-5);
    EXPECT_NEAR(linear.covariance[c * 4], to.covariance[c * 4], 1e-5);
  }
}

TEST(ColorMaps, SameStatisticsGiveTheIdentity) {
  const ImageF source = texture(60, 50, 8), mask = disc(60, 50, 30, 25, 22);
  const ColorStats stats = color_stats(source, mask);
  for (const ColorMap& map :
       {linear_map(stats, stats), lct_map(stats, stats), mkl_map(stats, stats)}) {
    ImageF image = source;
    apply_map(image, map);
    EXPECT_LT(max_difference(image, source), 2e-5);
  }
  for (ColorMatch method : kAll)
    EXPECT_LT(max_difference(match_color(source, mask, source, mask, method), source), 5e-4)
        << static_cast<int>(method);
}

TEST(ColorMaps, FlatAndEmptyInputsStayFinite) {
  const ImageF flat(30, 30, 3, 0.4f), ones(30, 30, 1, 1.0f), none(30, 30, 1);
  const ImageF reference = texture(30, 30, 6);
  const ColorStats to = color_stats(reference, ones);
  for (ColorMatch method : kAll) {
    const ImageF shifted = match_color(flat, ones, reference, ones, method);
    for (float v : shifted.data) EXPECT_TRUE(std::isfinite(v) && v > -0.5f && v < 1.5f);
    EXPECT_EQ(max_difference(match_color(reference, none, flat, ones, method), reference), 0);
    EXPECT_EQ(max_difference(match_color(reference, ones, flat, none, method), reference), 0);
  }
  const ImageF shifted = match_color(flat, ones, reference, ones, ColorMatch::kMkl);
  for (int c = 0; c < 3; ++c) EXPECT_NEAR(shifted.at(3, 3, c), to.mean[c], 1e-4);
  // One channel without variance keeps its gain.
  ImageF two = texture(30, 30, 7);
  for (size_t i = 0; i < two.data.size(); i += 3) two.data[i] = 0.25f;
  for (ColorMatch method : kAll)
    for (float v : match_color(two, ones, reference, ones, method).data)
      EXPECT_LT(std::fabs(v), 2.0f);
}

// Mean distance of the sorted projections onto some axes: 0 when the colours are distributed alike.
double sliced_distance(const ImageF& a, const ImageF& b, const ImageF& mask) {
  double total = 0;
  const float axes[5][3] = {
      {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0.58f, 0.58f, 0.58f}, {0.7f, -0.7f, 0.1f}};
  for (const auto& d : axes) {
    std::vector<float> p, q;
    for (size_t i = 0; i < mask.data.size(); ++i) {
      if (!(mask.data[i] > 0.99f)) continue;
      p.push_back(d[0] * a.data[i * 3] + d[1] * a.data[i * 3 + 1] + d[2] * a.data[i * 3 + 2]);
      q.push_back(d[0] * b.data[i * 3] + d[1] * b.data[i * 3 + 1] + d[2] * b.data[i * 3 + 2]);
    }
    std::sort(p.begin(), p.end());
    std::sort(q.begin(), q.end());
    double sum = 0;
    for (size_t i = 0; i < p.size(); ++i) sum += std::fabs(p[i] - q[i]);
    total += sum / static_cast<double>(p.size());
  }
  return total / 5;
}

TEST(Transport, BringsTheWholeDistributionOver) {
  const ImageF source = texture(100, 100, 11);
  ImageF reference = recoloured(texture(100, 100, 12));
  for (float& v : reference.data) v = v * v * 1.4f;  // no affine map can do this
  const ImageF mask = disc(100, 100, 50, 50, 40);
  const double before = sliced_distance(source, reference, mask);
  for (ColorMatch method : {ColorMatch::kIdt, ColorMatch::kSot}) {
    const ImageF out = match_color(source, mask, reference, mask, method);
    EXPECT_LT(sliced_distance(out, reference, mask), 0.15 * before) << static_cast<int>(method);
    for (size_t i = 0; i < mask.data.size(); ++i)
      if (mask.data[i] == 0) {
        EXPECT_EQ(out.data[i * 3], source.data[i * 3]);
      }
  }
}

TEST(Transport, IsTheSameOnEveryThread) {
  const ImageF source = texture(60, 60, 21), reference = recoloured(texture(50, 60, 22));
  const ImageF ms = disc(60, 60, 30, 30, 25), mr = disc(50, 60, 25, 30, 20);
  const ImageF here = match_color(source, ms, reference, mr, ColorMatch::kSot);
  ImageF there;
  std::thread([&] { there = match_color(source, ms, reference, mr, ColorMatch::kSot); }).join();
  EXPECT_EQ(here.data, there.data);
}

TEST(Reinhard, LabIsUndoneExactly) {
  // Only lightness and chroma means move: a neutral image stays neutral, whatever the gain.
  ImageF grey(40, 40, 3), brighter(40, 40, 3);
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 40; ++x)
      for (int c = 0; c < 3; ++c) {
        grey.at(x, y, c) = 0.2f + 0.005f * x;
        brighter.at(x, y, c) = 0.4f + 0.01f * y;
      }
  const ImageF ones(40, 40, 1, 1.0f);
  const ImageF out = match_color(grey, ones, brighter, ones, ColorMatch::kReinhard);
  for (size_t i = 0; i < out.data.size(); i += 3) {
    EXPECT_NEAR(out.data[i], out.data[i + 1], 1e-3);
    EXPECT_NEAR(out.data[i], out.data[i + 2], 1e-3);
  }
  EXPECT_NEAR(sum(out), sum(brighter), 0.02 * sum(brighter));
}

TEST(ColorMatchNames, KnownAndUnknown) {
  EXPECT_EQ(color_match("rct"), ColorMatch::kReinhard);
  EXPECT_EQ(color_match("sot"), ColorMatch::kSot);
  try {
    color_match("magic");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(e.hint().find("mkl"), std::string::npos);
  }
}

}  // namespace
}  // namespace likeness::compositing
