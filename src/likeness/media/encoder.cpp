// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/encoder.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "likeness/base/threads.h"
#include "likeness/media/picture.h"

extern "C" {
#include <libavutil/hwcontext.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
}

namespace likeness::media {
namespace {

bool is_vaapi(const AVCodec& codec) { return std::string_view(codec.name).ends_with("_vaapi"); }
bool is_hardware(const AVCodec& codec) {
  std::string_view name = codec.name;
  return is_vaapi(codec) || name.ends_with("_nvenc") || name.ends_with("_qsv") ||
         name.ends_with("_amf") || name.ends_with("_videotoolbox");
}

bool accepts(const AVCodec& codec, AVPixelFormat format) {
  if (!codec.pix_fmts) return true;
  for (const AVPixelFormat* p = codec.pix_fmts; *p != AV_PIX_FMT_NONE; ++p)
    if (*p == format) return true;
  return false;
}

AVPixelFormat planar_format(int depth, int log2_w, int log2_h) {
  int d = depth <= 8 ? 0 : depth <= 10 ? 1 : 2;
  static constexpr AVPixelFormat kFormats[3][3] = {
      {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_YUV420P12LE},
      {AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV422P10LE, AV_PIX_FMT_YUV422P12LE},
      {AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUV444P10LE, AV_PIX_FMT_YUV444P12LE}};
  return kFormats[log2_w && log2_h ? 0 : log2_w ? 1 : 2][d];
}

void set(AVCodecContext& context, const char* name, const std::string& value) {
  int error = av_opt_set(context.priv_data, name, value.c_str(), 0);
  if (error < 0)
    throw Error(ErrorCode::kUsage,
                std::string(context.codec->name) + " does not take " + name + " = " + value,
                "leave this option at its default");
}

void set_software_options(AVCodecContext& c, const WriterOptions& options) {
  if (options.codec == "h264") {
    set(c, "preset", options.preset);
    set(c, "crf", std::to_string(options.crf));
  } else if (options.codec == "h265") {
    set(c, "preset", options.preset);
    set(c, "crf", std::to_string(options.crf));
    // Closed groups: every key frame is a clean cut. x265 writes to stderr by itself unless told
    // not to.
    set(c, "x265-params", "log-level=none:open-gop=0:pools=" + std::to_string(c.thread_count));
  } else if (options.codec == "prores") {
    set(c, "profile", options.profile.empty() ? "hq" : options.profile);
    set(c, "vendor", "apl0");
  } else if (options.codec == "ffv1") {
    c.level = 3;
    c.gop_size = 1;
    set(c, "slicecrc", "1");
    c.slices = c.width * c.height >= 640 * 360 ? 4 : 0;
  }
}

void set_hardware_options(AVCodecContext& c, const WriterOptions& options) {
  std::string_view name = c.codec->name;
  std::string quality = std::to_string(options.crf);
  if (name.ends_with("_nvenc")) {
    set(c, "rc", "vbr");
    set(c, "cq", quality);
  } else if (name.ends_with("_vaapi")) {
    set(c, "rc_mode", "CQP");
    c.global_quality = options.crf;
  } else if (name.ends_with("_amf")) {
    set(c, "rc", "cqp");
    set(c, "qp_i", quality);
    set(c, "qp_p", quality);
  } else {
    c.flags |= AV_CODEC_FLAG_QSCALE;
    c.global_quality = name.ends_with("_qsv") ? options.crf : options.crf * FF_QP2LAMBDA;
  }
}

void attach_vaapi(AVCodecContext& c, AVPixelFormat software) {
  AVBufferRef* device = nullptr;
  check_av(av_hwdevice_ctx_create(&device, AV_HWDEVICE_TYPE_VAAPI, nullptr, nullptr, 0),
           "opening VAAPI");
  AVBufferRef* frames = av_hwframe_ctx_alloc(device);
  av_buffer_unref(&device);
  if (!frames) throw_av(AVERROR(ENOMEM), "no memory for VAAPI");
  auto* context = reinterpret_cast<AVHWFramesContext*>(frames->data);
  context->format = AV_PIX_FMT_VAAPI;
  context->sw_format = software;
  context->width = c.width;
  context->height = c.height;
  context->initial_pool_size = 20;
  c.hw_frames_ctx = frames;
  c.pix_fmt = AV_PIX_FMT_VAAPI;
  check_av(av_hwframe_ctx_init(frames), "opening VAAPI");
}

}  // namespace

const AVCodec* software_encoder(const WriterOptions& options) {
  const char* name = options.codec == "h264"     ? "libx264"
                     : options.codec == "h265"   ? "libx265"
                     : options.codec == "prores" ? "prores_ks"
                     : options.codec == "ffv1"   ? "ffv1"
                                                 : nullptr;
  if (!name)
    throw Error(ErrorCode::kUsage, "no codec is called \"" + options.codec + "\"",
                "use h264, h265, prores, ffv1, png or tiff");
  const AVCodec* codec = avcodec_find_encoder_by_name(name);
  if (!codec)
    throw Error(
        ErrorCode::kMissing, std::string("this FFmpeg has no encoder ") + name,
        "install a full FFmpeg (Debian: apt install libavcodec-extra) or choose another codec");
  return codec;
}

const AVCodec* working_hardware_encoder(const WriterOptions& options, const VideoInfo& like) {
  static constexpr std::array kH264 = {"h264_nvenc", "h264_qsv", "h264_amf", "h264_videotoolbox",
                                       "h264_vaapi"};
  static constexpr std::array kH265 = {"hevc_nvenc", "hevc_qsv", "hevc_amf", "hevc_videotoolbox",
                                       "hevc_vaapi"};
  if (options.codec != "h264" && options.codec != "h265") return nullptr;
  for (const char* name : options.codec == "h264" ? kH264 : kH265) {
    const AVCodec* codec = avcodec_find_encoder_by_name(name);
    if (!codec) continue;
    try {
      // Many encoders open and then fail: only one that returns a packet counts.
      LogCapture capture;
      FramePtr source = make_frame(planar_format(like.bit_depth, 1, 1), like.width, like.height);
      FramePtr blank =
          make_frame(encoder_format(*codec, options, *source), like.width, like.height);
      EncoderSetup setup;
      Encoder encoder = open_encoder(*codec, options, setup, *blank, capture);
      blank->pts = 0;
      PacketPtr packet = make_packet();
      bool works = send_picture(encoder, blank.get()) >= 0 && send_picture(encoder, nullptr) >= 0 &&
                   avcodec_receive_packet(encoder.context.get(), packet.get()) >= 0 &&
                   packet->size > 0;
      if (works) return codec;
    } catch (const Error&) {
      // Not on this machine; the next one may be.
    }
  }
  return nullptr;
}

AVPixelFormat encoder_format(const AVCodec& codec, const WriterOptions& options,
                             const AVFrame& first) {
  const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(first.format));
  LIKENESS_REQUIRE(d != nullptr);
  bool rgb = d->flags & AV_PIX_FMT_FLAG_RGB;
  int depth = options.bit_depth > 0 ? options.bit_depth : d->comp[0].depth;
  if (is_hardware(codec)) {
    bool ten = depth > 8 && (options.codec == "h265");
    AVPixelFormat format = ten ? AV_PIX_FMT_P010LE : AV_PIX_FMT_NV12;
    return accepts(codec, format) || is_vaapi(codec) ? format : AV_PIX_FMT_YUV420P;
  }
  bool delivery = options.codec == "h264" || options.codec == "h265";
  int log2_w = rgb ? delivery : d->log2_chroma_w, log2_h = rgb ? delivery : d->log2_chroma_h;
  if (options.codec == "prores") {
    depth = 10;
    log2_w = options.profile == "4444" ? 0 : 1;
    log2_h = 0;
  } else if (options.chroma != "source") {
    log2_w = options.chroma != "444";
    log2_h = options.chroma == "420";
  }
  if (options.codec == "h264") depth = std::min(depth, 10);
  if (log2_h && !log2_w) log2_h = 0;  // 4:4:0 is known to no encoder here
  // x264 and x265 want whole chroma samples.
  if (delivery && ((log2_w && first.width % 2) || (log2_h && first.height % 2)))
    log2_w = log2_h = 0;
  bool keep = options.codec == "ffv1" && options.chroma == "source" && options.bit_depth == 0;
  AVPixelFormat ideal =
      keep || (rgb && !delivery && options.codec != "prores" && options.chroma == "source")
          ? static_cast<AVPixelFormat>(first.format)
          : planar_format(depth, log2_w, log2_h);
  if (accepts(codec, ideal)) return ideal;
  int loss = 0;
  return avcodec_find_best_pix_fmt_of_list(codec.pix_fmts, ideal, 0, &loss);
}

