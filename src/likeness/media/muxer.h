// SPDX-License-Identifier: Apache-2.0
// Inside `media` only: an output container under a temporary name.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "likeness/media/ffmpeg.h"

namespace likeness::media {

class Muxer {
 public:
  /// Container from the extension: mp4, m4v, mov, mkv, nut. Creates the temporary file. Throws
  /// kUsage, kIo, kNoSpace.
  explicit Muxer(const std::filesystem::path& path);
  ~Muxer();  ///< removes the temporary file unless finished
  Muxer(const Muxer&) = delete;
  Muxer& operator=(const Muxer&) = delete;

  /// Whether files of this extension may hold the codec. Throws kUsage (no such container).
  static bool holds(const std::filesystem::path& path, AVCodecID codec);
  AVFormatContext* format() { return format_; }
  bool holds(AVCodecID codec) const;
  bool wants_global_header() const;
  bool is_mov_family() const;  ///< mp4 or mov
  AVStream* add_stream();
  /// Words for the container's metadata; before write_header().
  void set_tags(const std::map<std::string, std::string>& tags);
  /// `movie_timescale`: what edit lists of mp4 count in; the video's own makes start times exact.
  void write_header(int movie_timescale);
  /// Takes the packet's contents; times in `time_base`.
  void write(AVPacket& packet, const AVStream& stream, AVRational time_base);
  void finish();

 private:
  [[noreturn]] void fail(int error, const char* doing);
  std::filesystem::path path_, temporary_;
  AVFormatContext* format_ = nullptr;
  LogCapture capture_;
  bool header_written_ = false;
};

}  // namespace likeness::media
