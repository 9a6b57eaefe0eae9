// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <fstream>

#include <sys/resource.h>

#include "likeness/base/atomic_file.h"
#include "likeness/media/media_test_util.h"

namespace fs = std::filesystem;

namespace likeness::media {
namespace {

void put(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(BadInput, ClearErrorsForWhatIsNoVideo) {
  TempFolder folder;
  put(folder / "empty.mp4", "");
  put(folder / "text.mp4", "This is a shopping list.\nmilk\nbread\n" + std::string(3000, 'x'));
  put(folder / "text.png", "This is no picture either");
  put(folder / "list.mp4",
      "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n/etc/passwd\n#EXT-X-ENDLIST\n");
  put(folder / "concat.mp4", "ffconcat version 1.0\nfile /etc/passwd\n");
  put(folder / "zeros.mp4", std::string(100000, '\0'));
  put(folder / "note.txt", "hello");
  fs::create_directory(folder / "nothing");
  auto open = [&](const fs::path& path) { return code_of([&] { VideoReader reader(path); }); };
  EXPECT_EQ(open(folder / "empty.mp4"), ErrorCode::kBadInput);
  EXPECT_EQ(open(folder / "text.mp4"), ErrorCode::kBadInput);
  EXPECT_EQ(open(folder / "text.png"), ErrorCode::kBadInput);
  EXPECT_EQ(open(folder / "zeros.mp4"), ErrorCode::kBadInput);
  EXPECT_EQ(open(folder / "nothing"), ErrorCode::kBadInput);
  EXPECT_EQ(open(folder / "absent.mp4"), ErrorCode::kNotFound);
  EXPECT_EQ(open("/dev/zero"), ErrorCode::kBadInput);
  for (const char* name : {"list.mp4", "concat.mp4", "note.txt"}) {
    ErrorCode code = open(folder / name);
    EXPECT_TRUE(code == ErrorCode::kBadInput || code == ErrorCode::kUnsupported) << name;
  }
  EXPECT_EQ(code_of([&] { read_image(folder / "text.png"); }), ErrorCode::kBadInput);
  EXPECT_EQ(code_of([&] { decode_image("abc", 3); }), ErrorCode::kDamaged);
  EXPECT_EQ(code_of([&] { list_media(folder / "absent"); }), ErrorCode::kNotFound);
}

TEST(BadInput, SoundWithoutPictures) {
  TempFolder folder;
  // A WAV of no samples, and one of a second.
  for (uint32_t bytes : {0u, 16000u}) {
    std::string wav = "RIFF";
    auto u32 = [&](uint32_t v) { wav.append(reinterpret_cast<const char*>(&v), 4); };
    auto u16 = [&](uint16_t v) { wav.append(reinterpret_cast<const char*>(&v), 2); };
    u32(36 + bytes);
    wav += "WAVEfmt ";
    u32(16), u16(1), u16(1), u32(8000), u32(16000), u16(2), u16(16);
    wav += "data";
    u32(bytes);
    wav += std::string(bytes, '\0');
    put(folder / "sound.wav", wav);
    EXPECT_EQ(code_of([&] { VideoReader reader(folder / "sound.wav"); }), ErrorCode::kBadInput);
    // As the source of sound for a video it is fine, also when it is empty.
    Frame frame = test_frame(AV_PIX_FMT_YUV420P, 64, 48, 0);
    VideoWriter writer(folder / "video.mov", info_like(frame), {});
    writer.copy_audio_from(folder / "sound.wav");
    for (int i = 0; i < 10; ++i) writer.write(test_frame(AV_PIX_FMT_YUV420P, 64, 48, i));
    writer.finish();
    VideoReader reader(folder / "video.mov");
    EXPECT_EQ(read_all(reader).size(), 10u);
  }
}

TEST(BadInput, TinyAndHugePictures) {
  TempFolder folder;
  for (std::string codec : {"h264", "ffv1"}) {
    fs::path path = folder / (codec + ".mkv");
    write_clip(path, {.codec = codec, .crf = 1}, AV_PIX_FMT_YUV420P, 1, 1, 0, 3);
    VideoReader reader(path);
    EXPECT_EQ(reader.info().width, 1);
    std::vector<Frame> frames = read_all(reader);
    ASSERT_EQ(frames.size(), 3u);
    EXPECT_EQ(frames[0].rgb8().data.size(), 3u);
    EXPECT_EQ(frames[0].rgb8_scaled(100).data.size(), 3u);
  }
  write_image(folder / "wide.png", Image8(16384, 16, 3, 77));
  EXPECT_EQ(probe(folder / "wide.png").width, 16384);
  EXPECT_EQ(read_image(folder / "wide.png").at(16000, 3, 1), 77);
  write_image(folder / "wider.png", Image8(16385, 16, 3, 77));
  EXPECT_EQ(code_of([&] { read_image(folder / "wider.png"); }), ErrorCode::kBadInput);
}

/// Everything up to the cut comes, the rest is told with its time, and nothing hangs.
void expect_cut(const fs::path& path, double length_s) {
  VideoReader reader(path);
  std::vector<Frame> frames = read_all(reader);
  ASSERT_GT(frames.size(), 10u) << path;
  ASSERT_FALSE(reader.damage().empty()) << path;
  double last = frames.back().time.value();
  EXPECT_LT(last, length_s * 0.8) << path;
  EXPECT_NEAR(reader.damage().front().time_s, last, 0.5) << path << reader.damage().front().what;
  EXPECT_FALSE(reader.damage().front().what.empty());
  reader.seek(5);
  auto frame = reader.next();
  ASSERT_TRUE(frame);
  EXPECT_TRUE(samples(*frame) == samples(frames[5]));
  // Near the cut a frame that was stored later may be missing; before it nothing is.
  for (size_t i = 0; i + 6 < frames.size(); ++i) {
    EXPECT_EQ(frames[i].index, static_cast<FrameIndex>(i)) << path;
    EXPECT_NEAR(frames[i].time.value(), static_cast<double>(i) / 25, 1e-3) << path;
  }
}

TEST(BadInput, TruncatedFilesGiveWhatIsThere) {
  TempFolder folder;
  for (std::string name : {"a.mp4", "b.mkv", "c.mov"}) {
    std::string codec = name == "c.mov" ? "prores" : "h264";
    write_clip(folder / name, {.codec = codec}, AV_PIX_FMT_YUV420P, 160, 128, 0, 100);
    std::string bytes = read_file(folder / name);
    put(folder / ("cut-" + name), bytes.substr(0, bytes.size() * 6 / 10));
    expect_cut(folder / ("cut-" + name), 4.0);
  }
  // An index at the end that is missing leaves nothing: said so.
  std::string bytes = read_file(folder / "a.mp4");
  size_t at = bytes.find("moov");
  bytes.replace(at, 4, "abcd");
  put(folder / "headless.mp4", bytes);
  EXPECT_EQ(code_of([&] { VideoReader reader(folder / "headless.mp4"); }), ErrorCode::kDamaged);
}

TEST(BadInput, BrokenMiddleIsNamedAndReadingGoesOn) {
  TempFolder folder;
  write_clip(folder / "a.mp4", {.codec = "h264", .threads = 1}, AV_PIX_FMT_YUV420P, 160, 128, 0,
             300);
  std::string bytes = read_file(folder / "a.mp4");
  VideoReader whole(folder / "a.mp4");
  std::vector<Frame> good = read_all(whole);
  size_t start = bytes.size() / 2;
  Rng rng(5);
  for (size_t i = start; i < start + 3000; ++i) bytes[i] = static_cast<char>(rng.next());
  put(folder / "broken.mp4", bytes);
  VideoReader reader(folder / "broken.mp4");
  std::vector<Frame> frames = read_all(reader);
  EXPECT_GT(frames.size(), 270u);
  ASSERT_FALSE(reader.damage().empty());
  EXPECT_NEAR(reader.damage().front().time_s, 6.0, 2.0);
  // Numbers still mean times: what comes after the damage is not shifted.
  for (const Frame& frame : frames)
    EXPECT_EQ(frame.time.ticks, good[static_cast<size_t>(frame.index)].time.ticks) << frame.index;
  EXPECT_EQ(frames.back().index, 299);
}

TEST(BadInput, RandomDamageNeverCrashes) {
  TempFolder folder;
  for (std::string name : {"a.mp4", "b.mkv", "c.mov"}) {
    std::string codec = name == "a.mp4" ? "h264" : name == "b.mkv" ? "ffv1" : "prores";
    write_clip(folder / name, {.codec = codec}, AV_PIX_FMT_YUV420P, 48, 32, 0, 20);
    std::string bytes = read_file(folder / name);
    for (int round = 0; round < 40; ++round) {
      Rng rng(11, round, name);
      std::string bad = bytes;
      for (int i = 0; i < 1 + round % 20; ++i)
        bad[rng.below(bad.size())] = static_cast<char>(rng.next());
      if (round % 3 == 0) bad.resize(rng.below(bad.size()) + 1);
      fs::path path = folder / ("bad-" + name);
      put(path, bad);
      try {
        VideoReader reader(path);
        int64_t frames = 0;
        while (auto frame = reader.next()) {
          ASSERT_EQ(static_cast<int>(frame->rgb8().data.size()),
                    frame->width() * frame->height() * 3);
          ASSERT_LT(++frames, 1000);
        }
        reader.seek(3);
        reader.next();
      } catch (const Error& error) {
        EXPECT_NE(error.code(), ErrorCode::kInternal) << error.what();
      }
    }
  }
}

TEST(BadOutput, UnfinishedFilesVanish) {
  TempFolder folder;
  {
    Frame frame = test_frame(AV_PIX_FMT_YUV420P, 64, 48, 0);
    VideoWriter video(folder / "a.mp4", info_like(frame), {});
    video.write(frame);
    VideoWriter images(folder / "images", info_like(frame), {.codec = "png"});
    images.write(frame);
    EXPECT_EQ(code_of([&] { video.write(test_frame(AV_PIX_FMT_YUV420P, 32, 32, 1)); }),
              ErrorCode::kUsage);
    VideoWriter nothing(folder / "b.mp4", info_like(frame), {});
    EXPECT_EQ(code_of([&] { nothing.finish(); }), ErrorCode::kUsage);
    EXPECT_FALSE(fs::exists(folder / "a.mp4"));
  }
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(BadOutput, FoldersThatCannotBeWritten) {
  Frame frame = test_frame(AV_PIX_FMT_YUV420P, 64, 48, 0);
  EXPECT_THROW(VideoWriter("/proc/likeness/a.mp4", info_like(frame), {}), Error);
  EXPECT_THROW(VideoWriter("/proc/a.mp4", info_like(frame), {}), Error);
  TempFolder folder;
  put(folder / "file", "x");
  EXPECT_THROW(VideoWriter(folder / "file/a.mp4", info_like(frame), {}), Error);
  fs::create_directory(folder / "a.mp4");
  EXPECT_EQ(code_of([&] { VideoWriter(folder / "a.mp4", info_like(frame), {}); }),
            ErrorCode::kUsage);
  EXPECT_EQ(folder.entries(), 2u);
}

TEST(BadOutput, FullDiskIsAnErrorAndLeavesNothing) {
  TempFolder folder;
  // A limit on the size of files stands in for a full disk: both make write() fail in the middle.
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 200 * 1024;
  put(folder / "old.mp4", "what was there");
  for (std::string codec : {"ffv1", "h264", "png"}) {
    ErrorCode code = code_of([&] {
      fs::path path = codec == "ffv1"   ? folder / "a.mkv"
                      : codec == "h264" ? folder / "old.mp4"
                                        : folder / "images";
      Frame frame = test_frame(AV_PIX_FMT_YUV420P, 640, 480, 0);
      VideoWriter writer(path, info_like(frame), {.codec = codec, .crf = 5, .preset = "ultrafast"});
      ::setrlimit(RLIMIT_FSIZE, &small);
      for (int i = 0; i < 40; ++i) writer.write(test_frame(AV_PIX_FMT_YUV420P, 640, 480, i));
      writer.finish();
    });
    ::setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(code, ErrorCode::kNoSpace) << codec;
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(folder.entries(), 1u);
  EXPECT_EQ(read_file(folder / "old.mp4"), "what was there");
}

}  // namespace
}  // namespace likeness::media