Encoder open_encoder(const AVCodec& codec, const WriterOptions& options, const EncoderSetup& setup,
                     const AVFrame& first, LogCapture& capture) {
  Encoder encoder;
  encoder.context.reset(avcodec_alloc_context3(&codec));
  if (!encoder.context) throw_av(AVERROR(ENOMEM), "no memory for an encoder");
  AVCodecContext& c = *encoder.context;
  c.opaque = &capture;
  c.width = first.width;
  c.height = first.height;
  c.pix_fmt = static_cast<AVPixelFormat>(first.format);
  c.time_base = setup.time_base;
  c.framerate = setup.frame_rate;
  c.sample_aspect_ratio = setup.sample_aspect;
  c.color_primaries = first.color_primaries;
  c.color_trc = first.color_trc;
  c.colorspace = first.colorspace;
  c.color_range = first.color_range;
  c.chroma_sample_location = first.chroma_location;
  c.thread_count = options.threads > 0 ? options.threads : thread_count();
  if (setup.global_header) c.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  if (is_hardware(codec))
    set_hardware_options(c, options);
  else
    set_software_options(c, options);
  if (is_vaapi(codec)) {
    attach_vaapi(c, c.pix_fmt);
    encoder.hardware_frames = c.hw_frames_ctx;
  }
  int error = avcodec_open2(&c, &codec, nullptr);
  if (error < 0) {
    std::string said = capture.take();
    throw Error(error == AVERROR(ENOMEM) ? ErrorCode::kNoSpace : ErrorCode::kUnsupported,
                std::string(codec.name) + " cannot encode " + std::to_string(c.width) + "x" +
                    std::to_string(c.height) + " " +
                    av_get_pix_fmt_name(static_cast<AVPixelFormat>(first.format)) + ": " +
                    (said.empty() ? av_text(error) : said),
                "choose another codec (ffv1 takes nearly everything) or another size");
  }
  return encoder;
}

int send_picture(Encoder& encoder, const AVFrame* picture) {
  if (!picture || !encoder.hardware_frames)
    return avcodec_send_frame(encoder.context.get(), picture);
  FramePtr uploaded = make_frame();
  int error = av_hwframe_get_buffer(encoder.hardware_frames, uploaded.get(), 0);
  if (error >= 0) error = av_hwframe_transfer_data(uploaded.get(), picture, 0);
  if (error >= 0) error = av_frame_copy_props(uploaded.get(), picture);
  return error < 0 ? error : avcodec_send_frame(encoder.context.get(), uploaded.get());
}

}  // namespace likeness::media
