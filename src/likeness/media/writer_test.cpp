// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <map>

#include "likeness/base/options.h"
#include "likeness/media/media_test_util.h"
#include "likeness/media/source.h"
#include "likeness/media/writer_options.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace fs = std::filesystem;

namespace likeness::media {
namespace {

/// Milliseconds: irregular, as phones record.
Clock variable_clock(int frames) {
  Clock clock{{1, 90000}, {}};
  int64_t time = 0;
  for (int i = 0; i < frames; ++i) {
    clock.times.push_back(time);
    time += i % 7 == 3 ? 9000 : 2700 + (i * 37) % 600;
  }
  return clock;
}

struct Sound {
  double start_s;
  std::string bytes;
};
std::vector<Sound> sound_packets(const fs::path& path) {
  LogCapture capture;
  Container c = open_container(path, capture);
  std::vector<Sound> out;
  if (c.audio < 0) return out;
  PacketPtr packet = make_packet();
  double base = av_q2d(c.format->streams[c.audio]->time_base);
  double origin =
      c.video < 0 ? 0 : static_cast<double>(c.origin) * av_q2d(c.video_stream()->time_base);
  while (av_read_frame(c.format.get(), packet.get()) >= 0) {
    if (packet->stream_index == c.audio)
      out.push_back({static_cast<double>(packet->pts) * base - origin,
                     std::string(reinterpret_cast<const char*>(packet->data),
                                 static_cast<size_t>(packet->size))});
    av_packet_unref(packet.get());
  }
  return out;
}

TEST(Writer, Ffv1KeepsEverySampleOfEveryFormat) {
  TempFolder folder;
  for (AVPixelFormat format :
       {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P10LE, AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_YUV444P,
        AV_PIX_FMT_YUV444P16LE, AV_PIX_FMT_GBRP, AV_PIX_FMT_GBRP10LE, AV_PIX_FMT_GBRP16LE}) {
    write_clip(folder / "a.mkv", {.codec = "ffv1"}, format, 63, 47, 0, 5);
    VideoReader reader(folder / "a.mkv");
    for (int i = 0; i < 5; ++i) {
      auto frame = reader.next();
      ASSERT_TRUE(frame);
      EXPECT_EQ(frame->native()->format, format);
      EXPECT_TRUE(samples(*frame) == samples(test_frame(format, 63, 47, i)))
          << av_get_pix_fmt_name(format) << i;
    }
    EXPECT_FALSE(reader.next());
  }
}

TEST(Writer, BlendedVideoIsExactOutsideTheMask) {
  TempFolder folder;
  for (AVPixelFormat format : {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P10LE}) {
    write_clip(folder / "in.mkv", {.codec = "ffv1"}, format, 96, 64, 0, 8);
    VideoReader reader(folder / "in.mkv");
    VideoWriter writer(folder / "out.mkv", reader.info(), {.codec = "ffv1"});
    Rect r{21, 11, 61, 51};
    ImageF alpha(40, 40, 1);
    for (int y = 8; y < 30; ++y)
      for (int x = 8; x < 30; ++x) alpha.at(x, y) = 1;
    while (auto frame = reader.next()) {
      frame->blend_rgb(r, ImageF(40, 40, 3, 0.5f), alpha);
      writer.write(*frame);
    }
    writer.finish();
    VideoReader in(folder / "in.mkv"), out(folder / "out.mkv");
    EXPECT_EQ(out.info().bit_depth, in.info().bit_depth);
    for (int i = 0; i < 8; ++i) {
      const Frame a = *in.next(), b = *out.next();
      PixelLayout l = layout_of(*a.native());
      for (int p = 0; p < 3; ++p)
        for (int y = 0; y < (p ? 32 : 64); ++y)
          for (int x = 0; x < (p ? 48 : 96); ++x) {
            int s = p ? 2 : 1;
            bool inside = (x + 1) * s > 29 && x * s < 51 && (y + 1) * s > 19 && y * s < 41;
            ptrdiff_t at = static_cast<ptrdiff_t>(y) * a.native()->linesize[p] + x * l.bytes;
            ptrdiff_t bt = static_cast<ptrdiff_t>(y) * b.native()->linesize[p] + x * l.bytes;
            if (!inside) {
              ASSERT_EQ(std::memcmp(a.native()->data[p] + at, b.native()->data[p] + bt,
                                    static_cast<size_t>(l.bytes)),
                        0);
            }
          }
      EXPECT_NE(samples(a), samples(b));
    }
  }
}

TEST(Writer, LossyCodecsStayCloseAndKeepDepth) {
  TempFolder folder;
  struct Case {
    std::string name;
    WriterOptions options;
    AVPixelFormat in, out;
  };
  for (const Case& c :
       {Case{"a.mp4", {.codec = "h264", .crf = 10}, AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P},
        Case{"b.mp4", {.codec = "h264", .crf = 10}, AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_YUV420P10LE},
        Case{"c.mp4", {.codec = "h265", .crf = 10}, AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_YUV420P10LE},
        Case{"d.mov", {.codec = "prores"}, AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P10LE},
        Case{"e.mov",
             {.codec = "prores", .profile = "4444"},
             AV_PIX_FMT_GBRP10LE,
             AV_PIX_FMT_YUV444P12LE},
        Case{"f.mp4",
             {.codec = "h264", .crf = 10, .bit_depth = 8},
             AV_PIX_FMT_YUV422P10LE,
             AV_PIX_FMT_YUV422P},
        Case{"g.mp4",
             {.codec = "h264", .crf = 10, .chroma = "420"},
             AV_PIX_FMT_YUV444P,
             AV_PIX_FMT_YUV420P},
        Case{"h.mp4", {.codec = "h264", .crf = 10}, AV_PIX_FMT_GBRP, AV_PIX_FMT_YUV420P}}) {
    write_clip(folder / c.name, c.options, c.in, 96, 64, 0, 6);
    VideoReader reader(folder / c.name);
    for (int i = 0; i < 6; ++i) {
      auto frame = reader.next();
      ASSERT_TRUE(frame) << c.name;
      EXPECT_EQ(frame->native()->format, c.out) << c.name;
      Image8 got = frame->rgb8(), want = test_frame(c.in, 96, 64, i).rgb8();
      double difference = 0;
      for (size_t k = 0; k < got.data.size(); ++k)
        difference += std::abs(int{got.data[k]} - int{want.data[k]});
      EXPECT_LT(difference / static_cast<double>(got.data.size()), 6) << c.name;
    }
    EXPECT_FALSE(reader.next());
  }
}

TEST(Writer, VariableFrameTimesAndColourTagsAreKept) {
  TempFolder folder;
  Clock clock = variable_clock(60);
  std::map<std::string, WriterOptions> cases = {{"a.mp4", {.codec = "h264"}},
                                                {"b.mov", {.codec = "prores"}},
                                                {"c.mp4", {.codec = "h265", .preset = "ultrafast"}},
                                                {"d.mkv", {.codec = "ffv1"}}};
  for (auto& [name, options] : cases) {
    Frame first = test_frame(AV_PIX_FMT_YUV420P10LE, 64, 64, 0, clock);
    VideoInfo info = info_like(first);
    info.sample_aspect = {4, 3};
    info.variable_frame_rate = true;
    VideoWriter writer(folder / name, info, options);
    for (int i = 0; i < 60; ++i) {
      Frame frame = test_frame(AV_PIX_FMT_YUV420P10LE, 64, 64, i, clock);
      AVFrame& n = *frame.native();
      n.color_primaries = AVCOL_PRI_BT2020;
      n.color_trc = AVCOL_TRC_SMPTE2084;
      n.colorspace = AVCOL_SPC_BT2020_NCL;
      n.color_range = AVCOL_RANGE_MPEG;
      writer.write(frame);
    }
    writer.finish();
    VideoReader reader(folder / name);
    ColorTags tags{9, 16, 9, 1};
    EXPECT_EQ(reader.count_frames(), 60) << name;
    EXPECT_TRUE(reader.info().variable_frame_rate) << name;
    EXPECT_NEAR(reader.info().sample_aspect.value(), 4.0 / 3, 1e-9) << name;
    for (int i = 0; i < 60; ++i) {
      auto frame = reader.next();
      ASSERT_TRUE(frame);
      EXPECT_TRUE(frame->color() == tags) << name;
      if (name == "d.mkv") {  // Matroska counts milliseconds
        EXPECT_NEAR(frame->time.value(),
                    static_cast<double>(clock.times[static_cast<size_t>(i)]) / 90000, 0.00051);
        continue;
      }
      EXPECT_EQ(av_rescale_q(frame->time.ticks, av_rational(frame->time.time_base), {1, 90000}),
                clock.times[static_cast<size_t>(i)])
          << name << " " << i;
      if (i + 1 < 60) {
        EXPECT_EQ(
            av_rescale_q(frame->duration_ticks, av_rational(frame->time.time_base), {1, 90000}),
            clock.times[static_cast<size_t>(i) + 1] - clock.times[static_cast<size_t>(i)])
            << name;
      }
    }
    EXPECT_FALSE(reader.next());
  }
}

class WriterSound : public ::testing::Test {
 protected:
  void SetUp() override {
    NEED_FFMPEG();
    ASSERT_TRUE(
        run_ffmpeg("-f lavfi -i testsrc2=size=64x64:rate=25:duration=4 -f lavfi -i sine=duration=4 "
                   "-c:v libx264 "
                   "-c:a aac " +
                   source().string()));
  }
  fs::path source() const { return folder_ / "source.mp4"; }
  TempFolder folder_;
};

TEST_F(WriterSound, PacketsAreCopiedUntouchedAndInSync) {
  std::vector<Sound> want = sound_packets(source());
  ASSERT_GT(want.size(), 100u);
  for (std::string name : {"a.mp4", "b.mov", "c.mkv"}) {
    VideoReader reader(source());
    VideoWriter writer(folder_ / name, reader.info(), {.codec = "h264"});
    writer.copy_audio_from(source());
    while (auto frame = reader.next()) writer.write(*frame);
    writer.finish();
    std::vector<Sound> got = sound_packets(folder_ / name);
    ASSERT_EQ(got.size(), want.size()) << name;
    VideoReader back(folder_ / name);
    double video_s =
        back.next()
            ->time.value();  // Matroska has no negative times: all moves by the encoder's delay
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_TRUE(got[i].bytes == want[i].bytes) << name << " " << i;
      EXPECT_NEAR(got[i].start_s - video_s, want[i].start_s, name == "c.mkv" ? 0.0021 : 0.0002)
          << name << " " << i;
    }
  }
}

TEST_F(WriterSound, EndsWithTheVideoAndStartsWhereAsked) {
  std::vector<Sound> all = sound_packets(source());
  // Frames 25..49 with their source times, and the same counted from 0.
  for (bool rebased : {false, true}) {
    fs::path path = folder_ / (rebased ? "rebased.mp4" : "kept.mp4");
    VideoReader reader(source());
    reader.seek(25);
    VideoWriter writer(path, reader.info(), {.codec = "h264"});
    writer.copy_audio_from(source(), 1.0);
    for (int i = 0; i < 25; ++i) {
      Frame frame = *reader.next();
      if (rebased) frame.time.ticks -= frame.time.time_base.den / frame.time.time_base.num;
      writer.write(frame);
    }
    writer.finish();
    std::vector<Sound> got = sound_packets(path);
    ASSERT_GT(got.size(), 40u);
    ASSERT_LT(got.size(), 48u);
    size_t at = 0;
    while (at < all.size() && all[at].bytes != got[0].bytes) ++at;
    ASSERT_LT(at, all.size());
    EXPECT_NEAR(all[at].start_s, 1.0, 0.03);
    LogCapture capture;
    Container c = open_video(path, capture);
    double video_start =
        static_cast<double>(c.video_stream()->start_time) * av_q2d(c.video_stream()->time_base);
    EXPECT_NEAR(video_start, rebased ? 0.0 : 1.0, 0.025);
    double first_sound =
        got[0].start_s + static_cast<double>(c.origin) * av_q2d(c.video_stream()->time_base);
    EXPECT_NEAR(first_sound - video_start, all[at].start_s - 1.0, 0.001);
    for (size_t i = 0; i < got.size(); ++i) ASSERT_TRUE(got[i].bytes == all[at + i].bytes);
    EXPECT_LE(all[at + got.size() - 1].start_s, 2.0);
  }
}

TEST_F(WriterSound, BecomesAacWhereTheContainerCannotHoldIt) {
  fs::path pcm = folder_ / "pcm.mov";
  ASSERT_TRUE(run_ffmpeg("-i " + source().string() + " -c:v copy -c:a pcm_s16le " + pcm.string()));
  VideoReader reader(pcm);
  VideoWriter writer(folder_ / "aac.mp4", reader.info(), {.codec = "h264"});
  writer.copy_audio_from(pcm);
  while (auto frame = reader.next()) writer.write(*frame);
  writer.finish();
  VideoInfo info = probe(folder_ / "aac.mp4");
  EXPECT_EQ(info.audio_codec, "aac");
  EXPECT_NEAR(info.audio_duration_s, 4.0, 0.06);
  EXPECT_NEAR(info.duration_s, 4.0, 0.01);
}

TEST(Writer, ImageFoldersRoundTrip) {
  TempFolder folder;
  write_clip(folder / "png", {.codec = "png"}, AV_PIX_FMT_GBRP, 40, 30, 0, 4);
  write_clip(folder / "tiff", {.codec = "tiff"}, AV_PIX_FMT_GBRP16LE, 40, 30, 0, 4);
  EXPECT_TRUE(fs::exists(folder / "png/00000003.png"));
  VideoReader png(folder / "png"), tiff(folder / "tiff");
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(samples(*png.next()) == samples(test_frame(AV_PIX_FMT_GBRP, 40, 30, i)));
    auto frame = tiff.next();
    EXPECT_EQ(frame->bit_depth(), 16);
    EXPECT_TRUE(samples(*frame) == samples(test_frame(AV_PIX_FMT_GBRP16LE, 40, 30, i)));
  }
  // Written again over itself, but never over somebody's folder.
  write_clip(folder / "png", {.codec = "png"}, AV_PIX_FMT_GBRP, 40, 30, 0, 2);
  EXPECT_EQ(probe(folder / "png").frame_count, 2);
  std::ofstream(folder / "png/notes.txt") << "mine";
  EXPECT_EQ(
      code_of([&] { write_clip(folder / "png", {.codec = "png"}, AV_PIX_FMT_GBRP, 40, 30, 0, 2); }),
      ErrorCode::kUsage);
  EXPECT_TRUE(fs::exists(folder / "png/notes.txt"));
  EXPECT_EQ(folder.entries(), 2u);
}

