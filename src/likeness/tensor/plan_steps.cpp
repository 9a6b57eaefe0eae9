// SPDX-License-Identifier: Apache-2.0
// First half of planning: one step per node, with shapes worked out and checked.
#include <algorithm>
#include <array>

#include "likeness/tensor/plan.h"

namespace likeness::tensor {
namespace {

constexpr size_t kMaxNodes = 4096;

/// Output size and the padding before the first element.
struct Window {
  int out = 0, before = 0;
};
Window window_of(int in, int kernel, int stride, int dilation, bool same) {
  const int64_t reach = static_cast<int64_t>(kernel - 1) * dilation + 1;
  if (reach > (1 << 20)) plan_damaged("a window is too large");
  if (!same) {
    if (in < reach) plan_damaged("a window is larger than its input");
    return {static_cast<int>((in - reach) / stride + 1), 0};
  }
  const int out = (in + stride - 1) / stride;
  const int64_t missing =
      std::max<int64_t>(0, (out - 1) * static_cast<int64_t>(stride) + reach - in);
  return {out, static_cast<int>(missing / 2)};
}

class StepBuilder {
 public:
  explicit StepBuilder(const Graph& graph) : graph_(graph) {
    if (graph.nodes.size() > kMaxNodes) plan_unsupported("too many operators");
    plan_.values.resize(graph.tensors.size());
  }
  Plan build() {
    for (int t : graph_.inputs) add_input(t);
    for (const Node& node : graph_.nodes) add_step(node);
    for (int t : graph_.outputs) add_output(t);
    return std::move(plan_);
  }

 private:
  Value& value(int t) { return plan_.values[t]; }
  const GraphTensor& tensor(int t) const { return graph_.tensors[t]; }

  // --- shapes ---
  void check_tensor(int t) const {
    if (t < 0 || static_cast<size_t>(t) >= graph_.tensors.size())
      plan_damaged("a tensor index is out of range");
  }
  std::array<int, 3> trailing(const std::vector<int>& shape) const {
    if (shape.size() > 4 || (shape.size() == 4 && shape[0] != 1))
      plan_unsupported("a tensor with a batch or with more than 4 axes");
    std::array<int, 3> d{1, 1, 1};
    for (size_t i = 0; i < std::min<size_t>(3, shape.size()); ++i) {
      d[2 - i] = shape[shape.size() - 1 - i];
      if (d[2 - i] < 1) plan_damaged("a tensor has an impossible shape");
    }
    return d;
  }
  void define(int t, int height, int width, int channels, bool dense) {
    Value& v = value(t);
    if (v.defined) plan_damaged("a tensor is computed twice");
    if (height < 1 || width < 1 || channels < 1 ||
        static_cast<int64_t>(height) * width > kMaxValueFloats / kernels::round_up(channels))
      plan_damaged("a tensor is empty or too large");
    v.height = height, v.width = width, v.channels = channels;
    v.defined = true, v.dense = dense;
    v.stride = dense ? channels : kernels::round_up(channels);
  }
  void add_input(int t) {
    check_tensor(t);
    if (tensor(t).constant) plan_damaged("an input is constant");
    const auto d = trailing(tensor(t).shape);
    bool only_conv = true;  // a convolution reads single elements, other kernels want whole vectors
    for (const Node& n : graph_.nodes)
      for (int i : n.inputs) only_conv = only_conv && (i != t || n.op == Op::kConv);
    define(t, d[0], d[1], d[2], only_conv);
    plan_.inputs.push_back(t);
    plan_.input_shapes.push_back(tensor(t).shape);
  }
  void add_output(int t) {
    check_tensor(t);
    if (!value(t).defined || value(t).constant) plan_damaged("an output is never computed");
    const Value& v = value(t);
    plan_.outputs.push_back(t);
    plan_.output_shapes.push_back(tensor(t).shape.empty()
                                      ? std::vector<int>{1, v.height, v.width, v.channels}
                                      : tensor(t).shape);
  }
  /// An operand that must have been computed or be a constant.
  int operand(const Node& node, size_t i, bool allow_constant = false) {
    if (i >= node.inputs.size()) plan_damaged("an operator lacks an input");
    const int t = node.inputs[i];
    check_tensor(t);
    Value& v = value(t);
    if (v.defined && (!v.constant || allow_constant)) return t;
    if (!allow_constant || !tensor(t).constant || tensor(t).values.empty())
      plan_damaged(std::string(op_name(node.op)) + " uses a tensor before it is computed");
    const auto d = trailing(tensor(t).shape);
    define(t, d[0], d[1], d[2], true);
    v.constant = true;
    v.offset = store_constant(tensor(t).values);
    return t;
  }
  size_t store_constant(const std::vector<float>& values) {
    const size_t offset = plan_.constants.size();
    if (offset + values.size() > static_cast<size_t>(kMaxValueFloats))
      plan_damaged("too many constants");
    plan_.constants.insert(plan_.constants.end(), values.begin(), values.end());
    plan_.constants.resize((plan_.constants.size() + 15) / 16 * 16 +
                           16);  // kernels may read whole vectors
    return offset;
  }
  /// Weights, bias or slopes: -1 when not given.
  int constant(const Node& node, size_t i, bool required) const {
    if (i >= node.inputs.size() || node.inputs[i] < 0) {
      if (required) plan_damaged("an operator lacks its weights");
      return -1;
    }
    const int t = node.inputs[i];
    check_tensor(t);
    if (!tensor(t).constant || tensor(t).values.empty())
      plan_unsupported("weights that are not constant");
    if (static_cast<int64_t>(tensor(t).values.size()) != tensor(t).elements())
      plan_damaged("weights of a wrong size");
    return t;
  }
  void check_bias(int t, int channels) const {
    if (t >= 0 && static_cast<int>(tensor(t).values.size()) != channels)
      plan_damaged("a bias has a wrong size");
  }
  std::array<int, 3> declared(int t) const {
    if (tensor(t).shape.empty()) plan_damaged("an operator's output has no shape");
    return trailing(tensor(t).shape);
  }

