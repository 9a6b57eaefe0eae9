// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/ffmpeg.h"

#include <cstdarg>
#include <cstring>
#include <utility>

extern "C" {
#include <libavutil/log.h>
#include <libavutil/opt.h>
}

namespace likeness::media {

PacketPtr make_packet() {
  PacketPtr p(av_packet_alloc());
  if (!p) throw_av(AVERROR(ENOMEM), "no memory for a packet");
  return p;
}

FramePtr make_frame() {
  FramePtr p(av_frame_alloc());
  if (!p) throw_av(AVERROR(ENOMEM), "no memory for a frame");
  return p;
}

FramePtr make_frame(int format, int width, int height) {
  FramePtr p = make_frame();
  p->format = format;
  p->width = width;
  p->height = height;
  check_av(av_frame_get_buffer(p.get(), 0), "no memory for a frame");
  return p;
}

FramePtr reference(const AVFrame* frame) {
  FramePtr p = make_frame();
  check_av(av_frame_ref(p.get(), frame), "no memory for a frame");
  return p;
}

std::string av_text(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof text);
  return text;
}

void throw_av(int error, const std::string& what, const std::string& hint) {
  auto code = ErrorCode::kInternal;
  std::string advice = hint;
  auto set = [&](ErrorCode c, const char* fallback) {
    code = c;
    if (advice.empty()) advice = fallback;
  };
  switch (error) {
    case AVERROR(ENOENT):
      set(ErrorCode::kNotFound, "check the path");
      break;
    case AVERROR(ENOSPC):
    case AVERROR(EDQUOT):
    case AVERROR(EFBIG):
      set(ErrorCode::kNoSpace, "free some disk space or write elsewhere");
      break;
    case AVERROR(ENOMEM):
      set(ErrorCode::kNoSpace, "free some memory or use a smaller input");
      break;
    case AVERROR(EACCES):
    case AVERROR(EPERM):
    case AVERROR(EROFS):
      set(ErrorCode::kIo, "check the permissions of the folder");
      break;
    case AVERROR(EIO):
      set(ErrorCode::kIo, "check the disk");
      break;
    case AVERROR_INVALIDDATA:
    case AVERROR_EOF:
      set(ErrorCode::kBadInput, "check that the file is a complete video or image");
      break;
    case AVERROR_DECODER_NOT_FOUND:
    case AVERROR_DEMUXER_NOT_FOUND:
    case AVERROR_PATCHWELCOME:
    case AVERROR(ENOSYS):  // a profile that FFmpeg has no code for
      set(ErrorCode::kUnsupported, "convert the file with ffmpeg first");
      break;
    case AVERROR_ENCODER_NOT_FOUND:
      set(ErrorCode::kMissing, "install an FFmpeg that has this encoder");
      break;
    default:
      set(ErrorCode::kInternal, "report this with the file");
      break;
  }
  throw Error(code, what + ": " + av_text(error), advice);
}

AVRational av_rational(Rational r) {
  AVRational out{0, 1};
  if (r.den != 0) av_reduce(&out.num, &out.den, r.num, r.den, INT32_MAX);
  return out;
}

namespace {

LogCapture* find_capture(void* context) {
  // Climb from a private context (x264 options, a bitstream filter) to the codec or format context.
  for (int depth = 0; context && depth < 4; ++depth) {
    const AVClass* type = *static_cast<const AVClass**>(context);
    if (!type || !type->class_name) return nullptr;
    if (type == avcodec_get_class())
      return static_cast<LogCapture*>(static_cast<AVCodecContext*>(context)->opaque);
    if (type == avformat_get_class())
      return static_cast<LogCapture*>(static_cast<AVFormatContext*>(context)->opaque);
    if (!type->parent_log_context_offset) return nullptr;
    context =
        *reinterpret_cast<void**>(static_cast<char*>(context) + type->parent_log_context_offset);
  }
  return nullptr;
}

void on_log(void* context, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_ERROR || !context) return;
  LogCapture* capture = find_capture(context);
  if (!capture) return;
  char line[512];
  vsnprintf(line, sizeof line, format, arguments);
  capture->add(line);
}

}  // namespace

LogCapture::LogCapture() {
  static std::once_flag once;
  std::call_once(once, [] {
    av_log_set_level(AV_LOG_ERROR);
    av_log_set_callback(on_log);
  });
}

void LogCapture::add(const char* text) {
  std::string line(text);
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  if (line.empty()) return;
  std::lock_guard lock(mutex_);
  if (line == last_ || text_.size() > 400) return;
  text_ += (text_.empty() ? "" : "; ") + line;
  last_ = std::move(line);
}

std::string LogCapture::take() {
  std::lock_guard lock(mutex_);
  last_.clear();
  return std::exchange(text_, {});
}

std::string file_url(const std::filesystem::path& path) { return "file:" + path.string(); }

}  // namespace likeness::media
