// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <fstream>
#include <map>
#include <thread>

#include "likeness/media/media_test_util.h"

namespace fs = std::filesystem;

namespace likeness::media {
namespace {

/// Sequential reading is the truth; every seek must give the same pixels, number and time.
void expect_exact_seeks(const fs::path& path, size_t frames, const std::string& name) {
  VideoReader sequential(path);
  std::vector<Frame> all = read_all(sequential);
  ASSERT_EQ(all.size(), frames) << name;
  EXPECT_TRUE(sequential.damage().empty()) << name << ": " << sequential.damage().front().what;
  VideoReader reader(path);
  EXPECT_EQ(reader.count_frames(), static_cast<int64_t>(frames)) << name;
  Rng rng(3);
  std::vector<FrameIndex> targets = {static_cast<FrameIndex>(frames) - 1, 0, 1,
                                     static_cast<FrameIndex>(frames) / 2};
  for (int i = 0; i < 14; ++i) targets.push_back(static_cast<FrameIndex>(rng.below(frames)));
  for (FrameIndex target : targets) {
    reader.seek(target);
    for (FrameIndex i = target; i < std::min(target + 3, static_cast<FrameIndex>(frames)); ++i) {
      auto got = reader.next();
      ASSERT_TRUE(got) << name << " " << i;
      const Frame& want = all[static_cast<size_t>(i)];
      EXPECT_EQ(got->index, want.index) << name;
      EXPECT_EQ(got->time.ticks, want.time.ticks) << name << " " << i;
      EXPECT_EQ(got->duration_ticks, want.duration_ticks) << name << " " << i;
      ASSERT_EQ(samples(*got), samples(want))
          << name << " frame " << i << " after seek to " << target;
    }
  }
  reader.seek(static_cast<FrameIndex>(frames));
  EXPECT_FALSE(reader.next()) << name;
  reader.seek(static_cast<FrameIndex>(frames) - 1);
  EXPECT_TRUE(reader.next()) << name;
  EXPECT_FALSE(reader.next()) << name;
}

TEST(Reader, SeekIsExactInOurOwnFiles) {
  TempFolder folder;
  std::map<std::string, WriterOptions> cases;
  cases["a.mp4"] = {.codec = "h264"};
  cases["b.mp4"] = {.codec = "h265", .preset = "ultrafast"};
  cases["c.mov"] = {.codec = "prores"};
  cases["d.mkv"] = {.codec = "ffv1"};
  cases["e.mkv"] = {.codec = "h264"};
  for (auto& [name, options] : cases) {
    write_clip(folder / name, options, AV_PIX_FMT_YUV420P, 96, 64, 0, 70);
    expect_exact_seeks(folder / name, 70, name);
  }
}

TEST(Reader, SeekIsExactInForeignFiles) {
  NEED_FFMPEG();
  TempFolder folder;
  std::string source =
      "-f lavfi -i testsrc2=size=160x128:rate=25:duration=3 -f lavfi -i sine=duration=3 ";
  std::map<std::string, std::string> cases = {
      {"mpeg2.ts", "-c:v mpeg2video -bf 2 -c:a mp2"},
      {"mpeg1.mpg", "-c:v mpeg1video -bf 2 -c:a mp2"},
      {"h264.ts", "-c:v libx264 -g 20 -c:a aac"},
      {"open_gop.mkv", "-c:v libx264 -g 15 -x264-params open-gop=1:bframes=3:b-adapt=0 -c:a aac"},
      {"intra_refresh.mp4", "-c:v libx264 -g 20 -x264-params intra-refresh=1 -c:a aac"},
      {"vp9.webm", "-c:v libvpx-vp9 -cpu-used 8 -deadline realtime -g 20 -c:a libopus"},
      {"vp8.webm", "-c:v libvpx -auto-alt-ref 1 -lag-in-frames 10 -g 20 -c:a libvorbis"},
      {"mpeg4.avi", "-c:v mpeg4 -bf 2 -g 20 -c:a mp2"},
      {"mjpeg.avi", "-c:v mjpeg -c:a pcm_s16le"},
      {"rgb.mkv", "-c:v ffv1 -pix_fmt gbrp10le -an"},
      {"hevc_open.mp4",
       "-c:v libx265 -preset ultrafast -x265-params log-level=none:open-gop=1:keyint=15 -c:a aac"},
      {"raw.h264", "-c:v libx264 -g 20 -an"},
      {"gif.gif", "-an"}};
  for (auto& [name, arguments] : cases) {
    if (!run_ffmpeg(source + arguments + " -t 3 " + (folder / name).string())) {
      std::printf("(this ffmpeg cannot write %s)\n", name.c_str());
      continue;
    }
    expect_exact_seeks(folder / name, 75, name);
  }
}

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Reader, RotationMakesFramesUpright) {
  NEED_FFMPEG();
  TempFolder folder;
  write_clip(folder / "flat.mp4", {.codec = "h264"}, AV_PIX_FMT_YUV420P, 96, 64, 0, 6);
  std::vector<int> seen;
  for (int degrees : {90, 180, 270}) {
    fs::path path = folder / ("turned" + std::to_string(degrees) + ".mp4"),
             raw = folder / "raw.yuv";
    ASSERT_TRUE(run_ffmpeg("-i " + (folder / "flat.mp4").string() +
                           " -c copy -metadata:s:v:0 rotate=" + std::to_string(degrees) + " " +
                           path.string()));
    // The ffmpeg program turns by itself what players turn.
    ASSERT_TRUE(
        run_ffmpeg("-i " + path.string() + " -f rawvideo -pix_fmt yuv420p " + raw.string()));
    VideoReader reader(path);
    seen.push_back(reader.info().rotation_deg);
    EXPECT_EQ(reader.info().width, degrees == 180 ? 96 : 64);
    EXPECT_EQ(reader.info().height, degrees == 180 ? 64 : 96);
    std::string all;
    for (const Frame& frame : read_all(reader)) all += samples(frame);
    EXPECT_TRUE(all == slurp(raw)) << degrees;
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<int>{90, 180, 270}));
}

