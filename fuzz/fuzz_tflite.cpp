// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"

#include "likeness/tensor/executor.h"
#include "likeness/tensor/tflite.h"

// Reader, planner, and a run where the network is small enough.
LIKENESS_FUZZ_TARGET(bytes) {
  const likeness::tensor::Executor net(likeness::tensor::parse_tflite(bytes));
  if (net.multiply_adds() > 200000 || net.workspace_bytes() > 65536) return;
  std::vector<std::vector<float>> in(net.inputs()), out(net.outputs());
  std::vector<std::span<const float>> inputs;
  std::vector<std::span<float>> outputs;
  for (size_t i = 0; i < in.size(); ++i)
    in[i].assign(net.input_size(i), 0.5f), inputs.emplace_back(in[i]);
  for (size_t i = 0; i < out.size(); ++i)
    out[i].resize(net.output_size(i)), outputs.emplace_back(out[i]);
  net.run(inputs, outputs);
}
