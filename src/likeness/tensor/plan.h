// SPDX-License-Identifier: Apache-2.0
// What the executor makes of a graph before the first run. Internal to the module.
#pragma once

#include <string>
#include <vector>

#include "likeness/tensor/graph.h"
#include "likeness/tensor/kernels.h"

namespace likeness::tensor {

/// A tensor of the graph as it lies in memory. Dimensions are the trailing three (height, width,
/// channels); a leading 1 is dropped.
struct Value {
  int height = 1, width = 1, channels = 1;
  bool defined = false, constant = false;
  bool dense = false;  ///< channels not padded to the vector width
  int stride = 1;
  int top = 0, left = 0, bottom = 0, right = 0;  ///< frame of zeros
  int first = 0, last = -1;                      ///< steps between which it must live
  size_t offset = 0;                             ///< floats into the arena or the constants
  ptrdiff_t row() const { return static_cast<ptrdiff_t>(width + left + right) * stride; }
  size_t floats() const { return static_cast<size_t>(height + top + bottom) * row(); }
  bool framed() const { return top || left || bottom || right; }
};

struct Step {
  Node node;
  int x = -1, y = -1, out = -1;
  int weights = -1, bias = -1, slopes = -1;  ///< constant tensors
  int residual = -1;
  int kernel_y = 1, kernel_x = 1, pad_y = 0, pad_x = 0;
  bool alive = true;
  kernels::PackedConv conv;
  kernels::PackedDepthwise depthwise;
};

struct Plan {
  std::vector<Value> values;  ///< by tensor index
  std::vector<Step> steps;
  std::vector<int> inputs, outputs;
  std::vector<std::vector<int>> input_shapes, output_shapes;
  std::vector<float> constants;  ///< operands of elementwise steps, raw weights of odd kernels
  size_t arena_floats = 0;
  int64_t multiply_adds = 0;
};

inline constexpr int64_t kMaxValueFloats = 1 << 26;
[[noreturn]] void plan_damaged(const std::string& why);
[[noreturn]] void plan_unsupported(const std::string& why);

/// One step per node, unfused, shapes checked. Throws kUnsupported, kDamaged.
Plan plan_steps(const Graph& graph);
/// Ready to run. Throws kUnsupported, kDamaged.
Plan make_plan(const Graph& graph);

}  // namespace likeness::tensor