TEST(Reader, InterlacedInputComesProgressiveAndSeeksExactly) {
  NEED_FFMPEG();
  TempFolder folder;
  // A bar that moves between the fields combs; deinterlaced lines agree with their neighbours.
  std::string source =
      "-f lavfi -i testsrc2=size=192x128:rate=50:duration=2 -vf "
      "tinterlace=interleave_top,setfield=tff ";
  fs::path path = folder / "interlaced.ts";
  ASSERT_TRUE(run_ffmpeg(source + "-c:v mpeg2video -qscale:v 2 -flags +ildct+ilme -g 12 -bf 2 " +
                         path.string()));
  auto combing = [](const Frame& frame) {
    const AVFrame& f = *frame.native();
    double sum = 0;
    for (int y = 1; y + 1 < f.height; ++y)
      for (int x = 0; x < f.width; ++x) {
        auto at = [&](int row) {
          return int{f.data[0][static_cast<ptrdiff_t>(row) * f.linesize[0] + x]};
        };
        int a = at(y) - at(y - 1), b = at(y) - at(y + 1);
        if ((a > 0) == (b > 0)) sum += std::min(std::abs(a), std::abs(b));
      }
    return sum;
  };
  VideoReader raw(path, {.deinterlace = false}), progressive(path);
  std::vector<Frame> combed = read_all(raw), smooth = read_all(progressive);
  EXPECT_TRUE(progressive.info().interlaced);
  ASSERT_EQ(combed.size(), smooth.size());
  double before = 0, after = 0;
  for (size_t i = 0; i < combed.size(); ++i) {
    before += combing(combed[i]);
    after += combing(smooth[i]);
    EXPECT_EQ(combed[i].time.ticks, smooth[i].time.ticks);
  }
  EXPECT_LT(after, before * 0.6);
  expect_exact_seeks(path, smooth.size(), "interlaced");
}

TEST(Reader, OddFormatsBecomeSupportedOnes) {
  NEED_FFMPEG();
  TempFolder folder;
  for (std::string format :
       {"gray", "gray16le", "pal8", "rgb24", "rgba", "rgb48be", "ya8", "monob"}) {
    fs::path path = folder / (format + ".png");
    ASSERT_TRUE(run_ffmpeg("-f lavfi -i testsrc=size=64x48 -frames:v 1 -pix_fmt " + format + " " +
                           path.string()));
    VideoReader reader(path);
    EXPECT_TRUE(reader.info().is_still);
    auto frame = reader.next();
    ASSERT_TRUE(frame) << format;
    EXPECT_FALSE(reader.next());
    // Truth: ffmpeg's own conversion to 8-bit RGB.
    fs::path raw = folder / "raw.rgb";
    ASSERT_TRUE(run_ffmpeg("-i " + path.string() +
                           " -f rawvideo -pix_fmt rgb24 -sws_flags accurate_rnd " + raw.string()));
    std::string truth = slurp(raw);
    Image8 image = frame->rgb8();
    ASSERT_EQ(truth.size(), image.data.size()) << format;
    int worst = 0;
    for (size_t i = 0; i < truth.size(); ++i)
      worst = std::max(worst, std::abs(int{static_cast<uint8_t>(truth[i])} - int{image.data[i]}));
    EXPECT_LE(worst, 2) << format;
  }
  for (std::string format : {"yuv411p", "yuv410p", "yuyv422", "nv12", "yuva420p", "gray10le",
                             "yuv420p9le", "yuv422p12le"}) {
    fs::path path = folder / (format + ".nut");
    ASSERT_TRUE(run_ffmpeg(
        "-f lavfi -i testsrc2=size=64x48:duration=0.2 -c:v rawvideo -strict -1 -pix_fmt " + format +
        " " + path.string()));
    VideoReader reader(path);
    EXPECT_EQ(read_all(reader).size(), 5u) << format;
  }
}

