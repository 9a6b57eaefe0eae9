// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/compose/compose.h"
#include "likeness/compose/test_images.h"

namespace likeness::compositing {
namespace {

// Centre of mass and variance per axis of a one-channel blob.
struct Moments {
  double mass = 0, x = 0, y = 0, xx = 0, yy = 0;
};
Moments moments(const ImageF& image) {
  Moments m;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const double v = image.at(x, y);
      m.mass += v, m.x += v * (x + 0.5), m.y += v * (y + 0.5);
    }
  m.x /= m.mass, m.y /= m.mass;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const double v = image.at(x, y) / m.mass;
      m.xx += v * (x + 0.5 - m.x) * (x + 0.5 - m.x), m.yy += v * (y + 0.5 - m.y) * (y + 0.5 - m.y);
    }
  return m;
}

TEST(GaussianBlur, VarianceMassAndCentreAreExact) {
  for (float sigma : {0.3f, 0.5f, 1.0f, 2.7f, 7.9f, 8.1f, 15.0f, 40.0f, 100.0f}) {
    const int n = sigma > 20 ? 1001 : 241;
    ImageF impulse(n, n, 1);
    impulse.at(n / 2, n / 2) = 1;
    gaussian_blur(impulse, sigma);
    const Moments m = moments(impulse);
    EXPECT_NEAR(m.mass, 1, 2e-3) << sigma;
    EXPECT_NEAR(std::sqrt(m.xx), sigma, 0.012 * sigma) << sigma;
    EXPECT_NEAR(std::sqrt(m.yy), sigma, 0.012 * sigma) << sigma;
    EXPECT_NEAR(m.x, n / 2 + 0.5, 0.03 * sigma) << sigma;
  }
}

TEST(GaussianBlur, ConstantsAndSizes) {
  for (int w : {1, 2, 3, 17, 65, 130})
    for (float sigma : {0.3f, 5.0f, 100.0f}) {
      ImageF flat(w, 7, 3, 0.37f);
      gaussian_blur(flat, sigma);
      ASSERT_EQ(flat.width, w);
      for (float v : flat.data) EXPECT_NEAR(v, 0.37f, 1e-5);
    }
  ImageF image = texture(30, 30, 2);
  const ImageF before = image;
  gaussian_blur(image, 0);
  EXPECT_EQ(image.data, before.data);
  EXPECT_THROW(gaussian_blur(image, -1), Error);
  EXPECT_THROW(gaussian_blur(image, std::nanf("")), Error);
}

TEST(Resize, KeepsMeansPositionsAndLines) {
  const ImageF image = texture(60, 48, 3, 0);
  EXPECT_EQ(resize(image, 60, 48).data, image.data);
  const ImageF small = resize(image, 20, 16);
  EXPECT_NEAR(sum(small) * 9, sum(image), 1e-2 * sum(image));
  EXPECT_NEAR(
      small.at(3, 4),
      [&] {
        double s = 0;
        for (int y = 12; y < 15; ++y)
          for (int x = 9; x < 12; ++x) s += image.at(x, y);
        return s / 9;
      }(),
      1e-5);
  ImageF ramp(40, 30, 1);
  for (int y = 0; y < 30; ++y)
    for (int x = 0; x < 40; ++x) ramp.at(x, y) = 0.01f * (x + 0.5f) + 0.02f * (y + 0.5f);
  for (auto [w, h] : {std::pair{97, 71}, {23, 17}, {97, 17}, {41, 29}}) {
    const ImageF out = resize(ramp, w, h);
    for (int y = 4; y < h - 4; ++y)
      for (int x = 4; x < w - 4; ++x)
        ASSERT_NEAR(out.at(x, y), 0.01f * (x + 0.5f) * 40 / w + 0.02f * (y + 0.5f) * 30 / h, 2e-3)
            << w << "x" << h;
  }
  EXPECT_LT(max_difference(resize(ImageF(1, 1, 3, 0.5f), 5, 7), ImageF(5, 7, 3, 0.5f)), 1e-6);
  EXPECT_THROW(resize(image, 0, 5), Error);
  EXPECT_THROW(resize(ImageF(), 5, 5), Error);
}

TEST(Unsharp, RaisesContrastAndKeepsFlats) {
  ImageF flat(20, 20, 3, 0.6f);
  unsharp(flat, 1.5f, 2);
  for (float v : flat.data) EXPECT_NEAR(v, 0.6f, 1e-5);
  // Sharpening takes back part of a blur.
  const ImageF sharp = texture(80, 80, 5, 0.05f);
  ImageF soft = sharp;
  gaussian_blur(soft, 0.8f);
  ImageF back = soft;
  unsharp(back, 0.8f, 1);
  double error_soft = 0, error_back = 0;
  for (size_t i = 0; i < sharp.data.size(); ++i) {
    error_soft += std::pow(soft.data[i] - sharp.data[i], 2);
    error_back += std::pow(back.data[i] - sharp.data[i], 2);
  }
  EXPECT_LT(error_back, 0.8 * error_soft);
}

