// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_video.h"

#include <cmath>

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"

namespace likeness::trust {
namespace {

using media::Frame;

/// A scene with texture that drifts: sums of waves, an edge and grain.
Frame scene(int width, int height, int index, double fps) {
  Image8 image(width, height, 3);
  Rng rng(3, index, "grain");
  const double t = index / fps;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const double u = x + 6 * t, v = y - 3 * t;
      double value = 120 + 40 * std::sin(u / 37 + std::cos(v / 23)) + 20 * std::sin(v / 7.0);
      if (std::fmod(std::abs(u), 90) < 30) value += 25;
      value += static_cast<double>(rng.next() & 3);
      image.at(x, y, 0) = static_cast<uint8_t>(value);
      image.at(x, y, 1) = static_cast<uint8_t>(value * 0.9);
      image.at(x, y, 2) = static_cast<uint8_t>(value * 0.8);
    }
  return Frame::from_rgb8(image, index, {static_cast<int64_t>(fps * 1000), 1000});
}

TEST(WatermarkVideo, RoundTrip) {
  const int w = 320, h = 180;
  const VideoWatermarker marker(0x0123456789abcdefull, WatermarkKey::product(), w, h);
  VideoWatermarkReader reader;
  for (int i = 0; i < 50; ++i) {
    Frame f = scene(w, h, i, 25);
    marker.embed(f, i / 25.0);
    reader.add(f, i / 25.0);
  }
  const auto r = reader.result();
  EXPECT_TRUE(r.found) << r.reason << r.score << " " << r.pilot_score;
  EXPECT_EQ(r.id, 0x0123456789abcdefull);
}

}  // namespace
}  // namespace likeness::trust
