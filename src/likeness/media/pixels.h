// SPDX-License-Identifier: Apache-2.0
// Inside `media` only: native planes <-> float RGB. Supported layouts: three separate planes, 8 to
// 16 bit little endian, Y'CbCr with chroma shared by at most 2 x 2 pixels, or G,B,R. Everything
// else is brought into one of these by `picture.h` before a Frame is made. Matrices: ITU-T H.273
// (07/2021), table 4 and equations 32-44.
#pragma once

#include <cstdint>
#include <vector>

#include "likeness/base/image.h"
#include "likeness/media/ffmpeg.h"

namespace likeness::media {

struct PixelLayout {
  bool rgb = false;
  int depth = 8;
  int bytes = 1;               ///< of a sample
  int log2_w = 0, log2_h = 0;  ///< of chroma
  int plane[3] = {0, 1, 2};    ///< of Y, Cb, Cr or R, G, B
};
bool is_supported_format(int format);
/// Throws kInternal when the format is not a supported one.
PixelLayout layout_of(const AVFrame& frame);

/// Which luma weights hold for a frame: the tag, else BT.709 for HD and BT.601 for SD as players
/// guess.
struct LumaWeights {
  float kr, kg, kb;
};
int resolved_matrix(const AVFrame& frame);
LumaWeights luma_weights(int matrix);

/// native = scale * value + offset, with value in [0,1] for luma and RGB, [-0.5,0.5] for chroma.
struct SampleScale {
  float luma_scale, luma_offset, chroma_scale, chroma_offset;
};
SampleScale sample_scale(const AVFrame& frame, const PixelLayout& layout);

/// Reads lines of a frame as planar float RGB; the values of a pixel do not depend on the region.
class LineReader {
 public:
  LineReader(const AVFrame& frame, int x0, int x1);
  /// Fills r(), g(), b() with x1 - x0 values of line y.
  void read(int y);
  const float* r() const { return r_.data(); }
  const float* g() const { return g_.data(); }
  const float* b() const { return b_.data(); }
  /// Where a chroma sample lies in its block: 0 low side (left, top), 1 middle, 2 high side.
  int horizontal_site() const { return horizontal_site_; }
  int vertical_site() const { return vertical_site_; }

 private:
  template <typename T>
  void read_rgb(int y);
  template <typename T>
  void read_yuv(int y);
  template <typename T>
  const float* chroma_line(int plane, int y, std::vector<float>& line);

  const AVFrame& frame_;
  PixelLayout layout_;
  LumaWeights weights_;
  SampleScale scale_;
  int x0_, width_;
  int chroma_width_, chroma_height_;  ///< of the whole frame
  int horizontal_site_ = 0, vertical_site_ = 1;
  std::vector<float> r_, g_, b_, mixed_, u_, v_;
};

/// out = frame + alpha * (rgb - frame); see Frame::blend_rgb. The frame must be writable.
void blend_planes(AVFrame& frame, Rect region, const ImageF& rgb, const ImageF& alpha);

}  // namespace likeness::media
