// SPDX-License-Identifier: Apache-2.0
// Convolution kernels. A tile is M pixels x V vectors of output channels held in registers; the
// input element is broadcast and multiplied with V weight vectors (outer product form).
#include <array>
#include <cstring>

#include "likeness/tensor/kernels.h"

namespace likeness::tensor::kernels {
namespace {

typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));

inline Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }
inline Vec splat(float x) { return x - Vec{}; }

inline Vec activate(Vec v, Activation activation, const float* slopes) {
  const Vec zero = {};
  switch (activation) {
    case Activation::kNone:
      return v;
    case Activation::kRelu:
      return v > zero ? v : zero;
    case Activation::kPrelu:
      return v > zero ? v : v * load(slopes);
    case Activation::kHardSwish: {
      Vec gate = v + splat(3.f);
      gate = gate > zero ? gate : zero;
      gate = gate < splat(6.f) ? gate : splat(6.f);
      return v * gate * splat(1.f / 6.f);
    }
  }
  return v;
}

/// Pointers and constants of one tile.
struct Tile {
  const float* in[8];
  float* out[8];
  const float* residual[8];
  const float* weights;
  const float* bias;
  const ptrdiff_t* segments;
  int segment_count, segment_length;
  int residual_vectors;  ///< how many of the tile's vectors the residual has
  Activation activation;
  const float* slopes;
};

template <int M, int V>
void tile_kernel(const Tile& t) {
  Vec acc[M][V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) {
    const Vec b = load(t.bias + v * kLanes);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) acc[m][v] = b;
  }
  const float* w = t.weights;
  for (int s = 0; s < t.segment_count; ++s) {
    const float* a[M];
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) a[m] = t.in[m] + t.segments[s];
    const int length = t.segment_length;
    for (int k = 0; k < length; ++k) {
      Vec wv[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) wv[v] = load(w + v * kLanes);
      w += V * kLanes;
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
        const Vec x = splat(a[m][k]);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) acc[m][v] += x * wv[v];
      }
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      Vec value = acc[m][v];
      if (v < t.residual_vectors) value += load(t.residual[m] + v * kLanes);
      store(t.out[m] + v * kLanes, activate(value, t.activation, t.slopes + v * kLanes));
    }
  }
}

using TileKernel = void (*)(const Tile&);
constexpr int kTileOne = 8, kTileTwo = 6;  // pixels per tile with 1 and 2 vectors
constexpr std::array<TileKernel, kTileOne> kOneVector = {
    tile_kernel<1, 1>, tile_kernel<2, 1>, tile_kernel<3, 1>, tile_kernel<4, 1>,
    tile_kernel<5, 1>, tile_kernel<6, 1>, tile_kernel<7, 1>, tile_kernel<8, 1>};
constexpr std::array<TileKernel, kTileTwo> kTwoVectors = {tile_kernel<1, 2>, tile_kernel<2, 2>,
                                                          tile_kernel<3, 2>, tile_kernel<4, 2>,
                                                          tile_kernel<5, 2>, tile_kernel<6, 2>};

template <int Taps>
void depthwise_row(const PackedDepthwise& conv, const float* in, ptrdiff_t step, float* out,
                   int stride, const float* residual, int residual_stride, int width, int channel,
                   const Finish& finish, int vectors) {
  constexpr int kUnroll = 4;
  const int taps = Taps ? Taps : static_cast<int>(conv.taps.size());
  const ptrdiff_t channels = static_cast<ptrdiff_t>(vectors) * kLanes;
  const float* w = conv.weights.data() + channel;
  const Vec bias = load(conv.bias.data() + channel);
  const float* slopes = finish.slopes ? finish.slopes + channel : nullptr;
  int x = 0;
  for (; x + kUnroll <= width; x += kUnroll) {
    Vec acc[kUnroll] = {bias, bias, bias, bias};
    for (int t = 0; t < taps; ++t) {
      const Vec weight = load(w + t * channels);
      const float* a = in + conv.taps[t];
#pragma GCC unroll 4
      for (int i = 0; i < kUnroll; ++i) acc[i] += load(a + i * step) * weight;
    }
#pragma GCC unroll 4
    for (int i = 0; i < kUnroll; ++i) {
      if (residual) acc[i] += load(residual + static_cast<ptrdiff_t>(i) * residual_stride);
      store(out + static_cast<ptrdiff_t>(i) * stride, activate(acc[i], finish.activation, slopes));
    }
    in += kUnroll * step;
    out += static_cast<ptrdiff_t>(kUnroll) * stride;
    if (residual) residual += static_cast<ptrdiff_t>(kUnroll) * residual_stride;
  }
  for (; x < width; ++x) {
    Vec acc = bias;
    for (int t = 0; t < taps; ++t) acc += load(in + conv.taps[t]) * load(w + t * channels);
    if (residual) acc += load(residual);
    store(out, activate(acc, finish.activation, slopes));
    in += step;
    out += stride;
    if (residual) residual += residual_stride;
  }
}

}  // namespace