TEST(Reader, FoldersPatternsAndStills) {
  TempFolder folder;
  fs::create_directory(folder / "images");
  for (int i = 0; i < 12; ++i) {
    char name[40];
    snprintf(name, sizeof name, "images/shot%03d.png", i + 5);
    write_image(folder / name, test_frame(AV_PIX_FMT_GBRP, 40, 30, i).rgb8());
  }
  for (fs::path path :
       {folder / "images", folder / "images/shot%03d.png", folder / "images/shot%d.png"}) {
    VideoReader reader(path);
    EXPECT_TRUE(reader.info().is_image_sequence);
    EXPECT_EQ(reader.count_frames(), 12);
    reader.seek(7);
    auto frame = reader.next();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->index, 7);
    EXPECT_EQ(frame->rgb8().data, test_frame(AV_PIX_FMT_GBRP, 40, 30, 7).rgb8().data);
  }
  std::ofstream(folder / "images/shot008.png", std::ios::binary) << "no picture";
  VideoReader reader(folder / "images");
  EXPECT_EQ(read_all(reader).size(), 11u);
  ASSERT_EQ(reader.damage().size(), 1u);
  EXPECT_EQ(reader.damage()[0].frame, 3);
  EXPECT_EQ(code_of([&] { probe(folder / "images/none%05d.png"); }), ErrorCode::kNotFound);
}

TEST(Reader, ExifOrientationIsApplied) {
  TempFolder folder;
  Image8 image(32, 16, 3);
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 32; ++x) image.at(x, y, 0) = x < 16 ? 230 : 20;
  std::string jpeg = encode_jpeg(image, 95);
  // APP1 with one big-endian IFD entry: 0x0112 orientation = 6 (turn 90 degrees clockwise to show).
  const unsigned char exif[] = {0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0,    'M', 'M',
                                0,    42,   0, 0,  0,   8,   0,   1,   1, 0x12, 0,   3,
                                0,    0,    0, 1,  0,   6,   0,   0,   0, 0,    0,   0};
  jpeg.insert(2, reinterpret_cast<const char*>(exif), sizeof exif);
  std::ofstream(folder / "turned.jpg", std::ios::binary) << jpeg;
  Image8 upright = read_image(folder / "turned.jpg");
  ASSERT_EQ(upright.width, 16);
  ASSERT_EQ(upright.height, 32);
  EXPECT_GT(upright.at(8, 4, 0), 200);
  EXPECT_LT(upright.at(8, 28, 0), 50);
  EXPECT_EQ(probe(folder / "turned.jpg").rotation_deg, 90);
}

TEST(Reader, SeveralReadersAtOnce) {
  TempFolder folder;
  write_clip(folder / "clip.mp4", {.codec = "h264"}, AV_PIX_FMT_YUV420P, 96, 64, 0, 60);
  VideoReader sequential(folder / "clip.mp4");
  std::vector<Frame> all = read_all(sequential);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      VideoReader reader(folder / "clip.mp4", {.threads = 1});
      reader.seek(15 * t);
      for (int i = 15 * t; i < 15 * (t + 1); ++i) {
        auto frame = reader.next();
        if (!frame || samples(*frame) != samples(all[static_cast<size_t>(i)])) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

#if defined(__SANITIZE_ADDRESS__)
#define LIKENESS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LIKENESS_ASAN 1
#endif
#endif
#ifdef LIKENESS_ASAN
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

int64_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::atoll(line.c_str() + 6);
  return 0;
}

TEST(Reader, MemoryDoesNotGrowWithLength) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer keeps freed memory back";
  TempFolder folder;
  // 20000 frames (13 minutes): a picture is 37 KiB, so keeping them would take 720 MiB.
  Frame first = test_frame(AV_PIX_FMT_YUV420P, 192, 128, 0);
  VideoWriter writer(folder / "long.mp4", info_like(first),
                     {.codec = "h264", .crf = 35, .preset = "ultrafast"});
  Frame pictures[2] = {first, test_frame(AV_PIX_FMT_YUV420P, 192, 128, 1)};
  int64_t written_early = 0;
  for (FrameIndex i = 0; i < 20000; ++i) {
    Frame frame = pictures[i % 2];
    frame.index = frame.time.ticks = i;
    writer.write(frame);
    if (i == 4000) written_early = resident_kib();
  }
  writer.finish();
  EXPECT_LT(resident_kib() - written_early, 40 * 1024);
  VideoReader reader(folder / "long.mp4");
  int64_t early = 0, frames = 0;
  while (auto frame = reader.next())
    if (++frames == 2000) early = resident_kib();
  EXPECT_EQ(frames, 20000);
  EXPECT_LT(resident_kib() - early, 40 * 1024);
}

}  // namespace
}  // namespace likeness::media

#ifdef LIKENESS_ASAN
// x265 3.5 forgets a few buffers of every encoder; not ours to fix.
extern "C" const char* __lsan_default_suppressions() { return "leak:libx265\n"; }
#endif
