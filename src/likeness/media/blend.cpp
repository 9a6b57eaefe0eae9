// SPDX-License-Identifier: Apache-2.0
// Blending in delta form: native += round(matrix * alpha * (rgb - own rgb)). Where the difference or
// alpha is zero nothing is added, so untouched samples stay bit-exact whatever the matrix does.
#include <algorithm>

#include "likeness/media/pixels.h"

namespace likeness::media {
namespace {

template <typename T>
T* line_of(AVFrame& frame, int plane, int y) {
  return reinterpret_cast<T*>(frame.data[plane] + static_cast<ptrdiff_t>(y) * frame.linesize[plane]);
}

/// native + delta, rounded to nearest and kept in [0, peak]; NaN gives 0.
template <typename T>
inline T add_rounded(T native, float delta, float peak) {
  float value = static_cast<float>(native) + delta + 0.5f;
  value = value > 0.0f ? value : 0.0f;
  value = value < peak + 0.5f ? value : peak + 0.5f;
  return static_cast<T>(static_cast<int>(value));
}

template <typename T>
void add_line(T* __restrict out, const float* __restrict delta, int count, float scale, float peak) {
  for (int i = 0; i < count; ++i) out[i] = add_rounded<T>(out[i], delta[i] * scale, peak);
}

struct Deltas {
  std::vector<float> r, g, b;
  explicit Deltas(int width)
      : r(static_cast<size_t>(width)), g(static_cast<size_t>(width)), b(static_cast<size_t>(width)) {}
  void fill(const LineReader& own, const float* __restrict rgb, const float* __restrict alpha, int width) {
    const float* __restrict own_r = own.r();
    const float* __restrict own_g = own.g();
    const float* __restrict own_b = own.b();
    float* __restrict dr = r.data();
    float* __restrict dg = g.data();
    float* __restrict db = b.data();
    for (int i = 0; i < width; ++i) {
      // A select, not a product: rgb outside the mask may be anything, NaN included.
      float a = alpha[i];
      dr[i] = a > 0 ? a * (rgb[3 * i] - own_r[i]) : 0.0f;
      dg[i] = a > 0 ? a * (rgb[3 * i + 1] - own_g[i]) : 0.0f;
      db[i] = a > 0 ? a * (rgb[3 * i + 2] - own_b[i]) : 0.0f;
    }
  }
};

template <typename T>
void blend_rgb_planes(AVFrame& frame, Rect region, const ImageF& rgb, const ImageF& alpha) {
  PixelLayout layout = layout_of(frame);
  float scale = sample_scale(frame, layout).luma_scale;
  float peak = static_cast<float>((1 << layout.depth) - 1);
  LineReader own(frame, region.x0, region.x1);
  Deltas delta(region.width());
  for (int y = region.y0; y < region.y1; ++y) {
    own.read(y);
    delta.fill(own, rgb.row(y - region.y0), alpha.row(y - region.y0), region.width());
    const std::vector<float>* lines[3] = {&delta.r, &delta.g, &delta.b};
    for (int c = 0; c < 3; ++c)
      add_line(line_of<T>(frame, layout.plane[c], y) + region.x0, lines[c]->data(), region.width(), scale,
               peak);
  }
}

/// Sums of chroma differences per chroma sample, until the block's lines are complete.
template <typename T>
class ChromaBlend {
 public:
  ChromaBlend(AVFrame& frame, const PixelLayout& layout, Rect region)
      : frame_(frame), layout_(layout), region_(region), first_(region.x0 >> layout.log2_w),
        count_(((region.x1 - 1) >> layout.log2_w) - first_ + 1) {
    // One more at either side, so that an odd region start lands in the right block.
    u_.assign(static_cast<size_t>(count_ << layout.log2_w) + 2, 0.0f);
    v_ = u_;
  }
  float* u() { return u_.data() + shift(); }
  float* v() { return v_.data() + shift(); }