TEST(Writer, OptionsAreChecked) {
  WriterOptions options;
  options_from_json(options, {{"codec", "h265"}, {"crf", 20}});
  EXPECT_EQ(options.codec, "h265");
  TempFolder folder;
  auto start = [&](const std::string& name, WriterOptions o) {
    VideoWriter writer(folder / name, info_like(test_frame(AV_PIX_FMT_YUV420P, 32, 32, 0)), o);
  };
  EXPECT_EQ(code_of([&] { start("a.mp4", {.codec = "divx"}); }), ErrorCode::kUsage);
  EXPECT_EQ(code_of([&] { start("a.mp4", {.crf = 70}); }), ErrorCode::kUsage);
  EXPECT_EQ(code_of([&] { start("a.xyz", {}); }), ErrorCode::kUsage);
  EXPECT_EQ(code_of([&] { start("a.mp4", {.codec = "ffv1"}); }), ErrorCode::kUsage);
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(Writer, HardwareFallsBackToSoftware) {
  TempFolder folder;
  Frame frame = test_frame(AV_PIX_FMT_YUV420P, 256, 256, 0);
  VideoWriter writer(folder / "a.mp4", info_like(frame), {.codec = "h264", .hardware = true});
  EXPECT_FALSE(writer.encoder_name().empty());
  writer.write(frame);
  writer.finish();
  EXPECT_EQ(probe(folder / "a.mp4").codec, "h264");
}

TEST(Concatenate, PartsEqualTheWhole) {
  TempFolder folder;
  Clock clock = variable_clock(90);
  for (std::string extension : {".nut", ".mkv"}) {
    fs::path whole = folder / ("whole" + extension);
    write_clip(whole, {.codec = "ffv1"}, AV_PIX_FMT_YUV420P10LE, 64, 48, 0, 90, clock);
    std::vector<fs::path> parts;
    for (int p = 0; p < 3; ++p) {
      parts.push_back(folder / ("part" + std::to_string(p) + extension));
      write_clip(parts.back(), {.codec = "ffv1"}, AV_PIX_FMT_YUV420P10LE, 64, 48, p * 30,
                 p * 30 + 30, clock);
    }
    concatenate(parts, folder / ("joined" + extension));
    VideoReader a(whole), b(folder / ("joined" + extension));
    for (int i = 0; i < 90; ++i) {
      auto x = a.next(), y = b.next();
      ASSERT_TRUE(x && y) << i;
      EXPECT_TRUE(samples(*x) == samples(*y)) << i;
      EXPECT_EQ(x->time.value(), y->time.value()) << i;
      EXPECT_EQ(x->duration_ticks, y->duration_ticks) << i;
    }
    EXPECT_FALSE(b.next());
  }
}

TEST(Concatenate, ReorderedPartsKeepPicturesTimesAndSeeks) {
  TempFolder folder;
  Clock clock = variable_clock(90);
  struct Case {
    std::string extension;
    WriterOptions options;
  };
  for (const Case& c :
       {Case{".mp4", {.codec = "h264"}}, Case{".mp4", {.codec = "h265", .preset = "superfast"}},
        Case{".mov", {.codec = "prores"}}}) {
    std::vector<fs::path> parts;
    std::vector<std::string> pictures;
    for (int p = 0; p < 3; ++p) {
      parts.push_back(folder / ("part" + std::to_string(p) + c.extension));
      write_clip(parts.back(), c.options, AV_PIX_FMT_YUV420P, 64, 48, p * 30, p * 30 + 30, clock);
      VideoReader part(parts.back());
      for (const Frame& frame : read_all(part)) pictures.push_back(samples(frame));
    }
    ASSERT_EQ(pictures.size(), 90u);
    fs::path joined = folder / ("joined" + c.extension);
    concatenate(parts, joined);
    VideoReader reader(joined);
    EXPECT_EQ(reader.count_frames(), 90);
    for (FrameIndex start : {0, 29, 30, 31, 59, 60, 75}) {
      reader.seek(start);
      for (FrameIndex i = start; i < 90; ++i) {
        auto frame = reader.next();
        ASSERT_TRUE(frame);
        ASSERT_EQ(frame->index, i);
        EXPECT_EQ(av_rescale_q(frame->time.ticks, av_rational(frame->time.time_base), {1, 90000}),
                  clock.times[static_cast<size_t>(i)])
            << i;
        EXPECT_TRUE(samples(*frame) == pictures[static_cast<size_t>(i)]) << i;
      }
    }
    EXPECT_TRUE(reader.damage().empty());
  }
}

TEST(Concatenate, SoundComesFromTheSource) {
  NEED_FFMPEG();
  TempFolder folder;
  fs::path source = folder / "source.mp4";
  ASSERT_TRUE(run_ffmpeg(
      "-f lavfi -i testsrc2=size=64x64:rate=25:duration=3 -f lavfi -i sine=duration=5 -c:v libx264 "
      "-c:a aac " +
      source.string()));
  std::vector<fs::path> parts;
  for (int p = 0; p < 3; ++p) {
    parts.push_back(folder / ("part" + std::to_string(p) + ".mp4"));
    VideoReader reader(source);
    reader.seek(25 * p);
    VideoWriter writer(parts.back(), reader.info(), {.codec = "h264"});
    for (int i = 0; i < 25; ++i) writer.write(*reader.next());
    writer.finish();
  }
  concatenate(parts, folder / "joined.mp4", source);
  std::vector<Sound> want = sound_packets(source), got = sound_packets(folder / "joined.mp4");
  ASSERT_GT(got.size(), 120u);
  ASSERT_LT(got.size(), want.size());  // the video is shorter than the sound
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_TRUE(got[i].bytes == want[i].bytes);
    EXPECT_NEAR(got[i].start_s, want[i].start_s, 0.0002);
  }
  EXPECT_LT(got.back().start_s, 3.0);
  EXPECT_GT(got.back().start_s, 2.94);
  VideoReader a(source), b(folder / "joined.mp4");
  for (int i = 0; i < 75; ++i) EXPECT_EQ(a.next()->time.value(), b.next()->time.value());
}

