// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/picture.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "likeness/media/pixels.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace likeness::media {
namespace {

const AVPixFmtDescriptor* describe(int format) {
  return av_pix_fmt_desc_get(static_cast<AVPixelFormat>(format));
}

bool is_rgb(int format) {
  const AVPixFmtDescriptor* d = describe(format);
  return d && (d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL));
}

AVPixelFormat yuv_format(int depth, int log2_w, int log2_h) {
  static constexpr AVPixelFormat k420[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P10LE,
                                           AV_PIX_FMT_YUV420P12LE, AV_PIX_FMT_YUV420P16LE};
  static constexpr AVPixelFormat k422[] = {AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV422P10LE,
                                           AV_PIX_FMT_YUV422P12LE, AV_PIX_FMT_YUV422P16LE};
  static constexpr AVPixelFormat k440[] = {AV_PIX_FMT_YUV440P, AV_PIX_FMT_YUV440P10LE,
                                           AV_PIX_FMT_YUV440P12LE, AV_PIX_FMT_NONE};
  static constexpr AVPixelFormat k444[] = {AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUV444P10LE,
                                           AV_PIX_FMT_YUV444P12LE, AV_PIX_FMT_YUV444P16LE};
  int i = depth <= 8 ? 0 : depth <= 10 ? 1 : depth <= 12 ? 2 : 3;
  if (log2_w && log2_h) return k420[i];
  if (log2_w) return k422[i];
  if (log2_h && k440[i] != AV_PIX_FMT_NONE) return k440[i];
  return k444[i];
}

/// yuvj420p and friends have the planes of yuv420p and full range.
bool strip_full_range_alias(AVFrame& frame) {
  static constexpr std::pair<AVPixelFormat, AVPixelFormat> kAliases[] = {
      {AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUV420P},
      {AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUV422P},
      {AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUV444P},
      {AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUV440P}};
  for (auto [from, to] : kAliases) {
    if (frame.format != from) continue;
    frame.format = to;
    frame.color_range = AVCOL_RANGE_JPEG;
    return true;
  }
  return false;
}

/// Planar with alpha -> the same planes without it.
AVPixelFormat without_alpha(AVPixelFormat format) {
  static constexpr std::pair<AVPixelFormat, AVPixelFormat> kPairs[] = {
      {AV_PIX_FMT_YUVA420P, AV_PIX_FMT_YUV420P},
      {AV_PIX_FMT_YUVA422P, AV_PIX_FMT_YUV422P},
      {AV_PIX_FMT_YUVA444P, AV_PIX_FMT_YUV444P},
      {AV_PIX_FMT_YUVA420P10LE, AV_PIX_FMT_YUV420P10LE},
      {AV_PIX_FMT_YUVA422P10LE, AV_PIX_FMT_YUV422P10LE},
      {AV_PIX_FMT_YUVA444P10LE, AV_PIX_FMT_YUV444P10LE},
      {AV_PIX_FMT_YUVA422P12LE, AV_PIX_FMT_YUV422P12LE},
      {AV_PIX_FMT_YUVA444P12LE, AV_PIX_FMT_YUV444P12LE},
      {AV_PIX_FMT_YUVA444P16LE, AV_PIX_FMT_YUV444P16LE},
      {AV_PIX_FMT_GBRAP, AV_PIX_FMT_GBRP},
      {AV_PIX_FMT_GBRAP10LE, AV_PIX_FMT_GBRP10LE},
      {AV_PIX_FMT_GBRAP12LE, AV_PIX_FMT_GBRP12LE},
      {AV_PIX_FMT_GBRAP16LE, AV_PIX_FMT_GBRP16LE}};
  for (auto [from, to] : kPairs)
    if (format == from) return to;
  return AV_PIX_FMT_NONE;
}

/// Grey planes become the luma of 4:2:0 with neutral chroma: the samples stay what they are.
FramePtr colour_planes_for_grey(FramePtr grey) {
  int depth = describe(grey->format)->comp[0].depth;
  AVPixelFormat format = yuv_format(depth, 1, 1);
  FramePtr out = make_frame(format, grey->width, grey->height);
  check_av(av_frame_copy_props(out.get(), grey.get()), "no memory for a frame");
  size_t bytes = depth > 8 ? 2 : 1;
  for (int y = 0; y < grey->height; ++y)
    std::memcpy(out->data[0] + static_cast<ptrdiff_t>(y) * out->linesize[0],
                grey->data[0] + static_cast<ptrdiff_t>(y) * grey->linesize[0],
                static_cast<size_t>(grey->width) * bytes);
  int w = (grey->width + 1) / 2, h = (grey->height + 1) / 2;
  for (int p = 1; p < 3; ++p)
    for (int y = 0; y < h; ++y) {
      uint8_t* line = out->data[p] + static_cast<ptrdiff_t>(y) * out->linesize[p];
      if (bytes == 1)
        std::fill_n(line, w, uint8_t{128});
      else
        std::fill_n(reinterpret_cast<uint16_t*>(line), w, static_cast<uint16_t>(1 << (depth - 1)));
    }
  return out;
}

