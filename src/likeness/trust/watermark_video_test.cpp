// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_video.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/trust/watermark_search.h"
#include "likeness/trust/watermark_slots.h"
#include "likeness/trust/watermark_test_util.h"

namespace likeness::trust {
namespace {

using media::Frame;
constexpr uint64_t kId = 0x0123456789abcdefull;

/// A scene with texture that drifts: waves, an edge and grain.
Image8 scene(int width, int height, double time_s) {
  Image8 image(width, height, 3);
  Rng rng(3, static_cast<int64_t>(time_s * 1000), "grain");
  std::vector<double> line(static_cast<size_t>(width));
  for (int y = 0; y < height; ++y) {
    const double v = y - 3 * time_s, bend = std::cos(v / 23), stripe = 20 * std::sin(v / 7);
    for (int x = 0; x < width; ++x) {
      const double u = x + 6 * time_s;
      double value = 110 + 40 * std::sin(u / 37 + bend) + stripe;
      if (std::fmod(u, 90) < 30) value += 25;
      value += static_cast<double>(rng.next() & 3);
      image.at(x, y, 0) = static_cast<uint8_t>(value);
      image.at(x, y, 1) = static_cast<uint8_t>(value * 0.9);
      image.at(x, y, 2) = static_cast<uint8_t>(value * 0.8);
    }
  }
  return image;
}

Frame frame_of(const Image8& image, int index, double fps = 25) {
  return Frame::from_rgb8(image, index, {static_cast<int64_t>(fps * 1000), 1000});
}

std::string luma_bytes(const Frame& frame) {
  std::string out;
  for (const media::PlaneView& p : frame.luma())
    for (int y = 0; y < p.height; ++y)
      out.append(reinterpret_cast<const char*>(p.data + y * p.stride_bytes),
                 static_cast<size_t>(p.width * p.bytes));
  return out;
}

double psnr(const Frame& a, const Frame& b) { return 10 * std::log10(65025.0 / luma_error(a, b)); }

using Attack = std::function<Image8(const Image8&)>;

/// Marks `seconds` of the scene at 25 frames/s, changes every frame, reads from `skip_s` on.
VideoWatermarkResult marked_and_read(const Attack& attack, double seconds = 4, double skip_s = 0,
                                     int width = 320, int height = 180,
                                     WatermarkSearch search = WatermarkSearch::kFull) {
  const VideoWatermarker marker(kId, WatermarkKey::product(), width, height);
  VideoWatermarkReader reader(WatermarkKey::product(), search);
  for (int i = 0; i < seconds * 25; ++i) {
    const double t = i / 25.0;
    if (t < skip_s) continue;
    Frame f = frame_of(scene(width, height, t), i);
    marker.embed(f, t);
    reader.add(attack ? frame_of(attack(f.rgb8()), i) : f, t - skip_s);
  }
  return reader.result();
}

float at(const Image8& image, double x, double y, int c) {
  if (x < 0 || y < 0 || x > image.width - 1 || y > image.height - 1) return 0;
  const int i = std::min(static_cast<int>(x), image.width - 2);
  const int j = std::min(static_cast<int>(y), image.height - 2);
  const float u = static_cast<float>(x - i), v = static_cast<float>(y - j);
  return (1 - v) * ((1 - u) * image.at(i, j, c) + u * image.at(i + 1, j, c)) +
         v * ((1 - u) * image.at(i, j + 1, c) + u * image.at(i + 1, j + 1, c));
}

/// out(x, y) = in(centre + scale * R(angle) * (x, y) + shift), bilinear.
Attack warp(int width, int height, double scale, double angle_deg, double shift_x, double shift_y,
            bool mirror = false) {
  return [=](const Image8& in) {
    Image8 out(width, height, 3);
    const double c = std::cos(angle_deg * M_PI / 180) * scale,
                 s = std::sin(angle_deg * M_PI / 180) * scale;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        const double dx = (mirror ? -1 : 1) * (x + 0.5 - width / 2.0), dy = y + 0.5 - height / 2.0;
        const double u = in.width / 2.0 + shift_x + c * dx - s * dy - 0.5,
                     v = in.height / 2.0 + shift_y + s * dx + c * dy - 0.5;
        for (int k = 0; k < 3; ++k) out.at(x, y, k) = static_cast<uint8_t>(at(in, u, v, k) + 0.5f);
      }
    return out;
  };
}

void expect_found(const VideoWatermarkResult& r) {
  EXPECT_TRUE(r.found) << r.reason << " score " << r.score << ", pilots " << r.pilot_score;
  EXPECT_EQ(r.id, kId);
  EXPECT_GE(r.confidence, kAcceptConfidence);
}

TEST(WatermarkVideo, RoundTripOfAnyId) {
  Rng rng(11);
  for (int round = 0; round < 3; ++round) {
    const uint64_t id = rng.next();
    const VideoWatermarker marker(id, WatermarkKey::product(), 384, 384);
    VideoWatermarkReader reader(WatermarkKey::product(), WatermarkSearch::kQuick);
    for (int i = 0; i < 50; ++i) {
      Frame f = frame_of(scene(384, 384, i / 25.0), i);
      marker.embed(f, i / 25.0);
      reader.add(f, i / 25.0);
    }
    const auto r = reader.result();
    EXPECT_TRUE(r.found) << r.reason;
    EXPECT_EQ(r.id, id);
    EXPECT_NEAR(r.registration.scale, 1, 0.02);
    EXPECT_NEAR(r.registration.time_offset_s, 0, 1e-9);
  }
}

TEST(WatermarkVideo, IsAPureFunctionOfFrameTimeAndId) {
  const VideoWatermarker one(kId, WatermarkKey::product(), 320, 180);
  std::vector<std::string> forward;
  for (int i = 0; i < 12; ++i) {
    Frame f = frame_of(scene(320, 180, i / 25.0), i);
    one.embed(f, i / 25.0);
    forward.push_back(luma_bytes(f));
  }
  for (int i = 11; i >= 0; --i) {  // another order, a new object each: another chunk
    const VideoWatermarker other(kId, WatermarkKey::product(), 320, 180);
    Frame f = frame_of(scene(320, 180, i / 25.0), 100 + i);
    other.embed(f, i / 25.0);
    EXPECT_EQ(luma_bytes(f), forward[static_cast<size_t>(i)]) << i;
  }
}

TEST(WatermarkVideo, IsFaintAndLeavesChromaAndCopiesAlone) {
  const VideoWatermarker marker(kId, WatermarkKey::product(), 320, 180);
  Image8 flat(320, 180, 3, 90), noisy(320, 180, 3), dark(320, 180, 3, 4);
  Rng rng(5);
  for (auto& v : noisy.data) v = static_cast<uint8_t>(rng.below(256));
  for (const Image8& image : {scene(320, 180, 0), flat, noisy, dark}) {
    Frame f = frame_of(image, 0);
    const Frame before = f;
    const std::string bytes = luma_bytes(before);
    for (double t : {0.0, 0.2, 1.7}) {
      f = before;
      marker.embed(f, t);
      EXPECT_GE(psnr(before, f), 44.0);
      EXPECT_LE(psnr(before, f), 56.0);  // it is there
    }
    EXPECT_EQ(luma_bytes(before), bytes);
    // Chroma is what keeps R - Y and B - Y: they are the same in every pixel.
    const ImageF a = before.rgb_float(), b = f.rgb_float();
    float worst = 0;
    for (size_t i = 0; i < a.data.size(); i += 3)
      for (size_t k = 1; k < 3; ++k)
        worst =
            std::max(worst, std::abs((b.data[i + k] - a.data[i + k]) - (b.data[i] - a.data[i])));
    EXPECT_LT(worst, 1e-4f);
  }
}

TEST(WatermarkVideo, UnmarkedIsNotFound) {
  VideoWatermarkReader full;
  for (int i = 0; i < 50; ++i) full.add(frame_of(scene(256, 144, i / 25.0), i), i / 25.0);
  const auto r = full.result();
  EXPECT_FALSE(r.found);
  EXPECT_FALSE(r.present) << r.pilot_score;
  EXPECT_EQ(r.confidence, 0);
  EXPECT_NE(r.reason.find("no watermark"), std::string::npos);
}

TEST(WatermarkVideo, UnmarkedWindowsStayFarFromAcceptance) {
  // One piece of evidence read at many places of the grid and with several keys: for each the
  // signs of the chips are a new draw. bench/quality/watermark does the same 100 000 times.
  std::vector<ReducedFrame> frames;
  for (int i = 0; i < 50; ++i)
    frames.push_back({i / 25.0, reduced_luma(frame_of(scene(320, 180, i / 25.0), i), kVideoChips,
                                             kSamplesPerChip)});
  const SlotEvidence slots = slot_evidence(frames, 0);
  Rng rng(9);
  double highest = 0;
  for (const char* secret : {"first secret of 16+", "second secret of 16+"}) {
    const ChipPlan plan = ChipPlan::video(WatermarkKey::studio(secret));
    for (int window = 0; window < 60; ++window) {
      GridPose pose;
      pose.scale = 0.7 + rng.uniform();
      pose.mirrored = rng.below(2) == 1;
      pose.offset_x_px = rng.uniform(-400, 400);
      pose.offset_y_px = rng.uniform(-400, 400);
      const ChipSamples where =
          chips_of_pose(plan, pose, kVideoChips, 320, 180, slots.evidence[0].size());
      ChipSums sums(plan);
      const auto phase = static_cast<int64_t>(rng.below(64));
      for (size_t k = 0; k < slots.slot.size(); ++k)
        sums.add(slots.evidence[k], where, slots.slot[k] + phase);
      const auto reading = sums.read();
      highest = std::max(highest, reading.score);
      EXPECT_FALSE(reading.valid &&
                   confidence_of_score(reading.score, 64, kLogPosesQuick) >= kAcceptConfidence);
    }
  }
  // The best of 2^80 messages must look like noise does: sqrt(2 * 84 * ln 2) = 10.8.
  EXPECT_GT(highest, 7.0);
  EXPECT_LT(highest, 11.8);
}

TEST(WatermarkVideo, AnotherKeySeesNothing) {
  const auto studio = WatermarkKey::studio("the studio's own secret");
  const VideoWatermarker marker(kId, studio, 320, 180);
  VideoWatermarkReader product(WatermarkKey::product(), WatermarkSearch::kQuick);
  VideoWatermarkReader own(studio, WatermarkSearch::kQuick);
  for (int i = 0; i < 50; ++i) {
    Frame f = frame_of(scene(320, 180, i / 25.0), i);
    marker.embed(f, i / 25.0);
    product.add(f, i / 25.0);
    own.add(f, i / 25.0);
  }
  EXPECT_FALSE(product.result().present);
  expect_found(own.result());
  EXPECT_THROW(WatermarkKey::studio("short"), Error);
}

TEST(WatermarkVideo, FoundAfterScaling) {
  expect_found(marked_and_read(warp(192, 108, 1 / 0.6, 0, 0, 0)));
  expect_found(marked_and_read(warp(640, 360, 0.5, 0, 0, 0), 2));
}

TEST(WatermarkVideo, FoundAfterCropping) {
  const auto r = marked_and_read(warp(284, 160, 1, 0, 7, -6));
  expect_found(r);
}

TEST(WatermarkVideo, RegistrationSaysWhatHappened) {
  const auto r = marked_and_read(warp(240, 135, 1, 0, 20, 10));
  expect_found(r);
  EXPECT_NEAR(r.registration.scale, 320.0 / 240, 0.03);
  EXPECT_NEAR(r.registration.offset_x, -20.0 / 240, 0.02);
  EXPECT_NEAR(r.registration.offset_y, -10.0 / 135, 0.02);
}

TEST(WatermarkVideo, FoundMirroredAndTurned) {
  const auto mirrored = marked_and_read(warp(320, 180, 1, 0, 0, 0, true));
  expect_found(mirrored);
  EXPECT_TRUE(mirrored.registration.mirrored);
  expect_found(marked_and_read(warp(320, 180, 1, 2, 0, 0)));
}

TEST(WatermarkVideo, FoundWithTheBeginningCutOff) {
  const auto r = marked_and_read({}, 5, 1.32);
  expect_found(r);
  EXPECT_NEAR(r.registration.time_offset_s, 1.32, 0.07);
}

TEST(WatermarkVideo, FoundAtAnotherFrameRate) {
  const VideoWatermarker marker(kId, WatermarkKey::product(), 320, 180);
  VideoWatermarkReader reader(WatermarkKey::product(), WatermarkSearch::kQuick);
  for (int i = 0; i < 90; ++i) {
    const int source = static_cast<int>(i / 30.0 * 24);
    Frame f = frame_of(scene(320, 180, source / 24.0), source);
    marker.embed(f, source / 24.0);
    reader.add(f, i / 30.0);
  }
  expect_found(reader.result());
}

TEST(WatermarkVideo, AddsUpOverBlocks) {
  // 20 s: two whole blocks and a part; noise that hides the mark from any one frame.
  const VideoWatermarker marker(kId, WatermarkKey::product(), 160, 120);
  VideoWatermarkReader reader(WatermarkKey::product(), WatermarkSearch::kQuick);
  Rng rng(17);
  double first_block = 0;
  for (int i = 0; i < 24 * 20 && !reader.done(); ++i) {
    const double t = i / 24.0;
    Frame f = frame_of(Image8(160, 120, 3, 120), i, 24);
    marker.embed(f, t);
    for (const media::PlaneView& p : f.writable_luma())
      for (int y = 0; y < p.height; ++y)
        for (int x = 0; x < p.width; ++x) {
          uint8_t& v = p.data[y * p.stride_bytes + x];
          const float faint = 120 + 0.72f * (static_cast<float>(v) - 120) + 38 * rng.normal();
          v = static_cast<uint8_t>(std::clamp(faint + 0.5f, 0.0f, 255.0f));
        }
    reader.add(f, t);
    if (i == 24 * 8) first_block = reader.result().score;
  }
  const auto r = reader.result();
  EXPECT_GT(r.score, first_block * 1.15) << r.score << " after " << first_block;
}

class WatermarkFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("likeness-watermark-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  /// Marks 2 s of the scene and writes them.
  void write(const std::filesystem::path& path, const media::WriterOptions& options,
             int bit_depth) {
    // Frames of the wanted depth come from a lossless file.
    const auto plain = folder_ / "plain.mkv";
    media::VideoInfo like;
    like.width = 320;
    like.height = 180;
    like.frame_rate = {25, 1};
    like.time_base = {1, 25};
    {
      media::WriterOptions lossless;
      lossless.codec = "ffv1";
      lossless.bit_depth = bit_depth;
      media::VideoWriter writer(plain, like, lossless);
      for (int i = 0; i < 50; ++i) writer.write(frame_of(scene(320, 180, i / 25.0), i));
      writer.finish();
    }
    media::VideoReader reader(plain);
    ASSERT_EQ(reader.info().bit_depth, bit_depth);
    media::VideoWriter writer(path, reader.info(), options);
    const VideoWatermarker marker(kId, WatermarkKey::product(), 320, 180);
    while (auto frame = reader.next()) {
      marker.embed(*frame, frame->time.value());
      writer.write(*frame);
    }
    writer.finish();
  }
  std::filesystem::path folder_;
};

TEST_F(WatermarkFile, FoundAfterH264) {
  media::WriterOptions options;
  options.crf = 32;
  options.chroma = "420";
  write(folder_ / "a.mp4", options, 8);
  expect_found(
      read_video_watermark(folder_ / "a.mp4", WatermarkKey::product(), WatermarkSearch::kQuick));
}

TEST_F(WatermarkFile, TenBitFramesAreMarkedInTheirOwnDepth) {
  media::WriterOptions options;
  options.codec = "ffv1";
  write(folder_ / "b.mkv", options, 10);
  media::VideoReader reader(folder_ / "b.mkv"), plain(folder_ / "plain.mkv");
  ASSERT_EQ(reader.info().bit_depth, 10);
  const Frame marked = *reader.next(), before = *plain.next();
  const auto p = marked.luma()[0], q = before.luma()[0];
  double sum = 0;
  int odd_steps = 0;
  for (int y = 0; y < p.height; ++y)
    for (int x = 0; x < p.width; ++x) {
      const int d = reinterpret_cast<const uint16_t*>(p.data + y * p.stride_bytes)[x] -
                    reinterpret_cast<const uint16_t*>(q.data + y * q.stride_bytes)[x];
      sum += d * d;
      odd_steps += d % 4 != 0;
    }
  EXPECT_GE(10 * std::log10(1023.0 * 1023.0 * p.width * p.height / sum), 44.0);
  EXPECT_GT(odd_steps, p.width * p.height / 4);  // not the 8-bit mark multiplied by four
  expect_found(
      read_video_watermark(folder_ / "b.mkv", WatermarkKey::product(), WatermarkSearch::kQuick));
}

TEST(WatermarkVideo, TooSmallIsSaidClearly) {
  EXPECT_FALSE(VideoWatermarker::fits(127, 127));
  EXPECT_FALSE(VideoWatermarker::fits(4000, 95));
  EXPECT_TRUE(VideoWatermarker::fits(96, 128));
  try {
    VideoWatermarker(kId, WatermarkKey::product(), 64, 48);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(e.what()).find("too small"), std::string::npos);
    EXPECT_FALSE(e.hint().empty());
  }
  VideoWatermarkReader reader;
  reader.add(frame_of(Image8(64, 48, 3, 9), 0), 0);
  const auto r = reader.result();
  EXPECT_FALSE(r.found);
  EXPECT_NE(r.reason.find("too small"), std::string::npos);
}

