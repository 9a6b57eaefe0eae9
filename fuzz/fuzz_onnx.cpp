// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"

#include "likeness/tensor/onnx_graph.h"

LIKENESS_FUZZ_TARGET(bytes) {
  const likeness::tensor::OnnxGraph graph(bytes, "model");
  graph.inputs();
  const auto outputs = graph.outputs();
  for (const auto& o : graph.outputs_of("Ceil"))
    for (const auto& end : outputs) graph.depends(end, o);
  if (!graph.nodes().empty() && !graph.nodes()[0].outputs.empty())
    for (const auto& n : graph.nodes())
      if (!n.outputs.empty()) graph.extract({{graph.nodes()[0].outputs[0]}}, {n.outputs[0]});
}
