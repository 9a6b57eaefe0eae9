// SPDX-License-Identifier: Apache-2.0
// The structure of an ONNX file (protobuf wire format; field numbers of onnx.proto3), as far as it
// is needed to look into a foreign model and to cut a part out of it. No values are computed here.
//
// Every length and offset is checked; what does not parse throws kDamaged. Weights outside the file
// (external data) are refused: a model must not read other files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace likeness::tensor {

struct OnnxNode {
  std::string op, name;
  std::vector<std::string> inputs, outputs;
  std::vector<std::string> captured;  ///< names that its inner graphs use
  std::span<const uint8_t> bytes;
};

enum class OnnxType : int32_t { kFloat = 1, kInt64 = 7 };
/// What a cut makes into an input; dimensions of unknown length.
struct OnnxCut {
  std::string name;
  OnnxType type = OnnxType::kFloat;
};

class OnnxGraph {
 public:
  /// `model` must outlive the object.
  OnnxGraph(std::span<const uint8_t> model, std::string what);

  const std::vector<OnnxNode>& nodes() const { return nodes_; }
  std::vector<std::string> inputs() const;  ///< without initializers
  std::vector<std::string> outputs() const;
  /// Outputs of all nodes of this kind, in the file's order.
  std::vector<std::string> outputs_of(std::string_view op) const;
  /// Whether `from` is computed with the help of `of`.
  bool depends(const std::string& from, const std::string& of) const;

  /// A model that computes `outputs` (floats) from what it needs of the old inputs and from `cuts`,
  /// which replace what computed them. All else is left out. Throws kDamaged when a name is not in
  /// the graph.
  std::vector<uint8_t> extract(const std::vector<OnnxCut>& cuts,
                               const std::vector<std::string>& outputs) const;

 private:
  struct Named {
    std::string name;
    std::span<const uint8_t> bytes;
  };
  void parse_graph(std::span<const uint8_t> graph);
  std::vector<bool> needed(const std::vector<std::string>& outputs,
                           const std::vector<OnnxCut>& cuts) const;

  std::string what_;
  std::vector<OnnxNode> nodes_;
  std::vector<Named> inputs_, outputs_, initializers_;
  std::vector<std::pair<uint32_t, std::span<const uint8_t>>> other_;  ///< of the model
  uint64_t ir_version_ = 0;
};

}  // namespace likeness::tensor
