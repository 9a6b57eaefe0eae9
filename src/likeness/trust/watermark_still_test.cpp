// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_still.h"

#include <cmath>

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"

namespace likeness::trust {
namespace {

constexpr uint32_t kId = 0xc0ffee42u;

Image8 picture(int width, int height) {
  Image8 image(width, height, 3);
  Rng rng(8);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      double v = 120 + 50 * std::sin(x / 31.0 + std::cos(y / 17.0)) + 20 * std::sin(y / 6.0);
      if ((x / 40 + y / 56) % 3 == 0) v -= 30;
      v += 3 * rng.normal();
      for (int c = 0; c < 3; ++c)
        image.at(x, y, c) = static_cast<uint8_t>(std::clamp(v * (1 - 0.1 * c), 0.0, 255.0));
    }
  return image;
}

Image8 part(const Image8& in, int x0, int y0, int width, int height) {
  Image8 out(width, height, 3);
  for (int y = 0; y < height; ++y) std::copy_n(in.row(y + y0) + 3 * x0, 3 * width, out.row(y));
  return out;
}

TEST(WatermarkStill, RoundTripJpegAndCrop) {
  const Image8 before = picture(512, 384);
  Image8 after = before;
  embed_still_watermark(after, kId);
  double sum = 0;
  for (size_t i = 0; i < after.data.size(); ++i)
    sum += std::pow(static_cast<double>(after.data[i]) - before.data[i], 2);
  EXPECT_GE(10 * std::log10(65025.0 * static_cast<double>(after.data.size()) / sum), 43.0);
  const auto plain = read_still_watermark(after);
  EXPECT_TRUE(plain.found) << plain.reason << plain.score;
  EXPECT_EQ(plain.id, kId);
  const std::string jpeg = media::encode_jpeg(after, 85);
  const auto coded = read_still_watermark(media::decode_image(jpeg.data(), jpeg.size()));
  EXPECT_TRUE(coded.found) << coded.score;
  EXPECT_EQ(coded.id, kId);
  const auto cut = read_still_watermark(part(after, 21, 9, 470, 350));
  EXPECT_TRUE(cut.found) << cut.score;
  EXPECT_EQ(cut.id, kId);
  const auto none = read_still_watermark(before, WatermarkKey::product(), WatermarkSearch::kQuick);
  EXPECT_FALSE(none.found);
  EXPECT_FALSE(none.present);
}

TEST(WatermarkStill, FloatPicturesAreMarkedAlike) {
  const Image8 before = picture(320, 300);
  ImageF image = to_float(before);
  embed_still_watermark(image, kId);
  const auto r =
      read_still_watermark(to_uint8(image), WatermarkKey::product(), WatermarkSearch::kQuick);
  EXPECT_TRUE(r.found) << r.score;
  EXPECT_EQ(r.id, kId);
}

TEST(WatermarkStill, TooSmallAndBadInputAreErrors) {
  Image8 small(200, 900, 3), grey(512, 512, 1);
  EXPECT_FALSE(still_watermark_fits(200, 900));
  EXPECT_THROW(embed_still_watermark(small, kId), Error);
  EXPECT_THROW(embed_still_watermark(grey, kId), Error);
  EXPECT_THROW(read_still_watermark(grey), Error);
  const auto r = read_still_watermark(Image8(60, 60, 3));
  EXPECT_FALSE(r.found);
  EXPECT_NE(r.reason.find("too small"), std::string::npos);
  EXPECT_EQ(still_id(0x0000000100000003ull), 2u);
}

}  // namespace
}  // namespace likeness::trust