  void apply(int row, float chroma_scale, float peak) {
    int block_w = 1 << layout_.log2_w, block_h = 1 << layout_.log2_h;
    int lines = std::min(block_h, frame_.height - (row << layout_.log2_h));
    for (int c = 0; c < 2; ++c) {
      std::vector<float>& sums = c == 0 ? u_ : v_;
      T* out = line_of<T>(frame_, layout_.plane[c + 1], row) + first_;
      float scale = chroma_scale / static_cast<float>(block_w * lines);
      int whole = count_;
      // The last block of an odd width has one column only.
      bool narrow = block_w == 2 && ((first_ + count_) << 1) > frame_.width;
      if (narrow) --whole;
      if (block_w == 2) {
        for (int i = 0; i < whole; ++i)
          out[i] = add_rounded<T>(out[i], (sums[2 * i] + sums[2 * i + 1]) * scale, peak);
        if (narrow) out[whole] = add_rounded<T>(out[whole], sums[2 * whole] * 2 * scale, peak);
      } else {
        add_line(out, sums.data(), whole, scale, peak);
      }
      std::fill(sums.begin(), sums.end(), 0.0f);
    }
  }

 private:
  int shift() const { return layout_.log2_w ? region_.x0 & 1 : 0; }
  AVFrame& frame_;
  PixelLayout layout_;
  Rect region_;
  int first_, count_;
  std::vector<float> u_, v_;
};

template <typename T>
void blend_yuv_planes(AVFrame& frame, Rect region, const ImageF& rgb, const ImageF& alpha) {
  PixelLayout layout = layout_of(frame);
  SampleScale scale = sample_scale(frame, layout);
  float peak = static_cast<float>((1 << layout.depth) - 1);
  const auto [kr, kg, kb] = luma_weights(resolved_matrix(frame));
  float u_scale = 1.0f / (2 * (1 - kb)), v_scale = 1.0f / (2 * (1 - kr));
  int width = region.width();

  // Reading a line needs the chroma lines around it, so all lines are read before any is changed;
  // the original chroma of the region is kept aside instead of a whole copy of the frame.
  ImageF own = ImageF(width, region.height(), 3);
  {
    LineReader reader(frame, region.x0, region.x1);
    for (int y = region.y0; y < region.y1; ++y) {
      reader.read(y);
      float* __restrict line = own.row(y - region.y0);
      std::copy_n(reader.r(), width, line);
      std::copy_n(reader.g(), width, line + width);
      std::copy_n(reader.b(), width, line + 2 * static_cast<size_t>(width));
    }
  }
  ChromaBlend<T> chroma(frame, layout, region);
  std::vector<float> luma(static_cast<size_t>(width));
  for (int y = region.y0; y < region.y1; ++y) {
    const float* __restrict line = own.row(y - region.y0);
    const float* __restrict own_g = line + width;
    const float* __restrict own_b = line + 2 * static_cast<size_t>(width);
    const float* __restrict want = rgb.row(y - region.y0);
    const float* __restrict a = alpha.row(y - region.y0);
    float* __restrict dl = luma.data();
    float* __restrict u = chroma.u();
    float* __restrict v = chroma.v();
    for (int i = 0; i < width; ++i) {
      float dr = a[i] > 0 ? a[i] * (want[3 * i] - line[i]) : 0.0f;
      float dg = a[i] > 0 ? a[i] * (want[3 * i + 1] - own_g[i]) : 0.0f;
      float db = a[i] > 0 ? a[i] * (want[3 * i + 2] - own_b[i]) : 0.0f;
      float d = kr * dr + kg * dg + kb * db;
      dl[i] = d;
      u[i] += (db - d) * u_scale;
      v[i] += (dr - d) * v_scale;
    }
    add_line(line_of<T>(frame, layout.plane[0], y) + region.x0, dl, width, scale.luma_scale, peak);
    bool block_ends = (y + 1) % (1 << layout.log2_h) == 0 || y + 1 == region.y1;
    if (block_ends) chroma.apply(y >> layout.log2_h, scale.chroma_scale, peak);
  }
}

}  // namespace

void blend_planes(AVFrame& frame, Rect region, const ImageF& rgb, const ImageF& alpha) {
  PixelLayout layout = layout_of(frame);
  if (layout.rgb)
    layout.bytes == 1 ? blend_rgb_planes<uint8_t>(frame, region, rgb, alpha)
                      : blend_rgb_planes<uint16_t>(frame, region, rgb, alpha);
  else
    layout.bytes == 1 ? blend_yuv_planes<uint8_t>(frame, region, rgb, alpha)
                      : blend_yuv_planes<uint16_t>(frame, region, rgb, alpha);
}

}  // namespace likeness::media