void convolve(const PackedConv& conv, const View& x, const View& out, const Finish& finish) {
  Tile tile{};
  tile.segments = conv.segments.data();
  tile.segment_count = static_cast<int>(conv.segments.size());
  tile.segment_length = conv.segment_length;
  tile.activation = finish.activation;
  const int depth = tile.segment_count * tile.segment_length;
  const int pixels = out.height * out.width;
  const int residual_vectors = finish.residual.data ? finish.residual.stride / kLanes : 0;
  for (int v = 0; v < conv.out_vectors;) {
    const int vectors = v + 2 <= conv.out_vectors ? 2 : 1;
    const int tile_pixels = vectors == 2 ? kTileTwo : kTileOne;
    const ptrdiff_t channel = static_cast<ptrdiff_t>(v) * kLanes;
    tile.weights = conv.weights.data() + channel * depth;
    tile.bias = conv.bias.data() + channel;
    tile.slopes = finish.slopes ? finish.slopes + channel : tile.bias;
    tile.residual_vectors = std::clamp(residual_vectors - v, 0, vectors);
    int px = 0, py = 0;
    for (int done = 0; done < pixels; done += tile_pixels) {
      const int m = std::min(tile_pixels, pixels - done);
      for (int i = 0; i < m; ++i) {
        tile.in[i] = x.at(py * conv.stride_y, px * conv.stride_x) + conv.origin;
        tile.out[i] = out.at(py, px) + channel;
        if (tile.residual_vectors) tile.residual[i] = finish.residual.at(py, px) + channel;
        if (++px == out.width) px = 0, ++py;
      }
      (vectors == 2 ? kTwoVectors[m - 1] : kOneVector[m - 1])(tile);
    }
    v += vectors;
  }
}

void depthwise(const PackedDepthwise& conv, const View& x, const View& out, const Finish& finish) {
  const int vectors = out.stride / kLanes;
  const ptrdiff_t step = static_cast<ptrdiff_t>(conv.stride_x) * x.stride;
  const View& r = finish.residual;
  for (int y = 0; y < out.height; ++y) {
    for (int v = 0; v < vectors; ++v) {
      const int channel = v * kLanes;
      const float* in = x.at(y * conv.stride_y, 0) + conv.origin + channel;
      const float* residual = r.data && channel < r.stride ? r.at(y, 0) + channel : nullptr;
      const auto row = conv.taps.size() == 9    ? depthwise_row<9>
                       : conv.taps.size() == 25 ? depthwise_row<25>
                                                : depthwise_row<0>;
      row(conv, in, step, out.at(y, 0) + channel, out.stride, residual, r.stride, out.width,
          channel, finish, vectors);
    }
  }
}

void transpose_convolve(const Node& node, const float* weights, const float* bias, int window_y,
                        int window_x, int pad_y, int pad_x, const View& x, const View& out) {
  for (int y = 0; y < out.height; ++y)
    for (int i = 0; i < out.width; ++i)
      for (int c = 0; c < out.channels; ++c) out.at(y, i)[c] = bias ? bias[c] : 0.f;
  const int depth = x.channels;
  for (int y = 0; y < x.height; ++y) {
    for (int i = 0; i < x.width; ++i) {
      const float* in = x.at(y, i);
      for (int ky = 0; ky < window_y; ++ky) {
        for (int kx = 0; kx < window_x; ++kx) {
          const int oy = y * node.stride_y - pad_y + ky, ox = i * node.stride_x - pad_x + kx;
          if (oy < 0 || ox < 0 || oy >= out.height || ox >= out.width) continue;
          float* to = out.at(oy, ox);
          for (int c = 0; c < out.channels; ++c) {
            const float* w =
                weights + ((static_cast<ptrdiff_t>(c) * window_y + ky) * window_x + kx) * depth;
            Vec sum = {};
            int k = 0;
            for (; k + kLanes <= depth; k += kLanes) sum += load(in + k) * load(w + k);
            float total = 0;
            for (int lane = 0; lane < kLanes; ++lane) total += sum[lane];
            for (; k < depth; ++k) total += in[k] * w[k];
            to[c] += total;
          }
        }
      }
    }
  }
}

void pool(const Node& node, int pad_y, int pad_x, const View& x, const View& out) {
  const bool mean = node.op == Op::kAveragePool;
  for (int y = 0; y < out.height; ++y) {
    const int y0 = std::max(0, y * node.stride_y - pad_y);
    const int y1 = std::min(x.height, y * node.stride_y - pad_y + node.window_y);
    for (int i = 0; i < out.width; ++i) {
      const int x0 = std::max(0, i * node.stride_x - pad_x);
      const int x1 = std::min(x.width, i * node.stride_x - pad_x + node.window_x);
      const float scale = mean ? 1.f / static_cast<float>((y1 - y0) * (x1 - x0)) : 1.f;
      for (int c = 0; c < out.stride; c += kLanes) {
        Vec acc = mean ? Vec{} : load(x.at(y0, x0) + c);
        for (int ky = y0; ky < y1; ++ky) {
          for (int kx = x0; kx < x1; ++kx) {
            const Vec v = load(x.at(ky, kx) + c);
            acc = mean ? acc + v : (v > acc ? v : acc);
          }
        }
        acc *= splat(scale);
        if (node.activation == Activation::kRelu) acc = activate(acc, Activation::kRelu, nullptr);
        store(out.at(y, i) + c, acc);
      }
    }
  }
}

}  // namespace likeness::tensor::kernels
