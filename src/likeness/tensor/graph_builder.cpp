// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/graph_builder.h"

#include "likeness/base/error.h"

namespace likeness::tensor {

void GraphBuilder::damaged(const std::string& why) const {
  throw Error(ErrorCode::kDamaged, what_ + " damaged: " + why, "run scripts/install-models again");
}

const WeightTensor& GraphBuilder::weight(const std::string& name, size_t axes) const {
  const auto it = weights_.find(name);
  if (it == weights_.end() || it->second.shape.size() != axes) damaged(name + " is missing");
  return it->second;
}

const std::vector<float>& GraphBuilder::vector(const std::string& name, int size) const {
  const auto& w = weight(name, 1);
  if (w.shape[0] != size) damaged(name + " has a wrong size");
  return w.values;
}

GraphBuilder::Data GraphBuilder::make(int size, int channels) {
  GraphTensor t;
  t.shape = {1, size, size, channels};
  graph.tensors.push_back(std::move(t));
  return {static_cast<int>(graph.tensors.size()) - 1, size, channels};
}

GraphBuilder::Data GraphBuilder::input(int size, int channels) {
  const Data d = make(size, channels);
  graph.inputs.push_back(d.tensor);
  return d;
}

GraphBuilder::Data GraphBuilder::add(Node& node, int size, int channels) {
  const Data out = make(size, channels);
  node.outputs = {out.tensor};
  graph.nodes.push_back(node);
  return out;
}

int GraphBuilder::constant(std::vector<int> shape, std::vector<float> values) {
  GraphTensor t;
  t.shape = std::move(shape);
  t.values = std::move(values);
  t.constant = true;
  graph.tensors.push_back(std::move(t));
  return static_cast<int>(graph.tensors.size()) - 1;
}

GraphBuilder::Data GraphBuilder::fully_connected(Data x, const std::string& weights,
                                                 const std::string& bias, Activation activation) {
  const auto& w = weight(weights, 2);
  const int in = w.shape[0], out = w.shape[1];
  if (x.size != 1 || x.channels != in) damaged(weights + " does not fit its input");
  std::vector<float> turned(w.values.size());
  for (int i = 0; i < in; ++i)
    for (int o = 0; o < out; ++o)
      turned[static_cast<size_t>(o) * in + i] = w.values[static_cast<size_t>(i) * out + o];
  Node n;
  n.op = Op::kConv;
  n.activation = activation;
  n.inputs = {x.tensor, constant({out, 1, 1, in}, std::move(turned))};
  if (!bias.empty()) n.inputs.push_back(constant({out}, vector(bias, out)));
  return add(n, 1, out);
}

}  // namespace likeness::tensor
