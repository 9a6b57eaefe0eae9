// SPDX-License-Identifier: Apache-2.0
#include "likeness/evaluate/metrics.h"

#include <cmath>

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"

namespace likeness::evaluate {
namespace {

Image8 picture(int w, int h, uint64_t seed) {
  Rng rng(seed);
  Image8 image(w, h, 3);
  const float a = rng.uniform(0.05f, 0.2f), b = rng.uniform(0.05f, 0.2f);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x)
      for (int c = 0; c < 3; ++c)
        image.at(x, y, c) = static_cast<uint8_t>(128 + 60 * std::sin(a * x + c) * std::cos(b * y) +
                                                 rng.uniform(-9, 9));
  return image;
}

ImageF box_mask(int w, int h, Rect r) {
  ImageF mask(w, h, 1);
  for (int y = r.y0; y < r.y1; ++y)
    for (int x = r.x0; x < r.x1; ++x) mask.at(x, y) = 1;
  return mask;
}

// The definition, window by window, in double.
double slow_ssim(const Image8& a, const Image8& b, const ImageF& mask) {
  double total = 0;
  int64_t n = 0;
  auto luma = [](const Image8& i, int x, int y) {
    x = std::clamp(x, 0, i.width - 1), y = std::clamp(y, 0, i.height - 1);
    return 0.2126 * i.at(x, y, 0) + 0.7152 * i.at(x, y, 1) + 0.0722 * i.at(x, y, 2);
  };
  for (int y = 0; y < a.height; ++y)
    for (int x = 0; x < a.width; ++x) {
      if (!(mask.at(x, y) > 0.5f)) continue;
      double w = 0, u = 0, v = 0, uu = 0, vv = 0, uv = 0;
      for (int j = -5; j <= 5; ++j)
        for (int i = -5; i <= 5; ++i) {
          const double k = std::exp(-(i * i + j * j) / 4.5), p = luma(a, x + i, y + j),
                       q = luma(b, x + i, y + j);
          w += k, u += k * p, v += k * q, uu += k * p * p, vv += k * q * q, uv += k * p * q;
        }
      u /= w, v /= w, uu = uu / w - u * u, vv = vv / w - v * v, uv = uv / w - u * v;
      total += (2 * u * v + 6.5025) * (2 * uv + 58.5225) /
               ((u * u + v * v + 6.5025) * (uu + vv + 58.5225));
      ++n;
    }
  return total / static_cast<double>(n);
}

TEST(Ssim, AgreesWithTheDefinition) {
  const Image8 a = picture(47, 39, 1), b = picture(47, 39, 2);
  for (const Rect r :
       {Rect{0, 0, 47, 39}, Rect{10, 9, 30, 25}, Rect{0, 30, 5, 39}, Rect{20, 20, 21, 21}}) {
    const ImageF mask = box_mask(47, 39, r);
    EXPECT_NEAR(masked_ssim(a, b, mask), slow_ssim(a, b, mask), 2e-4);
    EXPECT_NEAR(masked_ssim(a, a, mask), 1, 1e-6);
    EXPECT_NEAR(masked_ssim(a, b, mask), masked_ssim(b, a, mask), 1e-6);
  }
  EXPECT_TRUE(std::isnan(masked_ssim(a, b, ImageF(47, 39, 1))));
}

TEST(Psnr, KnownValuesAndMask) {
  Image8 a = picture(40, 30, 3), b = a;
  const ImageF mask = box_mask(40, 30, {5, 5, 20, 20});
  EXPECT_EQ(psnr_of_mse(masked_mse(a, b, mask)), kPsnrCap);
  b.at(30, 25, 0) ^= 0x7f;  // outside the mask
  EXPECT_EQ(masked_mse(a, b, mask), 0);
  for (auto& v : b.data) v = static_cast<uint8_t>(std::clamp<int>(v, 20, 235) + 10);
  for (size_t i = 0; i < a.data.size(); ++i) a.data[i] = static_cast<uint8_t>(b.data[i] - 10);
  EXPECT_DOUBLE_EQ(masked_mse(a, b, mask), 100);
  EXPECT_NEAR(psnr_of_mse(100), 28.1308, 1e-3);
  EXPECT_TRUE(std::isnan(psnr_of_mse(masked_mse(a, b, ImageF(40, 30, 1)))));
  EXPECT_NEAR(masked_mean_difference(b, a, mask)[1], 10, 1e-9);
}

TEST(BlockDifference, SeesShiftsOfToneNotFineNoise) {
  const Image8 a = picture(64, 64, 5);
  Image8 noisy = a, toned = a;
  Rng rng(8);
  for (auto& v : noisy.data) v = static_cast<uint8_t>(v + (rng.uniform() < 0.5f ? -1 : 1));
  for (auto& v : toned.data) v = static_cast<uint8_t>(v + 3);
  const ImageF ones(64, 64, 1, 1.0f);
  EXPECT_EQ(block_difference(a, a, ones), 0);
  EXPECT_LT(block_difference(a, noisy, ones), 0.35);
  EXPECT_NEAR(block_difference(a, toned, ones), 3, 1e-9);
}

TEST(Metrics, RefuseWhatDoesNotFit) {
  const Image8 a = picture(20, 20, 1), b = picture(21, 20, 1);
  EXPECT_THROW(masked_mse(a, b, ImageF(20, 20, 1)), Error);
  EXPECT_THROW(masked_ssim(a, a, ImageF(19, 20, 1)), Error);
  EXPECT_THROW(block_difference(a, a, ImageF(20, 20, 3)), Error);
}

}  // namespace
}  // namespace likeness::evaluate