  // --- one step per node ---
  void add_step(const Node& node) {
    Step s;
    s.node = node;
    if (node.outputs.size() != 1) plan_damaged("an operator has not one output");
    s.out = node.outputs[0];
    check_tensor(s.out);
    if (tensor(s.out).constant) plan_damaged("an operator writes to a constant");
    switch (node.op) {
      case Op::kConv:
      case Op::kDepthwise:
      case Op::kTransposeConv:
      case Op::kFullyConnected:
        convolution(s);
        break;
      case Op::kMaxPool:
      case Op::kAveragePool:
        pooling(s);
        break;
      case Op::kAdd:
      case Op::kSub:
      case Op::kMul:
        arithmetic(s);
        break;
      case Op::kRelu:
      case Op::kPrelu:
      case Op::kAbs:
      case Op::kHardSwish:
      case Op::kLogistic:
        unary(s);
        break;
      case Op::kConcat:
        concat(s);
        break;
      case Op::kLandmarksToMatrix:
      case Op::kTransformTensor:
      case Op::kTransformLandmarks:
        landmarks(s);
        break;
      default:
        rearrange(s);
    }
    const auto& shape = tensor(s.out).shape;
    if (!shape.empty()) {
      const auto d = trailing(shape);
      const Value& v = value(s.out);
      if (d[0] != v.height || d[1] != v.width || d[2] != v.channels)
        plan_damaged(std::string(op_name(node.op)) + " gives another shape than the file says");
    }
    plan_.steps.push_back(std::move(s));
  }
  void convolution(Step& s) {
    const Node& n = s.node;
    s.x = operand(n, 0);
    s.weights = constant(n, 1, true);
    s.bias = constant(n, 2, false);
    const auto& w = tensor(s.weights).shape;
    Value x = value(s.x);
    if (n.op == Op::kFullyConnected) {
      if (w.size() != 2 || static_cast<int64_t>(x.height) * x.width * x.channels != w[1])
        plan_damaged("a fully connected layer does not fit its input");
      if (x.height * x.width > 1) plan_unsupported("a fully connected layer over pixels");
      check_bias(s.bias, w[0]);
      define(s.out, 1, 1, w[0], false);
      plan_.multiply_adds += static_cast<int64_t>(w[0]) * w[1];
      return;
    }
    if (w.size() != 4) plan_damaged("convolution weights do not have 4 axes");
    s.kernel_y = w[1], s.kernel_x = w[2];
    const int in = w[3], out = n.op == Op::kDepthwise ? w[3] : w[0];
    if (in != x.channels || (n.op == Op::kDepthwise && w[0] != 1))
      plan_damaged("convolution weights do not fit");
    if (n.op == Op::kDepthwise && x.dense && x.stride % kernels::kLanes)
      plan_unsupported("depthwise on a bare input");
    check_bias(s.bias, out);
    if (n.op == Op::kTransposeConv) return transpose_convolution(s, out);
    const Window wy = window_of(x.height, w[1], n.stride_y, n.dilation_y, n.same_padding);
    const Window wx = window_of(x.width, w[2], n.stride_x, n.dilation_x, n.same_padding);
    s.pad_y = wy.before, s.pad_x = wx.before;
    define(s.out, wy.out, wx.out, out, false);
    plan_.multiply_adds +=
        static_cast<int64_t>(wy.out) * wx.out * out * w[1] * w[2] * (n.op == Op::kConv ? in : 1);
  }
  void transpose_convolution(Step& s, int channels) {
    const Node& n = s.node;
    const Value x = value(s.x);
    const auto size = [&](int in, int kernel, int stride, int& pad) {
      pad = n.same_padding ? std::max(0, kernel - stride) : 0;  // SAME gives in * stride
      const int64_t out = static_cast<int64_t>(stride) * (in - 1) + kernel - pad;
      pad /= 2;
      if (out > (1 << 20)) plan_damaged("a tensor is too large");
      return static_cast<int>(out);
    };
    const int height = size(x.height, s.kernel_y, n.stride_y, s.pad_y);
    const int width = size(x.width, s.kernel_x, n.stride_x, s.pad_x);
    define(s.out, height, width, channels, true);
    plan_.multiply_adds +=
        static_cast<int64_t>(x.height) * x.width * channels * x.channels * s.kernel_y * s.kernel_x;
  }
  void pooling(Step& s) {
    const Node& n = s.node;
    s.x = operand(n, 0);
    const Value x = value(s.x);
    if (x.stride % kernels::kLanes) plan_unsupported("pooling of a bare input");
    const Window wy = window_of(x.height, n.window_y, n.stride_y, 1, n.same_padding);
    const Window wx = window_of(x.width, n.window_x, n.stride_x, 1, n.same_padding);
    s.pad_y = wy.before, s.pad_x = wx.before;
    define(s.out, wy.out, wx.out, x.channels, false);
  }
  void arithmetic(Step& s) {
    s.x = operand(s.node, 0, true);
    s.y = operand(s.node, 1, true);
    const Value a = value(s.x), b = value(s.y);
    const auto joined = [](int p, int q) {
      if (p != q && p != 1 && q != 1) plan_damaged("the shapes of two operands do not fit");
      return std::max(p, q);
    };
    define(s.out, joined(a.height, b.height), joined(a.width, b.width),
           joined(a.channels, b.channels), a.dense && b.dense);
  }
  void unary(Step& s) {
    s.x = operand(s.node, 0);
    const Value x = value(s.x);
    if (s.node.op == Op::kPrelu) {
      s.slopes = constant(s.node, 1, true);
      if (static_cast<int>(tensor(s.slopes).values.size()) != x.channels)
        plan_unsupported("slopes that are not per channel");
    }
    define(s.out, x.height, x.width, x.channels, x.dense);
  }
  void concat(Step& s) {
    const Node& n = s.node;
    const int rank = static_cast<int>(tensor(s.out).shape.size());
    if (rank < 1 || rank > 4 || n.axis >= rank || n.axis < -rank)
      plan_damaged("a concatenation has no such axis");
    const int axis =
        (n.axis < 0 ? n.axis + rank : n.axis) - rank + 3;  // 0 height, 1 width, 2 channels
    if (axis < 0 || n.activation != Activation::kNone)
      plan_unsupported("this kind of concatenation");
    std::array<int, 3> d{};
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      const Value& v = value(operand(n, i));
      std::array<int, 3> e{v.height, v.width, v.channels};
      if (i == 0)
        d = e;
      else
        for (int k = 0; k < 3; ++k) {
          if (k == axis)
            d[k] += e[k];
          else if (d[k] != e[k])
            plan_damaged("the parts of a concatenation do not fit");
        }
      if (d[axis] > (1 << 24)) plan_damaged("a tensor is too large");
    }
    s.x = n.inputs[0];
    s.node.axis = axis;
    define(s.out, d[0], d[1], d[2], rank < 4);
  }
  void rearrange(Step& s) {
    Node& n = s.node;
    s.x = operand(n, 0);
    const Value x = value(s.x);
    if (n.op == Op::kPad) {
      const size_t rank = n.pads.size() / 2;
      std::array<int, 6> p{};
      for (size_t i = 0; i < rank; ++i) {
        const int before = n.pads[2 * i], after = n.pads[2 * i + 1];
        if (before < 0 || after < 0 || before > 4096 || after > 4096)
          plan_damaged("a padding is out of range");
        const int axis = static_cast<int>(i) - static_cast<int>(rank) + 3;
        if (axis < 0) {
          if (before || after) plan_unsupported("padding of the batch");
          continue;
        }
        p[2 * axis] = before, p[2 * axis + 1] = after;
      }
      n.pads.assign(p.begin(), p.end());
      return define(s.out, x.height + p[0] + p[1], x.width + p[2] + p[3], x.channels + p[4] + p[5],
                    false);
    }
    const auto d = declared(s.out);
    if (n.op == Op::kReshape) {
      if (static_cast<int64_t>(d[0]) * d[1] * d[2] !=
          static_cast<int64_t>(x.height) * x.width * x.channels)
        plan_damaged("a reshape changes the number of elements");
      return define(s.out, d[0], d[1], d[2], true);
    }
    if (n.op == Op::kResizeBilinear) {
      if (d[2] != x.channels) plan_damaged("a resize changes the channels");
      return define(s.out, d[0], d[1], d[2], x.dense);
    }
    const size_t rank = tensor(s.x).shape.size();  // kStridedSlice
    if (n.begin.size() != rank || n.stride.size() != rank || tensor(s.out).shape.size() != rank)
      plan_unsupported("this kind of slice");
    const std::array<int, 3> in{x.height, x.width, x.channels};
    std::vector<int> begin(3, 0), stride(3, 1);
    for (size_t i = 0; i < rank; ++i) {
      const int axis = static_cast<int>(i) - static_cast<int>(rank) + 3;
      if (axis < 0) continue;
      begin[axis] = n.begin[i] < 0 ? n.begin[i] + in[axis] : n.begin[i];
      stride[axis] = n.stride[i];
      if (begin[axis] < 0 || stride[axis] < 1 || stride[axis] > in[axis] ||
          begin[axis] + static_cast<int64_t>(d[axis] - 1) * stride[axis] >= in[axis])
        plan_damaged("a slice reaches outside its input");
    }
    n.begin = begin, n.stride = stride;
    define(s.out, d[0], d[1], d[2], true);
  }
  void landmarks(Step& s) {
    const Node& n = s.node;
    s.x = operand(n, 0);
    const Value x = value(s.x);
    if (n.op == Op::kLandmarksToMatrix) {
      if (x.height != 1 || x.channels < 2) plan_damaged("landmarks of a wrong shape");
      for (int i : n.subset)
        if (i < 0 || i >= x.width) plan_damaged("a landmark index is out of range");
      for (int i : {n.left_point, n.right_point})
        if (i < 0 || i >= x.width) plan_damaged("a landmark index is out of range");
      return define(s.out, 1, 4, 4, true);
    }
    s.y = operand(n, 1);
    const Value m = value(s.y);
    if (m.height != 1 || m.width != 4 || m.channels != 4)
      plan_damaged("a transform is not a 4x4 matrix");
    if (n.op == Op::kTransformTensor)
      return define(s.out, n.crop_height, n.crop_width, x.channels, false);
    if (x.height != 1 || x.channels < 2) plan_damaged("landmarks of a wrong shape");
    define(s.out, 1, x.width, x.channels, true);
  }

  const Graph& graph_;
  Plan plan_;
};

}  // namespace

Plan plan_steps(const Graph& graph) { return StepBuilder(graph).build(); }

}  // namespace likeness::tensor