TEST(MotionBlur, SpreadsAlongTheVectorOnly) {
  for (Point2 motion :
       {Point2{12, 0}, Point2{0, 9}, Point2{7, -5}, Point2{1.5f, 0.5f}, Point2{30.3f, 20.7f}}) {
    ImageF impulse(91, 91, 1);
    impulse.at(45, 45) = 1;
    motion_blur(impulse, motion);
    const Moments m = moments(impulse);
    EXPECT_NEAR(m.mass, 1, 1e-4);
    EXPECT_NEAR(m.x, 45.5, 0.02);
    EXPECT_NEAR(m.y, 45.5, 0.02);
    // A uniform line of length L has variance L^2 / 12; bilinear sampling adds at most 1/4.
    EXPECT_NEAR(m.xx, motion.x * motion.x / 12, 0.26 + 0.02 * m.xx);
    EXPECT_NEAR(m.yy, motion.y * motion.y / 12, 0.26 + 0.02 * m.yy);
  }
  ImageF image = texture(30, 30, 1);
  const ImageF before = image;
  motion_blur(image, {0, 0});
  EXPECT_EQ(image.data, before.data);
}

TEST(NoiseSigma, WithinFifteenPercent) {
  const ImageF mask = disc(200, 200, 100, 100, 80);
  for (float sigma : {0.004f, 0.01f, 0.03f, 0.06f}) {
    ImageF image = texture(200, 200, 9, 0);
    add_grain(image, {sigma, 0.5f * sigma, 2 * sigma}, 77, 3);
    const auto measured = noise_sigma(image, mask);
    EXPECT_NEAR(measured[0], sigma, 0.15f * sigma);
    EXPECT_NEAR(measured[1], 0.5f * sigma, 0.15f * 0.5f * sigma);
    EXPECT_NEAR(measured[2], 2 * sigma, 0.15f * 2 * sigma);
  }
  EXPECT_EQ(noise_sigma(ImageF(50, 50, 3, 0.5f), ImageF(50, 50, 1, 1.0f))[0], 0);
  EXPECT_EQ(noise_sigma(texture(50, 50, 1), ImageF(50, 50, 1))[0], 0);
}

TEST(NoiseSigma, IgnoresOutliersAndWhatTheMaskHides) {
  ImageF image = texture(200, 200, 9, 0);
  add_grain(image, {0.02f, 0.02f, 0.02f}, 5, 0);
  for (int x = 0; x < 200; x += 25)  // hard edges
    for (int y = 0; y < 200; ++y)
      for (int c = 0; c < 3; ++c) image.at(x, y, c) = 0.95f;
  Rng rng(3);
  const ImageF mask = disc(200, 200, 60, 60, 50);
  for (int y = 130; y < 200; ++y)
    for (int x = 0; x < 200; ++x) image.at(x, y, 0) = rng.uniform();
  EXPECT_NEAR(noise_sigma(image, mask)[0], 0.02, 0.15 * 0.02 + 0.0035);
}

TEST(Grain, IsGaussianAndAPureFunctionOfPlaceFrameAndSeed) {
  const std::array<float, 3> sigma{0.05f, 0.05f, 0.05f};
  auto grain = [&](int w, int h, uint64_t seed, int64_t frame, int x0, int y0) {
    ImageF image(w, h, 3);
    add_grain(image, sigma, seed, frame, x0, y0);
    return image;
  };
  const ImageF a = grain(256, 256, 1, 10, 0, 0);
  EXPECT_EQ(a.data, grain(256, 256, 1, 10, 0, 0).data);
  EXPECT_NE(a.data, grain(256, 256, 1, 11, 0, 0).data);
  EXPECT_NE(a.data, grain(256, 256, 2, 10, 0, 0).data);
  const ImageF part = grain(40, 30, 1, 10, 17, 23);  // the same place in another region
  for (int y = 0; y < 30; ++y)
    for (int x = 0; x < 40; ++x) ASSERT_EQ(part.at(x, y, 2), a.at(x + 17, y + 23, 2));
  double s1 = 0, s2 = 0, s4 = 0, neighbour = 0, channels = 0;
  const double n = 256.0 * 256;
  for (int y = 0; y < 256; ++y)
    for (int x = 0; x < 256; ++x) {
      const double v = a.at(x, y, 0) / 0.05;
      s1 += v, s2 += v * v, s4 += v * v * v * v;
      if (x) neighbour += v * a.at(x - 1, y, 0) / 0.05;
      channels += v * a.at(x, y, 1) / 0.05;
    }
  EXPECT_NEAR(s1 / n, 0, 0.02);
  EXPECT_NEAR(s2 / n, 1, 0.03);
  EXPECT_NEAR(s4 / n, 3, 0.15);
  EXPECT_NEAR(neighbour / n, 0, 0.02);
  EXPECT_NEAR(channels / n, 0, 0.02);
}

}  // namespace
}  // namespace likeness::compositing
