// SPDX-License-Identifier: Apache-2.0
// Models in ONNX format, run by ONNX Runtime: an optional library that is loaded when the first
// model is (docs/adr/0013-onnx-runtime.md). Without it everything here throws kMissing.
//
// A model file needs its licence card beside it: NAME.onnx and NAME.toml (tensor/model_card.h) with
// the file's hash. Only float32 and int64 tensors pass. A loaded model may be run by several
// threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "likeness/tensor/model_card.h"

namespace likeness::tensor {

/// Version of the library that can be used here, or nothing. Looks in $LIKENESS_ONNXRUNTIME/lib,
/// .cache/onnxruntime/lib of the source tree and /usr/lib/likeness, then asks the system.
std::optional<std::string> onnx_runtime_version();

struct OnnxTensor {
  std::vector<int64_t> shape;
  std::variant<std::vector<float>, std::vector<int64_t>> data;
  int64_t elements() const;
  const std::vector<float>& floats() const;  ///< throws kDamaged when it holds integers
};

struct OnnxInfo {
  std::string name;
  bool is_integer = false;
  std::vector<int64_t> shape;  ///< -1: any length
};

class OnnxModel {
 public:
  /// Throws kMissing (no runtime), kDamaged or kBadInput (not a model, or one that contradicts
  /// itself), kUnsupported (types or operations that are not known).
  OnnxModel(std::span<const uint8_t> bytes, const std::string& name, int threads = 1);
  ~OnnxModel();
  OnnxModel(OnnxModel&&) noexcept;

  const std::vector<OnnxInfo>& inputs() const;
  const std::vector<OnnxInfo>& outputs() const;
  /// Throws kDamaged when the model refuses the shapes, gives other types than it says, or more
  /// than `most_elements` numbers.
  std::vector<OnnxTensor> run(const std::map<std::string, OnnxTensor>& inputs,
                              int64_t most_elements = 100'000'000) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The bytes of a model and its card, whose licence is stated and whose hash fits. Throws kMissing
/// (no file), kRefused (no card, or one without a licence), kDamaged (the hash differs).
struct LicensedModel {
  ModelCard card;
  std::string bytes;
};
LicensedModel read_licensed_model(const std::filesystem::path& path);

}  // namespace likeness::tensor