template <typename T>
void transpose_plane(const uint8_t* in, ptrdiff_t in_stride, uint8_t* out, ptrdiff_t out_stride,
                     int width, int height, const Orientation& o) {
  // width, height: of the output. Blocks keep both sides in cache.
  constexpr int kBlock = 32;
  for (int by = 0; by < height; by += kBlock)
    for (int bx = 0; bx < width; bx += kBlock)
      for (int y = by; y < std::min(by + kBlock, height); ++y) {
        T* line = reinterpret_cast<T*>(out + y * out_stride);
        int source_x = o.flip_y ? height - 1 - y : y;
        for (int x = bx; x < std::min(bx + kBlock, width); ++x) {
          int source_y = o.flip_x ? width - 1 - x : x;
          line[x] = reinterpret_cast<const T*>(in + source_y * in_stride)[source_x];
        }
      }
}

template <typename T>
void flip_plane(const uint8_t* in, ptrdiff_t in_stride, uint8_t* out, ptrdiff_t out_stride,
                int width, int height, const Orientation& o) {
  for (int y = 0; y < height; ++y) {
    const T* from = reinterpret_cast<const T*>(in + (o.flip_y ? height - 1 - y : y) * in_stride);
    T* line = reinterpret_cast<T*>(out + y * out_stride);
    if (o.flip_x)
      std::reverse_copy(from, from + width, line);
    else
      std::copy_n(from, width, line);
  }
}

AVChromaLocation turned_chroma(AVChromaLocation location, const Orientation& o) {
  int x = 0, y = 1;  // 0 low side, 1 middle, 2 high side
  switch (location) {
    case AVCHROMA_LOC_CENTER:
      x = 1;
      break;
    case AVCHROMA_LOC_TOPLEFT:
      y = 0;
      break;
    case AVCHROMA_LOC_TOP:
      x = 1, y = 0;
      break;
    case AVCHROMA_LOC_BOTTOMLEFT:
      y = 2;
      break;
    case AVCHROMA_LOC_BOTTOM:
      x = 1, y = 2;
      break;
    default:
      break;
  }
  if (o.transpose) std::swap(x, y);
  if (o.flip_x) x = 2 - x;
  if (o.flip_y) y = 2 - y;
  // There is no code point for "right"; the middle is the nearest one.
  static constexpr AVChromaLocation kCodes[3][2] = {{AVCHROMA_LOC_TOPLEFT, AVCHROMA_LOC_TOP},
                                                    {AVCHROMA_LOC_LEFT, AVCHROMA_LOC_CENTER},
                                                    {AVCHROMA_LOC_BOTTOMLEFT, AVCHROMA_LOC_BOTTOM}};
  return kCodes[y][x == 0 ? 0 : 1];
}

}  // namespace

Orientation orientation_from_matrix(const int32_t* m) {
  // x' = m0 x + m3 y, y' = m1 x + m4 y.
  Orientation o;
  double a = m[0], b = m[1], c = m[3], d = m[4];
  if (std::fabs(b) + std::fabs(c) > std::fabs(a) + std::fabs(d)) {
    o.transpose = true;
    o.flip_x = c < 0;
    o.flip_y = b < 0;
  } else {
    o.flip_x = a < 0;
    o.flip_y = d < 0;
  }
  if (o.transpose)
    o.rotation_deg = o.flip_y ? 270 : 90;
  else if (o.flip_y)
    o.rotation_deg = 180;
  return o;
}

Orientation orientation_from_exif(int value) {
  switch (value) {
    case 2:
      return {false, true, false, 0};
    case 3:
      return {false, true, true, 180};
    case 4:
      return {false, false, true, 180};
    case 5:
      return {true, false, false, 90};
    case 6:
      return {true, true, false, 90};
    case 7:
      return {true, true, true, 270};
    case 8:
      return {true, false, true, 270};
    default:
      return {};
  }
}

AVPixelFormat nearest_supported(AVPixelFormat format) {
  if (is_supported_format(format)) return format;
  if (AVPixelFormat plain = without_alpha(format); plain != AV_PIX_FMT_NONE) return plain;
  const AVPixFmtDescriptor* d = describe(format);
  if (!d) return AV_PIX_FMT_YUV420P;
  int depth = d->comp[0].depth;
  if (is_rgb(format)) return depth > 8 ? AV_PIX_FMT_GBRP16LE : AV_PIX_FMT_GBRP;
  if (d->nb_components <= 2) return yuv_format(depth, 1, 1);
  // 4:1:1 and 4:1:0 lose nothing in 4:4:4.
  bool coarse = d->log2_chroma_w > 1 || d->log2_chroma_h > 1;
  return coarse ? yuv_format(depth, 0, 0) : yuv_format(depth, d->log2_chroma_w, d->log2_chroma_h);
}