TEST(Concatenate, APieceOfTheMiddleBeginsAtZeroWithItsSound) {
  NEED_FFMPEG();
  TempFolder folder;
  fs::path source = folder / "source.mp4", piece = folder / "piece.mp4";
  ASSERT_TRUE(run_ffmpeg(
      "-f lavfi -i testsrc2=size=64x64:rate=25:duration=4 -f lavfi -i sine=duration=4 -c:v libx264 "
      "-c:a aac " +
      source.string()));
  std::vector<fs::path> parts;
  for (int p = 0; p < 2; ++p) {  // frames 31..50 and 51..70
    parts.push_back(folder / ("part" + std::to_string(p) + ".mp4"));
    VideoReader reader(source);
    reader.seek(31 + 20 * p);
    VideoWriter writer(parts.back(), reader.info(), {.codec = "h264"});
    for (int i = 0; i < 20; ++i) writer.write(*reader.next());
    writer.finish();
  }
  concatenate_from_zero(parts, piece, source);
  VideoReader a(source), b(piece);
  EXPECT_EQ(b.count_frames(), 40);
  EXPECT_NEAR(b.info().duration_s, 1.6, 0.03);
  a.seek(31);
  const double zero = a.next()->time.value();
  EXPECT_NEAR(b.next()->time.value(), 0.0, 1e-4);
  for (int i = 1; i < 40; ++i)
    EXPECT_NEAR(a.next()->time.value() - zero, b.next()->time.value(), 1e-4) << i;
  // Each packet of the sound lies as far from its picture as it did.
  std::map<std::string, double> where;
  for (const Sound& s : sound_packets(source)) where.emplace(s.bytes, s.start_s);
  const auto sound = sound_packets(piece);
  ASSERT_GT(sound.size(), 60u);
  for (const Sound& s : sound) {
    ASSERT_TRUE(where.count(s.bytes));
    EXPECT_NEAR(s.start_s, where[s.bytes] - zero, 0.0005);
  }
  EXPECT_LT(sound.front().start_s, 0.001);
  EXPECT_GT(sound.front().start_s, -0.03);
  EXPECT_LT(sound.back().start_s, 1.6);
  EXPECT_GT(sound.back().start_s, 1.55);
}

