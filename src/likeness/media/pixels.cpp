// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/pixels.h"

#include <algorithm>

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace likeness::media {

bool is_supported_format(int format) {
  const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(format));
  if (!d || d->nb_components != 3 || !(d->flags & AV_PIX_FMT_FLAG_PLANAR)) return false;
  if (d->flags & (AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_HWACCEL |
                  AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM))
    return false;
  if (d->log2_chroma_w > 1 || d->log2_chroma_h > 1) return false;
  for (int i = 0; i < 3; ++i) {
    const AVComponentDescriptor& c = d->comp[i];
    if (c.depth != d->comp[0].depth || c.shift != 0 || c.offset != 0) return false;
    if (c.step != (c.depth > 8 ? 2 : 1) || c.depth < 8 || c.depth > 16) return false;
  }
  return d->comp[0].plane != d->comp[1].plane && d->comp[1].plane != d->comp[2].plane &&
         d->comp[0].plane != d->comp[2].plane;
}

PixelLayout layout_of(const AVFrame& frame) {
  LIKENESS_REQUIRE(is_supported_format(frame.format));
  const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  PixelLayout l;
  l.rgb = (d->flags & AV_PIX_FMT_FLAG_RGB) != 0;
  l.depth = d->comp[0].depth;
  l.bytes = l.depth > 8 ? 2 : 1;
  l.log2_w = l.rgb ? 0 : d->log2_chroma_w;
  l.log2_h = l.rgb ? 0 : d->log2_chroma_h;
  for (int i = 0; i < 3; ++i) l.plane[i] = d->comp[i].plane;
  return l;
}

int resolved_matrix(const AVFrame& frame) {
  int m = frame.colorspace;
  bool known = m == AVCOL_SPC_BT709 || m == AVCOL_SPC_FCC || m == AVCOL_SPC_BT470BG ||
               m == AVCOL_SPC_SMPTE170M || m == AVCOL_SPC_SMPTE240M || m == AVCOL_SPC_BT2020_NCL ||
               m == AVCOL_SPC_BT2020_CL;
  if (known) return m;
  // PAL has 576 lines and is BT.601; anything larger was made for HD.
  return frame.height > 576 || frame.width >= 1280 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
}

LumaWeights luma_weights(int matrix) {
  auto make = [](float kr, float kb) { return LumaWeights{kr, 1.0f - kr - kb, kb}; };
  switch (matrix) {
    case AVCOL_SPC_FCC:
      return make(0.30f, 0.11f);
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
      return make(0.299f, 0.114f);
    case AVCOL_SPC_SMPTE240M:
      return make(0.212f, 0.087f);
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
      return make(0.2627f, 0.0593f);
    default:
      return make(0.2126f, 0.0722f);
  }
}

SampleScale sample_scale(const AVFrame& frame, const PixelLayout& layout) {
  float step = static_cast<float>(1 << (layout.depth - 8));
  float peak = static_cast<float>((1 << layout.depth) - 1);
  bool full =
      layout.rgb ? frame.color_range != AVCOL_RANGE_MPEG : frame.color_range == AVCOL_RANGE_JPEG;
  float middle = 128.0f * step;
  if (full) return {peak, 0.0f, peak, middle};
  return {219.0f * step, 16.0f * step, 224.0f * step, middle};
}

LineReader::LineReader(const AVFrame& frame, int x0, int x1)
    : frame_(frame),
      layout_(layout_of(frame)),
      weights_(luma_weights(resolved_matrix(frame))),
      scale_(sample_scale(frame, layout_)),
      x0_(x0),
      width_(x1 - x0) {
  chroma_width_ = AV_CEIL_RSHIFT(frame.width, layout_.log2_w);
  chroma_height_ = AV_CEIL_RSHIFT(frame.height, layout_.log2_h);
  switch (frame.chroma_location) {
    case AVCHROMA_LOC_CENTER:
      horizontal_site_ = 1;
      break;
    case AVCHROMA_LOC_TOPLEFT:
      vertical_site_ = 0;
      break;
    case AVCHROMA_LOC_TOP:
      horizontal_site_ = 1, vertical_site_ = 0;
      break;
    case AVCHROMA_LOC_BOTTOMLEFT:
      vertical_site_ = 2;
      break;
    case AVCHROMA_LOC_BOTTOM:
      horizontal_site_ = 1, vertical_site_ = 2;
      break;
    default:
      break;  // left: what MPEG-2, H.264 and H.265 mean when they say nothing
  }
  for (auto* line : {&r_, &g_, &b_}) line->resize(static_cast<size_t>(width_));
  if (!layout_.rgb)
    for (auto* line : {&u_, &v_, &mixed_}) line->resize(static_cast<size_t>(width_) + 8);
}