FramePtr convert_picture(const AVFrame& frame, AVPixelFormat format, int width, int height,
                         ScalerPtr& scaler) {
  FramePtr out = make_frame(format, width, height);
  check_av(av_frame_copy_props(out.get(), &frame), "no memory for a frame");
  auto source = static_cast<AVPixelFormat>(frame.format);
  bool to_yuv = is_rgb(source) && !is_rgb(format);
  if (to_yuv) {
    out->colorspace = AVCOL_SPC_BT709;
    out->color_range = AVCOL_RANGE_MPEG;
  } else if (!is_rgb(source) && is_rgb(format)) {
    out->colorspace = AVCOL_SPC_RGB;
    out->color_range = AVCOL_RANGE_JPEG;
  }
  scaler.reset(sws_getCachedContext(
      scaler.release(), frame.width, frame.height, source, width, height, format,
      SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_BITEXACT,
      nullptr, nullptr, nullptr));
  if (!scaler)
    throw Error(ErrorCode::kUnsupported,
                std::string("pixel format ") + (describe(source) ? describe(source)->name : "?") +
                    " cannot be converted",
                "convert the file with ffmpeg -pix_fmt yuv420p first");
  int in_range = is_rgb(source) ? 1 : frame.color_range == AVCOL_RANGE_JPEG;
  int out_range = is_rgb(format) ? 1 : to_yuv ? 0 : in_range;
  sws_setColorspaceDetails(scaler.get(), sws_getCoefficients(resolved_matrix(frame)), in_range,
                           sws_getCoefficients(resolved_matrix(*out)), out_range, 0, 1 << 16,
                           1 << 16);
  int lines = sws_scale(scaler.get(), frame.data, frame.linesize, 0, frame.height, out->data,
                        out->linesize);
  if (lines != height)
    throw Error(ErrorCode::kInternal, "scaling a picture failed", "report this with the file");
  return out;
}

FramePtr normalise_picture(FramePtr frame, ScalerPtr& scaler) {
  strip_full_range_alias(*frame);
  auto format = static_cast<AVPixelFormat>(frame->format);
  if (is_supported_format(format)) return frame;
  if (AVPixelFormat plain = without_alpha(format); plain != AV_PIX_FMT_NONE) {
    frame->format = plain;
    frame->data[3] = nullptr;
    frame->linesize[3] = 0;
    return frame;
  }
  const AVPixFmtDescriptor* d = describe(format);
  if (!d)
    throw Error(ErrorCode::kUnsupported, "unknown pixel format",
                "convert the file with ffmpeg first");
  if (d->nb_components <= 2 && !is_rgb(format)) {
    int depth = d->comp[0].depth;
    AVPixelFormat plain = depth <= 8    ? AV_PIX_FMT_GRAY8
                          : depth <= 10 ? AV_PIX_FMT_GRAY10LE
                          : depth <= 12 ? AV_PIX_FMT_GRAY12LE
                                        : AV_PIX_FMT_GRAY16LE;
    if (format != plain)
      frame = convert_picture(*frame, plain, frame->width, frame->height, scaler);
    return colour_planes_for_grey(std::move(frame));
  }
  return convert_picture(*frame, nearest_supported(format), frame->width, frame->height, scaler);
}

FramePtr orient_picture(FramePtr frame, const Orientation& o, ScalerPtr& scaler) {
  if (o.identity()) return frame;
  PixelLayout layout = layout_of(*frame);
  auto format = static_cast<AVPixelFormat>(frame->format);
  if (o.transpose && layout.log2_w != layout.log2_h) {
    format = yuv_format(layout.depth, layout.log2_h, layout.log2_w);
    const AVPixFmtDescriptor* d = describe(format);
    // 4:2:2 at 9, 14 or 16 bit has no 4:4:0 twin: go through 4:4:4.
    if (d->comp[0].depth != layout.depth || d->log2_chroma_w != layout.log2_h ||
        d->log2_chroma_h != layout.log2_w) {
      format = yuv_format(layout.depth, 0, 0);
      frame = convert_picture(*frame, format, frame->width, frame->height, scaler);
      layout = layout_of(*frame);
    }
  }
  int width = o.transpose ? frame->height : frame->width;
  int height = o.transpose ? frame->width : frame->height;
  FramePtr out = make_frame(format, width, height);
  check_av(av_frame_copy_props(out.get(), frame.get()), "no memory for a frame");
  int log2_w = o.transpose ? layout.log2_h : layout.log2_w;
  int log2_h = o.transpose ? layout.log2_w : layout.log2_h;
  for (int p = 0; p < 3; ++p) {
    bool chroma = !layout.rgb && p > 0;
    int w = chroma ? AV_CEIL_RSHIFT(width, log2_w) : width;
    int h = chroma ? AV_CEIL_RSHIFT(height, log2_h) : height;
    auto* turn = o.transpose
                     ? (layout.bytes == 1 ? transpose_plane<uint8_t> : transpose_plane<uint16_t>)
                     : (layout.bytes == 1 ? flip_plane<uint8_t> : flip_plane<uint16_t>);
    turn(frame->data[p], frame->linesize[p], out->data[p], out->linesize[p], w, h, o);
  }
  if (!layout.rgb && (layout.log2_w || layout.log2_h))
    out->chroma_location = turned_chroma(frame->chroma_location, o);
  if (o.transpose) std::swap(out->sample_aspect_ratio.num, out->sample_aspect_ratio.den);
  return out;
}

}  // namespace likeness::media