TEST(Concatenate, PartsCountedFromZeroGoOnBehindEachOther) {
  TempFolder folder;
  for (int p = 0; p < 2; ++p)
    write_clip(folder / ("part" + std::to_string(p) + ".mp4"), {.codec = "h264"},
               AV_PIX_FMT_YUV420P, 64, 48, 0, 20);
  concatenate({folder / "part0.mp4", folder / "part1.mp4"}, folder / "joined.mp4");
  VideoReader reader(folder / "joined.mp4");
  for (int i = 0; i < 40; ++i) EXPECT_NEAR(reader.next()->time.value(), i / 25.0, 1e-9);
  EXPECT_FALSE(reader.next());
}

TEST(Concatenate, RefusesWhatDoesNotFit) {
  TempFolder folder;
  write_clip(folder / "a.mp4", {.codec = "h264"}, AV_PIX_FMT_YUV420P, 64, 48, 0, 5);
  write_clip(folder / "b.mp4", {.codec = "h264"}, AV_PIX_FMT_YUV420P, 64, 64, 5, 9);
  EXPECT_EQ(code_of([&] {
              concatenate({folder / "a.mp4", folder / "b.mp4"}, folder / "c.mp4");
            }),
            ErrorCode::kBadInput);
  EXPECT_EQ(code_of([&] { concatenate({}, folder / "c.mp4"); }), ErrorCode::kUsage);
  EXPECT_EQ(code_of([&] {
              concatenate({folder / "a.mp4", folder / "x.mp4"}, folder / "c.mp4");
            }),
            ErrorCode::kNotFound);
  EXPECT_EQ(folder.entries(), 2u);
}

}  // namespace
}  // namespace likeness::media
