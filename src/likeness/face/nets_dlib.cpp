// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/nets_dlib.h"

#include "likeness/tensor/graph_builder.h"

namespace likeness::face {
namespace {

using tensor::Activation;
using tensor::Graph;
using tensor::Node;
using tensor::Op;

/// dlib's layers.
class Builder : public tensor::GraphBuilder {
 public:
  explicit Builder(const tensor::WeightMap& weights)
      : GraphBuilder(weights, "the face recognition weights are") {}

  /// Convolution with bias and the scale layer after it: ((w*x) + b) * s + t.
  Data conv(Data x, const std::string& name, int stride, bool same, bool relu) {
    const auto& filters = weight(name + "/conv/filters", 4);
    const int kernel = filters.shape[0], in = filters.shape[2], out = filters.shape[3];
    if (filters.shape[1] != kernel || in != x.channels) damaged(name + " does not fit its input");
    const auto &bias = vector(name + "/conv/bias", out),
               &scale = vector(name + "/scale/weights", out);
    const auto& shift = vector(name + "/scale/biases", out);
    std::vector<float> folded(filters.values.size()), offsets(out);
    for (int o = 0; o < out; ++o) offsets[o] = bias[o] * scale[o] + shift[o];
    const int taps = kernel * kernel * in;  // HWIO -> OHWI
    for (int k = 0; k < taps; ++k)
      for (int o = 0; o < out; ++o)
        folded[static_cast<size_t>(o) * taps + k] =
            filters.values[static_cast<size_t>(k) * out + o] * scale[o];
    Node n;
    n.op = Op::kConv;
    n.same_padding = same;
    n.stride_x = n.stride_y = stride;
    n.activation = relu ? Activation::kRelu : Activation::kNone;
    n.inputs = {x.tensor, constant({out, kernel, kernel, in}, std::move(folded)),
                constant({out}, std::move(offsets))};
    if (!same && x.size < kernel) damaged(name + " is larger than its input");
    return add(n, same ? (x.size + stride - 1) / stride : (x.size - kernel) / stride + 1, out);
  }
  Data pool(Data x, Op op, int window, int stride) {
    Node n;
    n.op = op;
    n.inputs = {x.tensor};
    n.window_x = n.window_y = window;
    n.stride_x = n.stride_y = stride;
    return add(n, (x.size - window) / stride + 1, x.channels);
  }
  /// Zeros below, to the right, and as further channels.
  Data pad(Data x, int size, int channels) {
    if (x.size == size && x.channels == channels) return x;
    if (x.size > size || x.channels > channels) damaged("two branches do not fit");
    Node n;
    n.op = Op::kPad;
    n.inputs = {x.tensor};
    n.pads = {0, 0, 0, size - x.size, 0, size - x.size, 0, channels - x.channels};
    return add(n, size, channels);
  }
  Data add_relu(Data a, Data b) {
    Node n;
    n.op = Op::kAdd;
    n.activation = Activation::kRelu;
    n.inputs = {a.tensor, b.tensor};
    return add(n, a.size, a.channels);
  }
  Data residual(Data x, const std::string& name) {
    return add_relu(x,
                    conv(conv(x, name + "/conv1", 1, true, true), name + "/conv2", 1, true, false));
  }
  Data residual_down(Data x, const std::string& name) {
    const Data main =
        conv(conv(x, name + "/conv1", 2, false, true), name + "/conv2", 1, true, false);
    const Data skip = pool(x, Op::kAveragePool, 2, 2);
    const int size = std::max(main.size, skip.size),
              channels = std::max(main.channels, skip.channels);
    return add_relu(pad(skip, size, channels), pad(main, size, channels));
  }
};

// dlib's mean face, points 17..67 of the iBUG order, in the unit square of the unpadded chip.
constexpr Point2 kMeanFace[51] = {
    {0.000213256f, 0.106454f}, {0.0752622f, 0.038915f}, {0.18113f, 0.0187482f},
    {0.29077f, 0.0344891f},    {0.393397f, 0.0773906f}, {0.586856f, 0.0773906f},
    {0.689483f, 0.0344891f},   {0.799124f, 0.0187482f}, {0.904991f, 0.038915f},
    {0.98004f, 0.106454f},     {0.490127f, 0.203352f},  {0.490127f, 0.307009f},
    {0.490127f, 0.409805f},    {0.490127f, 0.515625f},  {0.36688f, 0.587326f},
    {0.426036f, 0.609345f},    {0.490127f, 0.628106f},  {0.554217f, 0.609345f},
    {0.613373f, 0.587326f},    {0.121737f, 0.216423f},  {0.187122f, 0.178758f},
    {0.265825f, 0.179852f},    {0.334606f, 0.231733f},  {0.260918f, 0.245099f},
    {0.182743f, 0.244077f},    {0.645647f, 0.231733f},  {0.714428f, 0.179852f},
    {0.793132f, 0.178758f},    {0.858516f, 0.216423f},  {0.79751f, 0.244077f},
    {0.719335f, 0.245099f},    {0.254149f, 0.780233f},  {0.340985f, 0.745405f},
    {0.428858f, 0.727388f},    {0.490127f, 0.742578f},  {0.551395f, 0.727388f},
    {0.639268f, 0.745405f},    {0.726104f, 0.780233f},  {0.642159f, 0.864805f},
    {0.556721f, 0.902192f},    {0.490127f, 0.909281f},  {0.423532f, 0.902192f},
    {0.338094f, 0.864805f},    {0.290379f, 0.784792f},  {0.428096f, 0.778746f},
    {0.490127f, 0.785343f},    {0.552157f, 0.778746f},  {0.689874f, 0.784792f},
    {0.553364f, 0.824182f},    {0.490127f, 0.831803f},  {0.42689f, 0.824182f}};
constexpr float kChipPadding = 0.25f;

}  // namespace

tensor::Graph dlib_resnet(const tensor::WeightMap& weights) {
  Builder b(weights);
  auto x = b.conv(b.input(kChipSize, 3), "conv32_down", 2, false, true);
  x = b.pool(x, Op::kMaxPool, 3, 2);
  for (const char* name : {"conv32_1", "conv32_2", "conv32_3"}) x = b.residual(x, name);
  x = b.residual_down(x, "conv64_down");
  for (const char* name : {"conv64_1", "conv64_2", "conv64_3"}) x = b.residual(x, name);
  x = b.residual_down(x, "conv128_down");
  for (const char* name : {"conv128_1", "conv128_2"}) x = b.residual(x, name);
  x = b.residual_down(x, "conv256_down");
  for (const char* name : {"conv256_1", "conv256_2"}) x = b.residual(x, name);
  x = b.residual_down(x, "conv256_down_out");
  x = b.pool(x, Op::kAveragePool, x.size, 1);
  x = b.fully_connected(x, "fc");
  b.graph.outputs = {x.tensor};
  return std::move(b.graph);
}

Affine2 image_from_dlib_chip(const std::array<Point2, 68>& points) {
  // Similarity q = a p + t with a complex factor a; closed form from centred sums.
  std::array<Point2, 68> from{};
  std::array<int, 68> used{};
  int n = 0;
  for (int i = 27; i < 68; ++i) {  // not the brows, not the lower lip: they move most
    if ((i >= 55 && i <= 59) || i >= 65) continue;
    const Point2 m = kMeanFace[i - 17];
    const float unit = static_cast<float>(kChipSize) / (2 * kChipPadding + 1);
    from[n] = {(kChipPadding + m.x) * unit + 0.5f, (kChipPadding + m.y) * unit + 0.5f};
    used[n++] = i;
  }
  Point2 mean_from{}, mean_to{};
  for (int k = 0; k < n; ++k) {
    mean_from = mean_from + from[k] * (1.f / static_cast<float>(n));
    mean_to = mean_to + points[used[k]] * (1.f / static_cast<float>(n));
  }
  float re = 0, im = 0, norm = 0;
  for (int k = 0; k < n; ++k) {
    const Point2 p = from[k] - mean_from, q = points[used[k]] - mean_to;
    re += p.x * q.x + p.y * q.y;
    im += p.x * q.y - p.y * q.x;
    norm += p.x * p.x + p.y * p.y;
  }
  re /= norm, im /= norm;
  return {{re, -im, mean_to.x - re * mean_from.x + im * mean_from.y, im, re,
           mean_to.y - im * mean_from.x - re * mean_from.y}};
}

}  // namespace likeness::face
