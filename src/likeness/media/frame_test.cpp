// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "likeness/media/media_test_util.h"

namespace likeness::media {
namespace {

struct FormatCase {
  AVPixelFormat format;
  int width, height;
};
class FramePixels : public ::testing::TestWithParam<FormatCase> {
 protected:
  Frame frame(FrameIndex i = 3) const {
    return test_frame(GetParam().format, GetParam().width, GetParam().height, i);
  }
  Rect whole() const { return {0, 0, GetParam().width, GetParam().height}; }
};

TEST_P(FramePixels, RegionEqualsWholeFrame) {
  Frame f = frame();
  ImageF all = f.rgb_float();
  for (Rect r : {Rect{0, 0, 1, 1}, Rect{3, 5, 30, 22}, Rect{4, 4, 9, 20},
                 Rect{1, 1, f.width(), f.height()}}) {
    ImageF part = f.rgb_float(r);
    for (int y = 0; y < part.height; ++y)
      for (int x = 0; x < part.width; ++x)
        for (int c = 0; c < 3; ++c) ASSERT_EQ(part.at(x, y, c), all.at(x + r.x0, y + r.y0, c));
  }
}

TEST_P(FramePixels, IdentityBlendChangesNothing) {
  Frame f = frame();
  std::string before = samples(f);
  for (Rect r : {whole(), Rect{3, 5, 30, 22}}) {
    f.blend_rgb(r, f.rgb_float(r), ImageF(r.width(), r.height(), 1, 0.7f));
    EXPECT_EQ(samples(f), before);
    ImageF junk(r.width(), r.height(), 3, NAN);
    f.blend_rgb(r, junk, ImageF(r.width(), r.height(), 1, 0.0f));
    EXPECT_EQ(samples(f), before);
  }
}

TEST_P(FramePixels, BlendReachesTheColourAskedFor) {
  Frame f = frame();
  Rect r = {3, 5, 31, 23};
  ImageF rgb(r.width(), r.height(), 3);
  for (int y = 0; y < rgb.height; ++y)
    for (int x = 0; x < rgb.width; ++x) {
      rgb.at(x, y, 0) = 0.30f + 0.01f * static_cast<float>(x);
      rgb.at(x, y, 1) = 0.45f;
      rgb.at(x, y, 2) = 0.60f - 0.01f * static_cast<float>(y);
    }
  f.blend_rgb(r, rgb, ImageF(r.width(), r.height(), 1, 1.0f));
  ImageF got = f.rgb_float(r);
  double sum = 0;
  int n = 0;
  for (int y = 3; y < rgb.height - 3; ++y)
    for (int x = 3; x < rgb.width - 3; ++x)
      for (int c = 0; c < 3; ++c, ++n) sum += std::fabs(got.at(x, y, c) - rgb.at(x, y, c));
  EXPECT_LT(sum / n, 0.005);
}

TEST_P(FramePixels, BlendLeavesEverySampleOutsideTheMaskExactly) {
  Frame f = frame(), original = frame();
  Rect r = whole();
  ImageF alpha(r.width(), r.height(), 1), rgb(r.width(), r.height(), 3, 0.5f);
  for (int y = 11; y < 19; ++y)
    for (int x = 7; x < 21; ++x) alpha.at(x, y) = 0.8f;
  f.blend_rgb(r, rgb, alpha);
  PixelLayout l = layout_of(*f.native());
  int changed = 0;
  for (int p = 0; p < 3; ++p) {
    int lw = !l.rgb && p > 0 ? l.log2_w : 0, lh = !l.rgb && p > 0 ? l.log2_h : 0;
    for (int y = 0; y < AV_CEIL_RSHIFT(f.height(), lh); ++y)
      for (int x = 0; x < AV_CEIL_RSHIFT(f.width(), lw); ++x) {
        auto at = [&](const Frame& k) {
          const uint8_t* line =
              k.native()->data[p] + static_cast<ptrdiff_t>(y) * k.native()->linesize[p];
          return l.bytes == 1 ? line[x] : reinterpret_cast<const uint16_t*>(line)[x];
        };
        bool inside =
            ((x + 1) << lw) > 7 && (x << lw) < 21 && ((y + 1) << lh) > 11 && (y << lh) < 19;
        if (!inside) {
          ASSERT_EQ(at(f), at(original)) << p << " " << x << " " << y;
        }
        changed += at(f) != at(original);
      }
  }
  EXPECT_GT(changed, 50);
}

TEST_P(FramePixels, CopiesDoNotShareChanges) {
  Frame a = frame();
  Frame b = a;
  std::string before = samples(a);
  b.blend_rgb({0, 0, 8, 8}, ImageF(8, 8, 3, 0.9f), ImageF(8, 8, 1, 1.0f));
  EXPECT_EQ(samples(a), before);
  EXPECT_NE(samples(b), before);
}

TEST_P(FramePixels, Rgb8IsRoundedFloat) {
  Frame f = frame();
  Image8 bytes = f.rgb8(), expected = to_uint8(f.rgb_float());
  int worst = 0;
  for (size_t i = 0; i < bytes.data.size(); ++i)
    worst = std::max(worst, std::abs(int{bytes.data[i]} - int{expected.data[i]}));
  EXPECT_LE(worst, 1);
  Image8 small = f.rgb8_scaled(24);
  EXPECT_EQ(std::max(small.width, small.height), 24);
  double mean = 0, small_mean = 0;
  for (uint8_t v : bytes.data) mean += v;
  for (uint8_t v : small.data) small_mean += v;
  EXPECT_NEAR(mean / static_cast<double>(bytes.data.size()),
              small_mean / static_cast<double>(small.data.size()), 2.5);
}

INSTANTIATE_TEST_SUITE_P(Formats, FramePixels,
                         ::testing::Values(FormatCase{AV_PIX_FMT_YUV420P, 64, 48},
                                           FormatCase{AV_PIX_FMT_YUV420P, 63, 47},
                                           FormatCase{AV_PIX_FMT_YUV420P10LE, 64, 48},
                                           FormatCase{AV_PIX_FMT_YUV422P, 63, 48},
                                           FormatCase{AV_PIX_FMT_YUV422P10LE, 64, 47},
                                           FormatCase{AV_PIX_FMT_YUV440P, 64, 47},
                                           FormatCase{AV_PIX_FMT_YUV444P, 63, 47},
                                           FormatCase{AV_PIX_FMT_YUV444P16LE, 64, 48},
                                           FormatCase{AV_PIX_FMT_GBRP, 64, 48},
                                           FormatCase{AV_PIX_FMT_GBRP16LE, 63, 47}));

// Flat colours against the equations of H.273, written out here again.
TEST(FrameColour, MatrixAndRangeFollowTheTags) {
  struct Case {
    int matrix, range;
    double kr, kb;
  };
  for (Case c : {Case{1, 1, 0.2126, 0.0722}, Case{1, 2, 0.2126, 0.0722}, Case{6, 1, 0.299, 0.114},
                 Case{5, 2, 0.299, 0.114}, Case{9, 1, 0.2627, 0.0593}}) {
    for (AVPixelFormat format : {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P10LE}) {
      Frame f = test_frame(format, 32, 32, 0);
      AVFrame& n = *f.native();
      n.colorspace = static_cast<AVColorSpace>(c.matrix);
      n.color_range = static_cast<AVColorRange>(c.range);
      bool ten = format == AV_PIX_FMT_YUV420P10LE;
      int values[3] = {ten ? 500 : 120, ten ? 400 : 100, ten ? 640 : 150};
      for (int p = 0; p < 3; ++p)
        for (int y = 0; y < (p ? 16 : 32); ++y)
          for (int x = 0; x < (p ? 16 : 32); ++x) {
            uint8_t* line = n.data[p] + static_cast<ptrdiff_t>(y) * n.linesize[p];
            if (ten)
              reinterpret_cast<uint16_t*>(line)[x] = static_cast<uint16_t>(values[p]);
            else
              line[x] = static_cast<uint8_t>(values[p]);
          }
      double step = ten ? 4 : 1, peak = ten ? 1023 : 255;
      double l = c.range == 2 ? values[0] / peak : (values[0] - 16 * step) / (219 * step);
      double scale = c.range == 2 ? peak : 224 * step;
      double cb = (values[1] - 128 * step) / scale, cr = (values[2] - 128 * step) / scale;
      double r = l + 2 * (1 - c.kr) * cr, b = l + 2 * (1 - c.kb) * cb;
      double g = (l - c.kr * r - c.kb * b) / (1 - c.kr - c.kb);
      ImageF got = f.rgb_float({10, 10, 12, 12});
      EXPECT_NEAR(got.at(0, 0, 0), r, 1e-5);
      EXPECT_NEAR(got.at(0, 0, 1), g, 1e-5);
      EXPECT_NEAR(got.at(0, 0, 2), b, 1e-5);
    }
  }
}

TEST(FrameColour, UntaggedMeans601ForSmallAnd709ForLarge) {
  Frame small = test_frame(AV_PIX_FMT_YUV420P, 720, 576, 0),
        large = test_frame(AV_PIX_FMT_YUV420P, 1280, 720, 0);
  small.native()->colorspace = large.native()->colorspace = AVCOL_SPC_UNSPECIFIED;
  EXPECT_EQ(resolved_matrix(*small.native()), AVCOL_SPC_SMPTE170M);
  EXPECT_EQ(resolved_matrix(*large.native()), AVCOL_SPC_BT709);
}

TEST(FrameColour, FromRgb8GoesThereAndBack) {
  Image8 image(40, 30, 3);
  Rng rng(1);
  for (auto& v : image.data) v = static_cast<uint8_t>(rng.below(256));
  Frame f = Frame::from_rgb8(image, 12, {30000, 1001});
  EXPECT_EQ(f.index, 12);
  EXPECT_NEAR(f.time.value(), 12 * 1001.0 / 30000, 1e-12);
  Image8 back = f.rgb8();
  int worst = 0;
  for (size_t i = 0; i < back.data.size(); ++i)
    worst = std::max(worst, std::abs(int{back.data[i]} - int{image.data[i]}));
  EXPECT_LE(worst, 3);
}

TEST(FrameColour, WritableLumaLeavesCopiesAndChromaAlone) {
  for (AVPixelFormat format : {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P10LE, AV_PIX_FMT_GBRP}) {
    Frame frame = test_frame(format, 33, 17, 0);
    const Frame copy = frame;
    const std::string before = samples(copy);
    const auto planes = frame.writable_luma();
    ASSERT_EQ(planes.size(), format == AV_PIX_FMT_GBRP ? 3u : 1u);
    for (const PlaneView& p : planes) {
      EXPECT_EQ(p.width, 33);
      EXPECT_EQ(p.height, 17);
      EXPECT_EQ(p.depth, frame.bit_depth());
      for (int y = 0; y < p.height; ++y)
        for (int x = 0; x < p.width * p.bytes; ++x) p.data[y * p.stride_bytes + x] ^= 1;
    }
    EXPECT_EQ(samples(copy), before);
    const std::string after = samples(frame);
    ASSERT_EQ(after.size(), before.size());
    size_t changed = 0;
    for (size_t i = 0; i < after.size(); ++i) changed += after[i] != before[i];
    EXPECT_EQ(changed, planes.size() * 33 * 17 * static_cast<size_t>(planes[0].bytes));
  }
}

TEST(FrameColour, BadRegionIsAnError) {
  Frame f = test_frame(AV_PIX_FMT_YUV420P, 32, 32, 0);
  EXPECT_THROW(f.rgb_float({0, 0, 33, 10}), Error);
  EXPECT_THROW(f.rgb_float({-1, 0, 3, 10}), Error);
  EXPECT_THROW(f.rgb_float({5, 5, 5, 10}), Error);
  EXPECT_THROW(f.blend_rgb({0, 0, 8, 8}, ImageF(8, 7, 3), ImageF(8, 8, 1)), Error);
  EXPECT_THROW(Frame().rgb8(), Error);
}

}  // namespace
}  // namespace likeness::media
