// SPDX-License-Identifier: Apache-2.0
// Inside `media` only: owners for FFmpeg objects, errors, and the capture of FFmpeg's log.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>
#include <libswscale/swscale.h>
}

#include "likeness/base/error.h"
#include "likeness/base/time.h"

namespace likeness::media {

struct InputCloser {
  void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
};
struct CodecFreer {
  void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
};
struct PacketFreer {
  void operator()(AVPacket* p) const { av_packet_free(&p); }
};
struct FrameFreer {
  void operator()(AVFrame* p) const { av_frame_free(&p); }
};
struct ScalerFreer {
  void operator()(SwsContext* p) const { sws_freeContext(p); }
};
using InputPtr = std::unique_ptr<AVFormatContext, InputCloser>;
using CodecPtr = std::unique_ptr<AVCodecContext, CodecFreer>;
using PacketPtr = std::unique_ptr<AVPacket, PacketFreer>;
using FramePtr = std::unique_ptr<AVFrame, FrameFreer>;
using ScalerPtr = std::unique_ptr<SwsContext, ScalerFreer>;

PacketPtr make_packet();  ///< throws kNoSpace
FramePtr make_frame();
/// A frame with buffers. Throws kNoSpace.
FramePtr make_frame(int format, int width, int height);
FramePtr reference(const AVFrame* frame);

std::string av_text(int error);
/// Throws the Error that fits an AVERROR: "<what>: <FFmpeg's text>".
[[noreturn]] void throw_av(int error, const std::string& what, const std::string& hint = "");
inline int check_av(int result, const std::string& what) {
  if (result < 0) throw_av(result, what);
  return result;
}

inline Rational rational(AVRational r) { return {r.num, r.den}; }
/// Reduced to what AVRational holds; 0/1 when not a fraction.
AVRational av_rational(Rational r);

/// Where FFmpeg's error messages of one reader or writer go. Hang it on the `opaque` of an
/// AVCodecContext or AVFormatContext; decoder threads copy that pointer. Other messages are
/// dropped.
class LogCapture {
 public:
  LogCapture();  ///< installs the process-wide callback once
  void add(const char* text);
  /// The messages since the last call, joined by "; ", without repeats.
  std::string take();

 private:
  std::mutex mutex_;
  std::string text_, last_;
};

/// file:<path>, so that a name with a colon or a percent sign is not taken for a protocol or
/// pattern.
std::string file_url(const std::filesystem::path& path);

}  // namespace likeness::media