void LineReader::read(int y) {
  if (layout_.rgb)
    layout_.bytes == 1 ? read_rgb<uint8_t>(y) : read_rgb<uint16_t>(y);
  else
    layout_.bytes == 1 ? read_yuv<uint8_t>(y) : read_yuv<uint16_t>(y);
}

template <typename T>
static const T* line_of(const AVFrame& frame, int plane, int y) {
  return reinterpret_cast<const T*>(frame.data[plane] +
                                    static_cast<ptrdiff_t>(y) * frame.linesize[plane]);
}

template <typename T>
void LineReader::read_rgb(int y) {
  float scale = 1.0f / scale_.luma_scale, offset = -scale_.luma_offset * scale;
  float* out[3] = {r_.data(), g_.data(), b_.data()};
  for (int c = 0; c < 3; ++c) {
    const T* __restrict in = line_of<T>(frame_, layout_.plane[c], y) + x0_;
    float* __restrict o = out[c];
    for (int i = 0; i < width_; ++i) o[i] = static_cast<float>(in[i]) * scale + offset;
  }
}

/// Chroma at the luma positions of line y, as native values. The result starts at x0.
template <typename T>
const float* LineReader::chroma_line(int plane, int y, std::vector<float>& line) {
  int first = x0_ >> layout_.log2_w, last = (x0_ + width_ - 1) >> layout_.log2_w;
  int row = y >> layout_.log2_h, other = row;
  float weight = 0.0f;  // of the other row
  if (layout_.log2_h) {
    bool odd = y & 1;
    if (vertical_site_ == 1) weight = 0.25f, other = odd ? row + 1 : row - 1;
    if (vertical_site_ == 0 && odd) weight = 0.5f, other = row + 1;
    if (vertical_site_ == 2 && !odd) weight = 0.5f, other = row - 1;
    other = std::clamp(other, 0, chroma_height_ - 1);
  }
  const T* __restrict a = line_of<T>(frame_, plane, row);
  const T* __restrict b = line_of<T>(frame_, plane, other);
  // mixed[k + 1] is chroma column first + k, with one column of border at either side.
  float* __restrict mixed = layout_.log2_w ? mixed_.data() : line.data();
  int begin = layout_.log2_w ? first - 1 : first, end = layout_.log2_w ? last + 1 : last;
  int inner_begin = std::max(begin, 0), inner_end = std::min(end, chroma_width_ - 1);
  float keep = 1.0f - weight;
  for (int k = inner_begin; k <= inner_end; ++k)
    mixed[k - begin] = keep * static_cast<float>(a[k]) + weight * static_cast<float>(b[k]);
  if (!layout_.log2_w) return line.data();
  if (begin < 0) mixed[0] = mixed[1];
  if (end > chroma_width_ - 1) mixed[end - begin] = mixed[end - begin - 1];
  float* __restrict out = line.data();
  int pairs = last - first + 1;
  const float* __restrict m = mixed + 1;
  if (horizontal_site_ == 0) {
    for (int i = 0; i < pairs; ++i) {
      out[2 * i] = m[i];
      out[2 * i + 1] = 0.5f * (m[i] + m[i + 1]);
    }
  } else {
    for (int i = 0; i < pairs; ++i) {
      out[2 * i] = 0.25f * m[i - 1] + 0.75f * m[i];
      out[2 * i + 1] = 0.75f * m[i] + 0.25f * m[i + 1];
    }
  }
  return line.data() + (x0_ & 1);
}

template <typename T>
void LineReader::read_yuv(int y) {
  const T* __restrict luma = line_of<T>(frame_, layout_.plane[0], y) + x0_;
  const float* __restrict u = chroma_line<T>(layout_.plane[1], y, u_);
  const float* __restrict v = chroma_line<T>(layout_.plane[2], y, v_);
  const auto [kr, kg, kb] = weights_;
  float y_scale = 1.0f / scale_.luma_scale, y_offset = -scale_.luma_offset * y_scale;
  float c_scale = 1.0f / scale_.chroma_scale, middle = scale_.chroma_offset;
  float r_from_v = 2 * (1 - kr) * c_scale, b_from_u = 2 * (1 - kb) * c_scale;
  float g_from_v = -kr / kg * r_from_v, g_from_u = -kb / kg * b_from_u;
  float* __restrict r = r_.data();
  float* __restrict g = g_.data();
  float* __restrict b = b_.data();
  for (int i = 0; i < width_; ++i) {
    float l = static_cast<float>(luma[i]) * y_scale + y_offset;
    float cu = u[i] - middle, cv = v[i] - middle;
    r[i] = l + r_from_v * cv;
    g[i] = l + g_from_u * cu + g_from_v * cv;
    b[i] = l + b_from_u * cu;
  }
}

}  // namespace likeness::media
