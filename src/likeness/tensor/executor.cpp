// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/executor.h"

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "likeness/base/error.h"
#include "likeness/tensor/plan.h"

namespace likeness::tensor {

const char* op_name(Op op) {
  constexpr const char* kNames[] = {"conv",
                                    "depthwise conv",
                                    "fully connected",
                                    "transpose conv",
                                    "max pool",
                                    "average pool",
                                    "add",
                                    "sub",
                                    "mul",
                                    "relu",
                                    "prelu",
                                    "abs",
                                    "hard swish",
                                    "logistic",
                                    "pad",
                                    "reshape",
                                    "concat",
                                    "resize",
                                    "slice",
                                    "landmarks to matrix",
                                    "transform tensor",
                                    "transform landmarks"};
  return kNames[static_cast<size_t>(op)];
}

int Graph::find_output(const std::string& name) const {
  for (size_t i = 0; i < outputs.size(); ++i)
    if (tensors[outputs[i]].name == name) return static_cast<int>(i);
  return -1;
}

struct Executor::Impl {
  using Arena = std::unique_ptr<float[], decltype(&std::free)>;

  Plan plan;
  mutable std::mutex mutex;
  mutable std::vector<Arena> idle;  // one arena per run that goes on at the same time

  Arena take() const {
    {
      std::lock_guard lock(mutex);
      if (!idle.empty()) {
        Arena arena = std::move(idle.back());
        idle.pop_back();
        return arena;
      }
    }
    const size_t bytes = (plan.arena_floats * sizeof(float) + 63) / 64 * 64;
    Arena arena(static_cast<float*>(std::aligned_alloc(64, std::max<size_t>(bytes, 64))),
                &std::free);
    if (!arena)
      throw Error(ErrorCode::kNoSpace, "not enough memory to run a network",
                  "close other programs");
    std::memset(arena.get(), 0, bytes);
    return arena;
  }
  void give_back(Arena arena) const {
    std::lock_guard lock(mutex);
    idle.push_back(std::move(arena));
  }

