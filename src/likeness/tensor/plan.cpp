// SPDX-License-Identifier: Apache-2.0
// Second half of planning: fusion, packing of weights, places in memory.
#include "likeness/tensor/plan.h"

#include <algorithm>

#include "likeness/base/error.h"

namespace likeness::tensor {
namespace {

constexpr int64_t kMaxArenaFloats = 1 << 27;

class Planner {
 public:
  explicit Planner(const Graph& graph) : graph_(graph), plan_(plan_steps(graph)) {
    uses_.resize(graph.tensors.size());
    producer_.assign(graph.tensors.size(), -1);
    for (size_t i = 0; i < plan_.steps.size(); ++i)
      producer_[plan_.steps[i].out] = static_cast<int>(i);
  }

  Plan build() {
    count_uses();
    fuse();
    drop_unused();
    for (Step& s : plan_.steps) pack(s);
    place();
    return std::move(plan_);
  }

 private:
  Value& value(int t) { return plan_.values[t]; }
  const GraphTensor& tensor(int t) const { return graph_.tensors[t]; }

  // --- fusion ---
  void reads(const Step& s, std::vector<int>& out) const {
    out.clear();
    if (s.node.op == Op::kConcat)
      out = s.node.inputs;
    else if (s.x >= 0)
      out.push_back(s.x);
    if (s.y >= 0) out.push_back(s.y);
    if (s.residual >= 0) out.push_back(s.residual);
  }
  void count_uses() {
    std::vector<int> r;
    for (const Step& s : plan_.steps) {
      reads(s, r);
      for (int t : r) ++uses_[t];
    }
    for (int t : plan_.outputs) ++uses_[t];
  }
  Step* fusable(int t) {  // a convolution whose only reader may be merged into it
    if (t < 0 || producer_[t] < 0 || uses_[t] != 1) return nullptr;
    Step& p = plan_.steps[producer_[t]];
    const bool conv = p.node.op == Op::kConv || p.node.op == Op::kDepthwise;
    return p.alive && conv && p.node.activation == Activation::kNone ? &p : nullptr;
  }
  void merge(Step& producer, size_t into, int out) {
    producer.alive = false;
    Step merged = std::move(producer);
    merged.alive = true;
    merged.out = out;
    plan_.steps[into] = std::move(merged);
    producer_[out] = static_cast<int>(into);
  }
  void fuse() {
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      const Step s = plan_.steps[i];
      if (s.node.op == Op::kAdd)
        fuse_add(s, i);
      else if (s.node.op == Op::kRelu || s.node.op == Op::kPrelu || s.node.op == Op::kHardSwish)
        fuse_activation(s, i);
    }
  }
  void fuse_add(const Step& s, size_t i) {
    const Value a = value(s.x), b = value(s.y);
    if (s.x == s.y || a.constant || b.constant || a.height != b.height || a.width != b.width ||
        a.channels != b.channels)
      return;
    Step *p = fusable(s.y), *q = fusable(s.x);
    if (p && p->residual >= 0) p = nullptr;
    if (q && q->residual >= 0) q = nullptr;
    const bool take_x = q && (!p || q > p);  // the later one, so that the other exists by then
    Step* chosen = take_x ? q : p;
    if (!chosen) return;
    int residual = take_x ? s.y : s.x;
    const int pad = producer_[residual];
    if (pad >= 0 && uses_[residual] == 1 && plan_.steps[pad].alive &&
        plan_.steps[pad].node.op == Op::kPad) {
      const auto& pads = plan_.steps[pad].node.pads;
      const Value& source = value(plan_.steps[pad].x);
      // Channels added at the end are the residual's absent or zero lanes.
      if (!pads[0] && !pads[1] && !pads[2] && !pads[3] && !pads[4] && !source.dense) {
        plan_.steps[pad].alive = false;
        residual = plan_.steps[pad].x;
      }
    }
    if (value(residual).stride % kernels::kLanes) return;
    const Activation activation = s.node.activation;
    merge(*chosen, i, s.out);
    plan_.steps[i].residual = residual;
    plan_.steps[i].node.activation = activation;
  }
  void fuse_activation(const Step& s, size_t i) {
    Step* p = fusable(s.x);
    if (!p) return;
    merge(*p, i, s.out);
    plan_.steps[i].node.activation = s.node.op == Op::kRelu    ? Activation::kRelu
                                     : s.node.op == Op::kPrelu ? Activation::kPrelu
                                                               : Activation::kHardSwish;
    plan_.steps[i].slopes = s.slopes;
  }
  void drop_unused() {
    std::vector<char> needed(plan_.values.size());
    for (int t : plan_.outputs) needed[t] = 1;
    std::vector<int> r;
    for (size_t i = plan_.steps.size(); i-- > 0;) {
      Step& s = plan_.steps[i];
      if (!s.alive || !needed[s.out]) {
        s.alive = false;
        continue;
      }
      reads(s, r);
      for (int t : r) needed[t] = 1;
    }
    std::erase_if(plan_.steps, [](const Step& s) { return !s.alive; });
    for (const Step& s : plan_.steps) widen_frame(s);
  }
  void widen_frame(const Step& s) {
    if (s.node.op != Op::kConv && s.node.op != Op::kDepthwise) return;
    Value& x = value(s.x);
    const Value& out = value(s.out);
    const Node& n = s.node;
    const int below =
        (out.height - 1) * n.stride_y + (s.kernel_y - 1) * n.dilation_y + 1 - s.pad_y - x.height;
    const int beside =
        (out.width - 1) * n.stride_x + (s.kernel_x - 1) * n.dilation_x + 1 - s.pad_x - x.width;
    x.top = std::max(x.top, s.pad_y), x.left = std::max(x.left, s.pad_x);
    x.bottom = std::max(x.bottom, below), x.right = std::max(x.right, beside);
    if ((static_cast<int64_t>(x.height) + x.top + x.bottom) *
            (static_cast<int64_t>(x.width) + x.left + x.right) >
        kMaxValueFloats / x.stride)
      plan_damaged("a tensor is too large");
  }

