// SPDX-License-Identifier: Apache-2.0
// The executor's inner loops. Internal to the module.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "likeness/tensor/graph.h"

namespace likeness::tensor::kernels {

/// Floats per vector. Channel strides of padded values are multiples of it.
#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#else
inline constexpr int kLanes = 8;
#endif
inline int round_up(int channels) { return (channels + kLanes - 1) / kLanes * kLanes; }

/// A value in memory: height x width pixels of `channels` floats.
struct View {
  float* data = nullptr;  ///< pixel (0, 0)
  int height = 1, width = 1, channels = 1;
  int stride = 1;     ///< floats from pixel to pixel
  ptrdiff_t row = 1;  ///< floats from row to row
  float* at(int y, int x) const { return data + y * row + static_cast<ptrdiff_t>(x) * stride; }
  bool padded() const { return stride % kLanes == 0; }
};

/// What is done to an accumulator before it is stored.
struct Finish {
  Activation activation = Activation::kNone;
  const float* slopes = nullptr;  ///< kPrelu: one per padded channel
  View residual;                  ///< added first; data == nullptr: none. May have fewer channels.
};

/// Weights in the order the tile kernel reads them: blocks of 2 vectors of output channels (1 for
/// the last odd one), in each: segment, input element, output lane.
struct PackedConv {
  std::vector<float> weights, bias, slopes;
  std::vector<ptrdiff_t> segments;  ///< offsets in floats from a pixel's first input element
  int segment_length = 0;
  int out_vectors = 0;
  int stride_x = 1, stride_y = 1;
  ptrdiff_t origin =
      0;  ///< offset of the window's first element from input pixel (y*stride, x*stride)
};
void convolve(const PackedConv& conv, const View& x, const View& out, const Finish& finish);

struct PackedDepthwise {
  std::vector<float> weights, bias, slopes;  ///< weights: tap, padded channel
  std::vector<ptrdiff_t> taps;
  int stride_x = 1, stride_y = 1;
  ptrdiff_t origin = 0;
};
void depthwise(const PackedDepthwise& conv, const View& x, const View& out, const Finish& finish);

/// weights OHWI, bias per output channel; pad = rows/columns cut off at the top left.
void transpose_convolve(const Node& node, const float* weights, const float* bias, int window_y,
                        int window_x, int pad_y, int pad_x, const View& x, const View& out);
void pool(const Node& node, int pad_y, int pad_x, const View& x, const View& out);
/// kAdd, kSub, kMul with broadcasting, then relu if asked.
void binary(Op op, bool relu, const View& a, const View& b, const View& out);
/// kRelu, kPrelu (slopes per padded channel), kAbs, kHardSwish, kLogistic.
void unary(Op op, const float* slopes, const View& x, const View& out);
void resize_bilinear(const Node& node, const View& x, const View& out);
/// Copies x into out with its pixel (0,0,0) at (y0, x0, c0) of out.
void copy_into(const View& x, const View& out, int y0, int x0, int c0);
/// Element order kept, shapes differ.
void reshape(const View& x, const View& out);
void strided_slice(const int begin[3], const int stride[3], const View& x, const View& out);
void landmarks_to_matrix(const Node& node, const View& points, const View& out);
void transform_tensor(const View& x, const View& matrix, const View& out);
void transform_landmarks(const View& points, const View& matrix, const View& out);

void zero(const View& view);  ///< all pixels, padding lanes too
void zero_padding_lanes(const View& view);

}  // namespace likeness::tensor::kernels