TEST(WatermarkVideo, ShortClipsSayThatTheIdDoesNotFit) {
  for (double seconds : {0.04, 0.12, 0.5}) {
    const auto r = marked_and_read({}, seconds, 0, 320, 180, WatermarkSearch::kQuick);
    if (r.found) continue;  // a calm scene may carry it all the same
    EXPECT_NE(r.reason.find("short"), std::string::npos) << r.reason;
  }
  EXPECT_FALSE(marked_and_read({}, 0.04, 0, 320, 180, WatermarkSearch::kQuick).found);
  EXPECT_NE(VideoWatermarkReader().result().reason.find("no frames"), std::string::npos);
}

TEST(WatermarkVideo, MisuseIsAnError) {
  const VideoWatermarker marker(kId, WatermarkKey::product(), 320, 180);
  Frame other = frame_of(Image8(160, 120, 3, 9), 0);
  EXPECT_THROW(marker.embed(other, 0), Error);
  VideoWatermarkReader reader;
  reader.add(other, 1);
  EXPECT_THROW(reader.add(frame_of(Image8(320, 180, 3, 9), 1), 1.04), Error);
  EXPECT_THROW(reader.add(other, 0.5), Error);
  EXPECT_THROW(reader.add(Frame(), 2), Error);
  EXPECT_THROW(reader.add(other, std::nan("")), Error);
}

}  // namespace
}  // namespace likeness::trust