  // --- packing ---
  std::vector<float> per_channel(int t, int channels) const {
    std::vector<float> out(kernels::round_up(channels), 0.f);
    if (t >= 0) std::copy(tensor(t).values.begin(), tensor(t).values.end(), out.begin());
    return out;
  }
  void pack(Step& s) {
    switch (s.node.op) {
      case Op::kConv:
      case Op::kFullyConnected:
        return pack_conv(s);
      case Op::kDepthwise:
        return pack_depthwise(s);
      case Op::kPrelu:
        s.depthwise.slopes = per_channel(s.slopes, value(s.out).channels);
        return;
      case Op::kTransposeConv:  // kept as they are; x and y are reused as places of the constants
        s.conv.weights = tensor(s.weights).values;
        s.conv.bias = per_channel(s.bias, value(s.out).channels);
        return;
      default:
        return;
    }
  }
  void pack_conv(Step& s) {
    const Value& x = value(s.x);
    const std::vector<float>& w = tensor(s.weights).values;
    const Node& n = s.node;
    kernels::PackedConv& c = s.conv;
    const int in = x.channels, out = value(s.out).channels;
    const bool merged = in == x.stride && n.dilation_x == 1;  // taps of a row lie side by side
    c.segment_length = merged ? s.kernel_x * in : in;
    for (int ky = 0; ky < s.kernel_y; ++ky)
      for (int kx = 0; kx < (merged ? 1 : s.kernel_x); ++kx)
        c.segments.push_back(ky * n.dilation_y * x.row() +
                             static_cast<ptrdiff_t>(kx) * n.dilation_x * x.stride);
    c.origin = -s.pad_y * x.row() - static_cast<ptrdiff_t>(s.pad_x) * x.stride;
    c.stride_x = n.stride_x, c.stride_y = n.stride_y;
    c.out_vectors = kernels::round_up(out) / kernels::kLanes;
    c.bias = per_channel(s.bias, out);
    if (s.slopes >= 0) c.slopes = per_channel(s.slopes, out);
    const int64_t depth = static_cast<int64_t>(s.kernel_y) * s.kernel_x * in;
    if (depth * c.out_vectors > kMaxValueFloats / kernels::kLanes)
      plan_damaged("weights are too large");
    c.weights.assign(depth * c.out_vectors * kernels::kLanes, 0.f);
    float* to = c.weights.data();
    for (int v = 0; v < c.out_vectors;) {
      const int vectors = v + 2 <= c.out_vectors ? 2 : 1, lanes = vectors * kernels::kLanes;
      for (int64_t k = 0; k < depth; ++k)  // OHWI: an output's weights are already in segment order
        for (int lane = 0; lane < lanes; ++lane, ++to) {
          const int o = v * kernels::kLanes + lane;
          if (o < out) *to = w[o * depth + k];
        }
      v += vectors;
    }
  }
  void pack_depthwise(Step& s) {
    const Value& x = value(s.x);
    const std::vector<float>& w = tensor(s.weights).values;
    const Node& n = s.node;
    kernels::PackedDepthwise& d = s.depthwise;
    const int channels = x.channels, padded = kernels::round_up(channels),
              taps = s.kernel_y * s.kernel_x;
    d.origin = -s.pad_y * x.row() - static_cast<ptrdiff_t>(s.pad_x) * x.stride;
    d.stride_x = n.stride_x, d.stride_y = n.stride_y;
    d.bias = per_channel(s.bias, channels);
    if (s.slopes >= 0) d.slopes = per_channel(s.slopes, channels);
    d.weights.assign(static_cast<size_t>(taps) * padded, 0.f);
    for (int t = 0; t < taps; ++t) {
      d.taps.push_back(t / s.kernel_x * n.dilation_y * x.row() +
                       static_cast<ptrdiff_t>(t % s.kernel_x) * n.dilation_x * x.stride);
      std::copy_n(w.data() + static_cast<ptrdiff_t>(t) * channels, channels,
                  d.weights.data() + static_cast<ptrdiff_t>(t) * padded);
    }
  }

