// SPDX-License-Identifier: Apache-2.0
// Blending in delta form: native += round(matrix * alpha * (rgb - own rgb)). Where the difference
// or alpha is zero nothing is added, so untouched samples stay bit-exact whatever the matrix does.
#include <algorithm>

#include "likeness/media/pixels.h"

namespace likeness::media {
namespace {

template <typename T>
T* line_of(AVFrame& frame, int plane, int y) {
  return reinterpret_cast<T*>(frame.data[plane] +
                              static_cast<ptrdiff_t>(y) * frame.linesize[plane]);
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
void add_line(T* __restrict out, const float* __restrict delta, int count, float scale,
              float peak) {
  for (int i = 0; i < count; ++i) out[i] = add_rounded<T>(out[i], delta[i] * scale, peak);
}

struct Deltas {
  std::vector<float> r, g, b;
  explicit Deltas(int width)
      : r(static_cast<size_t>(width)),
        g(static_cast<size_t>(width)),
        b(static_cast<size_t>(width)) {}
  void fill(const LineReader& own, const float* __restrict rgb, const float* __restrict alpha,
            int width) {
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
      add_line(line_of<T>(frame, layout.plane[c], y) + region.x0, lines[c]->data(), region.width(),
               scale, peak);
  }
}

/// Chroma samples are shared by a block of pixels, and reading spreads them over the pixels around
/// (LineReader interpolates). Adding the mean difference of a block would therefore leave about
/// half of the fine chroma of the old picture behind. Let K be "spread, then average over blocks"
/// and B the mean differences wanted: the D with K D = B is found by Van Cittert's iteration D <- D
/// + (B - K D). It works on differences only, so nothing wanted means nothing changed.
class ChromaBlend {
 public:
  ChromaBlend(const LineReader& reader, const AVFrame& frame, const PixelLayout& layout,
              Rect region)
      : log2_w_(layout.log2_w),
        log2_h_(layout.log2_h),
        x0_(region.x0 >> log2_w_),
        y0_(region.y0 >> log2_h_),
        columns_(((region.x1 - 1) >> log2_w_) - x0_ + 1),
        rows_(((region.y1 - 1) >> log2_h_) - y0_ + 1),
        shift_(region.x0 - (x0_ << log2_w_)),
        frame_width_(frame.width),
        frame_height_(frame.height),
        across_(log2_w_ ? kSpread[reader.horizontal_site()] : kNone),
        down_(log2_h_ ? kSpread[reader.vertical_site()] : kNone) {
    size_t line = static_cast<size_t>(columns_ << log2_w_) + 2;
    for (auto* sums : {&u_sum_, &v_sum_, &a_sum_}) sums->assign(line, 0.0f);
    for (auto* plane : {&u_, &v_})
      plane->assign(static_cast<size_t>(columns_) * static_cast<size_t>(rows_), 0.0f);
    touched_.assign(u_.size(), 0);
  }
  /// Where the differences of a line's pixels are added up, from the region's left edge on.
  float* u() { return u_sum_.data() + shift_; }
  float* v() { return v_sum_.data() + shift_; }
  float* alpha() { return a_sum_.data() + shift_; }

  /// After the last line of the block row that holds line y.
  void end_block_row(int y) {
    int row = (y >> log2_h_) - y0_;
    int lines = std::min(1 << log2_h_, frame_height_ - ((row + y0_) << log2_h_));
    for (int i = 0; i < columns_; ++i) {
      int pixels = std::min(1 << log2_w_, frame_width_ - ((i + x0_) << log2_w_));
      float u = 0, v = 0, a = 0;
      for (int k = 0; k < pixels; ++k) {
        size_t at = static_cast<size_t>((i << log2_w_) + k);
        u += u_sum_[at], v += v_sum_[at], a += a_sum_[at];
      }
      size_t at = static_cast<size_t>(row) * static_cast<size_t>(columns_) + static_cast<size_t>(i);
      float scale = 1.0f / static_cast<float>(pixels * lines);
      u_[at] = u * scale;
      v_[at] = v * scale;
      touched_[at] = a > 0;
    }
    for (auto* sums : {&u_sum_, &v_sum_, &a_sum_}) std::fill(sums->begin(), sums->end(), 0.0f);
  }

  template <typename T>
  void apply(AVFrame& frame, const PixelLayout& layout, float scale, float peak) {
    for (int c = 0; c < 2; ++c) {
      std::vector<float>& plane = c == 0 ? u_ : v_;
      if (log2_w_ || log2_h_) sharpen(plane);
      for (int y = 0; y < rows_; ++y)
        add_line(line_of<T>(frame, layout.plane[c + 1], y0_ + y) + x0_,
                 plane.data() + static_cast<size_t>(y) * static_cast<size_t>(columns_), columns_,
                 scale, peak);
    }
  }

 private:
  struct Taps {
    float before, here, after;
  };
  // Low side, middle, high side: see LineReader for what is spread where.
  static constexpr Taps kSpread[3] = {
      {0, 0.75f, 0.25f}, {0.125f, 0.75f, 0.125f}, {0.25f, 0.75f, 0}};
  static constexpr Taps kNone = {0, 1, 0};
  static constexpr int kIterations = 3;

  void sharpen(std::vector<float>& plane) {
    std::vector<float> wanted = plane;
    size_t stride = static_cast<size_t>(columns_) + 2;
    std::vector<float> padded(stride * (static_cast<size_t>(rows_) + 2), 0.0f), mixed(stride);
    for (int n = 0; n < kIterations; ++n) {
      for (int y = 0; y < rows_; ++y)
        std::copy_n(plane.data() + static_cast<size_t>(y) * static_cast<size_t>(columns_), columns_,
                    padded.data() + (static_cast<size_t>(y) + 1) * stride + 1);
      for (int y = 0; y < rows_; ++y) {
        const float* __restrict above = padded.data() + static_cast<size_t>(y) * stride;
        const float* __restrict here = above + stride;
        const float* __restrict below = here + stride;
        float* __restrict m = mixed.data();
        for (size_t x = 0; x < stride; ++x)
          m[x] = down_.before * above[x] + down_.here * here[x] + down_.after * below[x];
        size_t start = static_cast<size_t>(y) * static_cast<size_t>(columns_);
        float* __restrict d = plane.data() + start;
        const float* __restrict b = wanted.data() + start;
        const uint8_t* __restrict t = touched_.data() + start;
        for (int x = 0; x < columns_; ++x) {
          float spread = across_.before * m[x] + across_.here * m[x + 1] + across_.after * m[x + 2];
          d[x] = t[x] ? d[x] + b[x] - spread : 0.0f;
        }
      }
    }
  }

  int log2_w_, log2_h_, x0_, y0_, columns_, rows_, shift_, frame_width_, frame_height_;
  Taps across_, down_;
  std::vector<float> u_sum_, v_sum_, a_sum_, u_, v_;
  std::vector<uint8_t> touched_;
};

template <typename T>
void blend_yuv_planes(AVFrame& frame, Rect region, const ImageF& rgb, const ImageF& alpha) {
  PixelLayout layout = layout_of(frame);
  SampleScale scale = sample_scale(frame, layout);
  float peak = static_cast<float>((1 << layout.depth) - 1);
  const auto [kr, kg, kb] = luma_weights(resolved_matrix(frame));
  float u_scale = 1.0f / (2 * (1 - kb)), v_scale = 1.0f / (2 * (1 - kr));
  int width = region.width();
  LineReader own(frame, region.x0, region.x1);
  ChromaBlend chroma(own, frame, layout, region);
  std::vector<float> luma(static_cast<size_t>(width));
  for (int y = region.y0; y < region.y1; ++y) {
    own.read(y);  // chroma is changed at the end only, so this is still the old picture
    const float* __restrict own_r = own.r();
    const float* __restrict own_g = own.g();
    const float* __restrict own_b = own.b();
    const float* __restrict want = rgb.row(y - region.y0);
    const float* __restrict a = alpha.row(y - region.y0);
    float* __restrict dl = luma.data();
    float* __restrict u = chroma.u();
    float* __restrict v = chroma.v();
    float* __restrict weight = chroma.alpha();
    for (int i = 0; i < width; ++i) {
      // A select, not a product: rgb outside the mask may be anything, NaN included.
      float dr = a[i] > 0 ? a[i] * (want[3 * i] - own_r[i]) : 0.0f;
      float dg = a[i] > 0 ? a[i] * (want[3 * i + 1] - own_g[i]) : 0.0f;
      float db = a[i] > 0 ? a[i] * (want[3 * i + 2] - own_b[i]) : 0.0f;
      float d = kr * dr + kg * dg + kb * db;
      dl[i] = d;
      u[i] += (db - d) * u_scale;
      v[i] += (dr - d) * v_scale;
      weight[i] += a[i];
    }
    add_line(line_of<T>(frame, layout.plane[0], y) + region.x0, dl, width, scale.luma_scale, peak);
    bool block_ends = (y + 1) % (1 << layout.log2_h) == 0 || y + 1 == region.y1;
    if (block_ends) chroma.end_block_row(y);
  }
  chroma.apply<T>(frame, layout, scale.chroma_scale, peak);
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
