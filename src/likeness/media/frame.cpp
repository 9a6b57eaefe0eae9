// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <opencv2/imgproc.hpp>

#include "likeness/media/pixels.h"
#include "likeness/media/video.h"

namespace likeness::media {
namespace {

const AVFrame& picture(const Frame& frame) {
  LIKENESS_REQUIRE(!frame.empty());
  return *frame.native();
}

void check_region(const Frame& frame, Rect region) {
  LIKENESS_REQUIRE(!region.empty() && region.x0 >= 0 && region.y0 >= 0 &&
                   region.x1 <= frame.width() && region.y1 <= frame.height());
}

void interleave(const LineReader& line, int width, float* __restrict out) {
  const float* __restrict r = line.r();
  const float* __restrict g = line.g();
  const float* __restrict b = line.b();
  for (int i = 0; i < width; ++i) {
    out[3 * i] = r[i];
    out[3 * i + 1] = g[i];
    out[3 * i + 2] = b[i];
  }
}

inline uint8_t to_byte(float value) {
  float v = value * 255.0f + 0.5f;
  v = v > 0.0f ? v : 0.0f;
  v = v < 255.5f ? v : 255.5f;
  return static_cast<uint8_t>(static_cast<int>(v));
}

Image8 rgb8_of(const AVFrame& frame) {
  Image8 out(frame.width, frame.height, 3);
  LineReader line(frame, 0, frame.width);
  const size_t count = static_cast<size_t>(frame.width) * 3;  // bytes may alias frame.width
  std::vector<float> mixed(count);
  for (int y = 0; y < frame.height; ++y) {
    line.read(y);
    interleave(line, frame.width, mixed.data());
    // In order, so that the compiler can pack many at once.
    const float* __restrict in = mixed.data();
    uint8_t* __restrict o = out.row(y);
    for (size_t i = 0; i < count; ++i) o[i] = to_byte(in[i]);
  }
  return out;
}

}  // namespace

int Frame::width() const { return native_ ? native_->width : 0; }
int Frame::height() const { return native_ ? native_->height : 0; }
int Frame::bit_depth() const { return native_ ? layout_of(*native_).depth : 0; }

ColorTags Frame::color() const {
  if (!native_) return {};
  return {native_->color_primaries, native_->color_trc, native_->colorspace, native_->color_range};
}

ImageF Frame::rgb_float(Rect region) const {
  const AVFrame& frame = picture(*this);
  check_region(*this, region);
  ImageF out(region.width(), region.height(), 3);
  LineReader line(frame, region.x0, region.x1);
  for (int y = region.y0; y < region.y1; ++y) {
    line.read(y);
    interleave(line, region.width(), out.row(y - region.y0));
  }
  return out;
}

ImageF Frame::rgb_float() const { return rgb_float({0, 0, width(), height()}); }

Image8 Frame::rgb8() const { return rgb8_of(picture(*this)); }

Image8 Frame::rgb8_scaled(int longest_px) const {
  const AVFrame& frame = picture(*this);
  LIKENESS_REQUIRE(longest_px > 0);
  int longest = std::max(frame.width, frame.height);
  if (longest <= longest_px) return rgb8();
  // The planes are shrunk first: averaging before the matrix is the same and touches each sample
  // once.
  PixelLayout layout = layout_of(frame);
  double scale = static_cast<double>(longest_px) / longest;
  int width = std::max(1, static_cast<int>(frame.width * scale + 0.5));
  int height = std::max(1, static_cast<int>(frame.height * scale + 0.5));
  FramePtr small = make_frame(layout.rgb ? (layout.depth > 8 ? frame.format : AV_PIX_FMT_GBRP)
                              : layout.depth == 8 ? AV_PIX_FMT_YUV444P
                                                  : AV_PIX_FMT_YUV444P16LE,
                              width, height);
  small->colorspace =
      static_cast<AVColorSpace>(layout.rgb ? AVCOL_SPC_RGB : resolved_matrix(frame));
  small->color_range = frame.color_range;
  int type = layout.bytes == 1 ? CV_8UC1 : CV_16UC1;
  for (int p = 0; p < 3; ++p) {
    bool chroma = !layout.rgb && p > 0;
    int w = chroma ? AV_CEIL_RSHIFT(frame.width, layout.log2_w) : frame.width;
    int h = chroma ? AV_CEIL_RSHIFT(frame.height, layout.log2_h) : frame.height;
    cv::Mat in(h, w, type, frame.data[p], static_cast<size_t>(frame.linesize[p]));
    cv::Mat out(height, width, type, small->data[p], static_cast<size_t>(small->linesize[p]));
    cv::resize(in, out, out.size(), 0, 0,
               w >= width && h >= height ? cv::INTER_AREA : cv::INTER_LINEAR);
    // The 16-bit picture holds all depths; only the scale differs.
    if (!layout.rgb && layout.depth > 8 && layout.depth < 16) out *= 1 << (16 - layout.depth);
  }
  return rgb8_of(*small);
}

void Frame::unshare() {
  if (native_.use_count() == 1 && av_frame_is_writable(native_.get())) return;
  FramePtr copy = make_frame(native_->format, native_->width, native_->height);
  check_av(av_frame_copy(copy.get(), native_.get()), "copying a frame");
  check_av(av_frame_copy_props(copy.get(), native_.get()), "copying a frame");
  native_ = std::shared_ptr<AVFrame>(std::move(copy));
}

std::vector<PlaneView> Frame::luma() const {
  const AVFrame& frame = picture(*this);
  const PixelLayout layout = layout_of(frame);
  std::vector<PlaneView> planes;
  for (int p = 0; p < (layout.rgb ? 3 : 1); ++p)
    planes.push_back({frame.data[layout.plane[p]], frame.linesize[layout.plane[p]], frame.width,
                      frame.height, layout.depth, layout.bytes});
  return planes;
}

std::vector<PlaneView> Frame::writable_luma() {
  picture(*this);
  unshare();
  return luma();
}

void Frame::blend_rgb(Rect region, const ImageF& rgb, const ImageF& alpha) {
  picture(*this);
  check_region(*this, region);
  LIKENESS_REQUIRE(rgb.width == region.width() && rgb.height == region.height() &&
                   rgb.channels == 3);
  LIKENESS_REQUIRE(alpha.width == rgb.width && alpha.height == rgb.height && alpha.channels == 1);
  unshare();
  blend_planes(*native_, region, rgb, alpha);
}

Frame Frame::from_rgb8(const Image8& image, FrameIndex index, Rational frame_rate) {
  LIKENESS_REQUIRE(image.channels == 3 && image.width > 0 && image.height > 0);
  LIKENESS_REQUIRE(frame_rate.num > 0 && frame_rate.den > 0);
  FramePtr out = make_frame(AV_PIX_FMT_YUV444P, image.width, image.height);
  out->color_primaries = AVCOL_PRI_BT709;
  out->color_trc = AVCOL_TRC_BT709;
  out->colorspace = AVCOL_SPC_BT709;
  out->color_range = AVCOL_RANGE_MPEG;
  const auto [kr, kg, kb] = luma_weights(AVCOL_SPC_BT709);
  float u_scale = 224.0f / (2 * (1 - kb)) / 255.0f, v_scale = 224.0f / (2 * (1 - kr)) / 255.0f;
  const int width = image.width;  // bytes may alias image.width
  for (int y = 0; y < image.height; ++y) {
    const uint8_t* __restrict in = image.row(y);
    uint8_t* __restrict luma = out->data[0] + static_cast<ptrdiff_t>(y) * out->linesize[0];
    uint8_t* __restrict cb = out->data[1] + static_cast<ptrdiff_t>(y) * out->linesize[1];
    uint8_t* __restrict cr = out->data[2] + static_cast<ptrdiff_t>(y) * out->linesize[2];
    for (int i = 0; i < width; ++i) {
      float r = in[3 * i], g = in[3 * i + 1], b = in[3 * i + 2];
      float l = kr * r + kg * g + kb * b;
      luma[i] = static_cast<uint8_t>(16.5f + l * (219.0f / 255.0f));
      cb[i] = static_cast<uint8_t>(128.5f + (b - l) * u_scale);
      cr[i] = static_cast<uint8_t>(128.5f + (r - l) * v_scale);
    }
  }
  Frame frame;
  frame.index = index;
  frame.time = {index, {frame_rate.den, frame_rate.num}};
  frame.duration_ticks = 1;
  frame.set_native(std::shared_ptr<AVFrame>(std::move(out)));
  return frame;
}

}  // namespace likeness::media