  // --- memory ---
  void place() {
    const int end = static_cast<int>(plan_.steps.size());
    std::vector<int> order = plan_.inputs, r;
    for (int t : plan_.inputs) value(t).first = -1, value(t).last = 0;
    for (int i = 0; i < end; ++i) {
      const Step& s = plan_.steps[i];
      value(s.out).first = value(s.out).last = i;
      order.push_back(s.out);
      reads(s, r);
      for (int t : r) value(t).last = i;
    }
    for (int t : plan_.outputs) value(t).last = end;
    // First fit over the values that are alive at the same time, in order of birth.
    std::vector<int> alive;  // sorted by offset
    for (int t : order) {
      Value& v = value(t);
      std::erase_if(alive, [&](int other) { return value(other).last < v.first; });
      const size_t need = (v.floats() + 15) / 16 * 16 + 16;
      size_t at = 0;
      auto place = alive.begin();
      for (; place != alive.end(); ++place) {
        const Value& o = value(*place);
        if (at + need <= o.offset) break;
        at = o.offset + (o.floats() + 15) / 16 * 16 + 16;
      }
      v.offset = at;
      alive.insert(place, t);
      plan_.arena_floats = std::max(plan_.arena_floats, at + need);
      if (plan_.arena_floats > static_cast<size_t>(kMaxArenaFloats))
        plan_damaged("needs too much memory");
    }
  }

  const Graph& graph_;
  Plan plan_;
  std::vector<int> uses_, producer_;
};

}  // namespace

void plan_damaged(const std::string& why) {
  throw Error(ErrorCode::kDamaged, "network: " + why,
              "fetch the model again with scripts/install-models");
}
void plan_unsupported(const std::string& why) {
  throw Error(ErrorCode::kUnsupported, "network: " + why,
              "use one of the models that scripts/install-models installs");
}

Plan make_plan(const Graph& graph) { return Planner(graph).build(); }

}  // namespace likeness::tensor
