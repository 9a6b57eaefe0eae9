// SPDX-License-Identifier: Apache-2.0
// Networks that are written down in code, with weights by name: what every such builder needs to
// add tensors and nodes to a Graph.
#pragma once

#include <string>
#include <vector>

#include "likeness/tensor/faceapi_weights.h"
#include "likeness/tensor/graph.h"

namespace likeness::tensor {

class GraphBuilder {
 public:
  /// A value in flight: a tensor, its side in pixels (1 x size x size x channels) and its channels.
  struct Data {
    int tensor = 0, size = 0, channels = 0;
  };
  /// `what` names the weights where they are damaged: "the face recognition weights are".
  GraphBuilder(const WeightMap& weights, std::string what)
      : weights_(weights), what_(std::move(what)) {}
  Data input(int size, int channels);
  /// Of a value with size 1; the weights are in x out. No bias when it has no name.
  Data fully_connected(Data x, const std::string& weights, const std::string& bias = "",
                       Activation activation = Activation::kNone);
  Graph graph;

 protected:
  /// Throws kDamaged.
  [[noreturn]] void damaged(const std::string& why) const;
  const WeightTensor& weight(const std::string& name, size_t axes) const;
  const std::vector<float>& vector(const std::string& name, int size) const;
  Data add(Node& node, int size, int channels);
  int constant(std::vector<int> shape, std::vector<float> values);

 private:
  Data make(int size, int channels);
  const WeightMap& weights_;
  std::string what_;
};

}  // namespace likeness::tensor