  kernels::View view(int t, float* arena) const {
    const Value& v = plan.values[t];
    kernels::View out;
    out.height = v.height, out.width = v.width, out.channels = v.channels;
    out.stride = v.stride, out.row = v.row();
    // Constants are only read.
    float* base = v.constant ? const_cast<float*>(plan.constants.data()) : arena;
    out.data = base + v.offset + v.top * v.row() + static_cast<ptrdiff_t>(v.left) * v.stride;
    return out;
  }
  void clear_frame(int t, float* arena) const {
    const Value& v = plan.values[t];
    if (!v.framed()) return;
    float* start = arena + v.offset;
    const ptrdiff_t row = v.row();
    const auto clear = [](float* at, ptrdiff_t n) { std::memset(at, 0, sizeof(float) * n); };
    clear(start, v.top * row);
    clear(start + (v.top + v.height) * row, v.bottom * row);
    for (int y = 0; y < v.height; ++y) {
      float* line = start + (v.top + y) * row;
      clear(line, static_cast<ptrdiff_t>(v.left) * v.stride);
      clear(line + static_cast<ptrdiff_t>(v.left + v.width) * v.stride,
            static_cast<ptrdiff_t>(v.right) * v.stride);
    }
  }
  void run_step(const Step& s, float* arena) const;
};

void Executor::Impl::run_step(const Step& s, float* arena) const {
  using namespace kernels;
  const View x = view(s.x, arena), out = view(s.out, arena);
  const Node& n = s.node;
  clear_frame(s.out, arena);
  Finish finish;
  finish.activation = n.activation;
  if (s.residual >= 0) finish.residual = view(s.residual, arena);
  switch (n.op) {
    case Op::kConv:
    case Op::kFullyConnected:
      finish.slopes = s.conv.slopes.empty() ? nullptr : s.conv.slopes.data();
      return convolve(s.conv, x, out, finish);
    case Op::kDepthwise:
      finish.slopes =
          s.depthwise.slopes.empty() ? s.depthwise.bias.data() : s.depthwise.slopes.data();
      return kernels::depthwise(s.depthwise, x, out, finish);
    case Op::kTransposeConv:
      return transpose_convolve(n, s.conv.weights.data(), s.conv.bias.data(), s.kernel_y,
                                s.kernel_x, s.pad_y, s.pad_x, x, out);
    case Op::kMaxPool:
    case Op::kAveragePool:
      return pool(n, s.pad_y, s.pad_x, x, out);
    case Op::kAdd:
    case Op::kSub:
    case Op::kMul:
      return binary(n.op, n.activation == Activation::kRelu, x, view(s.y, arena), out);
    case Op::kRelu:
    case Op::kPrelu:
    case Op::kAbs:
    case Op::kHardSwish:
    case Op::kLogistic:
      return unary(n.op, s.depthwise.slopes.data(), x, out);
    case Op::kPad:
      zero(out);
      return copy_into(x, out, n.pads[0], n.pads[2], n.pads[4]);
    case Op::kReshape:
      return reshape(x, out);
    case Op::kConcat: {
      int at[3] = {0, 0, 0};
      for (int t : n.inputs) {
        const View part = view(t, arena);
        copy_into(part, out, at[0], at[1], at[2]);
        at[n.axis] += n.axis == 0 ? part.height : n.axis == 1 ? part.width : part.channels;
      }
      return zero_padding_lanes(out);
    }
    case Op::kResizeBilinear:
      return resize_bilinear(n, x, out);
    case Op::kStridedSlice:
      return strided_slice(n.begin.data(), n.stride.data(), x, out);
    case Op::kLandmarksToMatrix:
      return landmarks_to_matrix(n, x, out);
    case Op::kTransformTensor:
      return transform_tensor(x, view(s.y, arena), out);
    case Op::kTransformLandmarks:
      return transform_landmarks(x, view(s.y, arena), out);
  }
}

Executor::Executor(const Graph& graph) : impl_(std::make_unique<Impl>()) {
  impl_->plan = make_plan(graph);
}
Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;

void Executor::run(std::span<const std::span<const float>> inputs,
                   std::span<const std::span<float>> outputs) const {
  const Plan& plan = impl_->plan;
  LIKENESS_REQUIRE(inputs.size() == plan.inputs.size() && outputs.size() == plan.outputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) LIKENESS_REQUIRE(inputs[i].size() == input_size(i));
  for (size_t i = 0; i < outputs.size(); ++i) LIKENESS_REQUIRE(outputs[i].size() == output_size(i));
  Impl::Arena arena = impl_->take();
  for (size_t i = 0; i < inputs.size(); ++i) {
    kernels::View dense = impl_->view(plan.inputs[i], arena.get());
    const kernels::View to = dense;
    dense.data = const_cast<float*>(inputs[i].data());  // only read
    dense.stride = dense.channels;
    dense.row = static_cast<ptrdiff_t>(dense.width) * dense.channels;
    impl_->clear_frame(plan.inputs[i], arena.get());
    if (to.stride == dense.stride) {
      for (int y = 0; y < to.height; ++y)
        std::memcpy(to.at(y, 0), dense.at(y, 0), sizeof(float) * dense.row);
    } else {
      kernels::copy_into(dense, to, 0, 0, 0);
      kernels::zero_padding_lanes(to);
    }
  }
  for (const Step& s : plan.steps) impl_->run_step(s, arena.get());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const kernels::View from = impl_->view(plan.outputs[i], arena.get());
    kernels::View to = from;
    to.data = outputs[i].data();
    to.stride = from.channels;
    to.row = static_cast<ptrdiff_t>(from.width) * from.channels;
    kernels::copy_into(from, to, 0, 0, 0);
  }
  impl_->give_back(std::move(arena));
}

std::vector<std::vector<float>> Executor::run(std::span<const float> input) const {
  std::vector<std::vector<float>> out(outputs());
  std::vector<std::span<float>> spans;
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].resize(output_size(i));
    spans.emplace_back(out[i]);
  }
  run(std::span<const std::span<const float>>(&input, 1), spans);
  return out;
}

size_t Executor::inputs() const { return impl_->plan.inputs.size(); }
size_t Executor::outputs() const { return impl_->plan.outputs.size(); }
const std::vector<int>& Executor::input_shape(size_t i) const {
  return impl_->plan.input_shapes.at(i);
}
const std::vector<int>& Executor::output_shape(size_t i) const {
  return impl_->plan.output_shapes.at(i);
}
size_t Executor::input_size(size_t i) const {
  const Value& v = impl_->plan.values[impl_->plan.inputs.at(i)];
  return static_cast<size_t>(v.height) * v.width * v.channels;
}
size_t Executor::output_size(size_t i) const {
  const Value& v = impl_->plan.values[impl_->plan.outputs.at(i)];
  return static_cast<size_t>(v.height) * v.width * v.channels;
}
int64_t Executor::multiply_adds() const { return impl_->plan.multiply_adds; }
size_t Executor::workspace_bytes() const { return impl_->plan.arena_floats * sizeof(float); }

}  // namespace likeness::tensor
