// SPDX-License-Identifier: Apache-2.0
// Runs a Graph on the CPU: float32, one thread per call, everything prepared once.
//
// Values lie in one arena whose places are planned by lifetime. A value has its channels padded to
// the vector width (padding lanes are zero) and, where a convolution reads beyond its edge, a frame
// of zeros, so that no kernel needs an edge case. Convolutions are matrix products over pixel tiles
// with packed weights; residual additions and activations are done in their registers.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "likeness/tensor/graph.h"

namespace likeness::tensor {

class Executor {
 public:
  /// Checks all shapes. Throws kUnsupported or kDamaged for graphs it cannot run.
  explicit Executor(const Graph& graph);
  ~Executor();
  Executor(Executor&&) noexcept;

  /// NHWC without padding. `inputs` and `outputs` in the graph's order, each of input_size(i) /
  /// output_size(i) floats. Throws kInternal when a size is wrong. Safe from several threads at
  /// once.
  void run(std::span<const std::span<const float>> inputs,
           std::span<const std::span<float>> outputs) const;
  /// One input, outputs made here.
  std::vector<std::vector<float>> run(std::span<const float> input) const;

  size_t inputs() const;
  size_t outputs() const;
  const std::vector<int>& input_shape(size_t i) const;
  const std::vector<int>& output_shape(size_t i) const;
  size_t input_size(size_t i) const;
  size_t output_size(size_t i) const;
  int64_t multiply_adds() const;   ///< of the convolutions, per run
  size_t workspace_bytes() const;  ///< per thread that runs at the same time

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace likeness::tensor
