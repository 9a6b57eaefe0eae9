// SPDX-License-Identifier: Apache-2.0
// For the tests of `media`: pictures whose number can be read back, folders, and the ffmpeg program
// for formats that we do not write.
#pragma once

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/media/ffmpeg.h"
#include "likeness/media/pixels.h"
#include "likeness/media/video.h"

namespace likeness::media {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "likeness-media-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }
  size_t entries() const {
    size_t n = 0;
    for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator(path_)) ++n;
    return n;
  }

 private:
  std::filesystem::path path_;
};

inline bool run_ffmpeg(const std::string& arguments) {
  return std::system(("ffmpeg -nostdin -v error -y " + arguments + " </dev/null").c_str()) == 0;
}
inline bool has_ffmpeg() { return std::system("ffmpeg -version >/dev/null 2>&1") == 0; }
#define NEED_FFMPEG() \
  if (!has_ffmpeg()) GTEST_SKIP() << "needs the ffmpeg program to make its input"

struct Clock {
  Rational time_base{1, 25};
  std::vector<int64_t> times;  ///< empty: one tick a frame
};

/// Noise, a gradient and a moving edge; different in every frame.
inline Frame test_frame(AVPixelFormat format, int width, int height, FrameIndex index,
                        const Clock& clock = {}) {
  FramePtr picture = make_frame(format, width, height);
  PixelLayout layout = layout_of(*picture);
  Rng rng(7, index, "picture");
  for (int p = 0; p < 3; ++p) {
    bool chroma = !layout.rgb && p > 0;
    int w = chroma ? AV_CEIL_RSHIFT(width, layout.log2_w) : width;
    int h = chroma ? AV_CEIL_RSHIFT(height, layout.log2_h) : height;
    int peak = (1 << layout.depth) - 1, step = 1 << (layout.depth - 8);
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x) {
        int value = 40 * step + (x * 97 + y * 31 + p * 4000) * peak / 40000 % (peak / 2);
        if ((x + 3 * index) % 40 < 12) value += 40 * step;
        value += static_cast<int>(rng.next() & 7) * step / 2;
        value = std::min(value, peak);
        uint8_t* line = picture->data[layout.plane[p]] +
                        static_cast<ptrdiff_t>(y) * picture->linesize[layout.plane[p]];
        if (layout.bytes == 1)
          line[x] = static_cast<uint8_t>(value);
        else
          reinterpret_cast<uint16_t*>(line)[x] = static_cast<uint16_t>(value);
      }
  }
  picture->colorspace = layout.rgb ? AVCOL_SPC_RGB : AVCOL_SPC_BT709;
  picture->color_range = layout.rgb ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  Frame frame;
  frame.index = index;
  size_t i = static_cast<size_t>(index);
  frame.time = {clock.times.empty() ? index : clock.times.at(i), clock.time_base};
  frame.duration_ticks = i + 1 < clock.times.size() ? clock.times[i + 1] - clock.times[i] : 1;
  frame.set_native(std::shared_ptr<AVFrame>(std::move(picture)));
  return frame;
}

inline VideoInfo info_like(const Frame& frame) {
  VideoInfo info;
  info.width = frame.width();
  info.height = frame.height();
  info.frame_rate = {25, 1};
  info.time_base = frame.time.time_base;
  info.bit_depth = frame.bit_depth();
  info.color = frame.color();
  return info;
}

/// All samples of all planes.
inline std::string samples(const Frame& frame) {
  const AVFrame& f = *frame.native();
  PixelLayout layout = layout_of(f);
  std::string out;
  for (int p = 0; p < 3; ++p) {
    bool chroma = !layout.rgb && p > 0;
    int w = chroma ? AV_CEIL_RSHIFT(f.width, layout.log2_w) : f.width;
    int h = chroma ? AV_CEIL_RSHIFT(f.height, layout.log2_h) : f.height;
    for (int y = 0; y < h; ++y)
      out.append(
          reinterpret_cast<const char*>(f.data[p] + static_cast<ptrdiff_t>(y) * f.linesize[p]),
          static_cast<size_t>(w * layout.bytes));
  }
  return out;
}

inline std::vector<Frame> read_all(VideoReader& reader) {
  std::vector<Frame> frames;
  while (auto frame = reader.next()) frames.push_back(*frame);
  return frames;
}

inline void write_clip(const std::filesystem::path& path, const WriterOptions& options,
                       AVPixelFormat format, int width, int height, FrameIndex begin,
                       FrameIndex end, const Clock& clock = {},
                       const std::filesystem::path& audio = {}) {
  Frame first = test_frame(format, width, height, begin, clock);
  VideoWriter writer(path, info_like(first), options);
  if (!audio.empty()) writer.copy_audio_from(audio);
  for (FrameIndex i = begin; i < end; ++i)
    writer.write(test_frame(format, width, height, i, clock));
  writer.finish();
}

template <typename F>
ErrorCode code_of(F&& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_FALSE(std::string(error.what()).empty());
    EXPECT_FALSE(error.hint().empty()) << error.what();
    return error.code();
  }
  ADD_FAILURE() << "no error was thrown";
  return ErrorCode::kInternal;
}

}  // namespace likeness::media
