// SPDX-License-Identifier: Apache-2.0
// Weight files of face-api (@vladmandic/face-api): a JSON manifest that names tensors in order, and
// one binary of float32 values or of bytes with a scale and a minimum per tensor.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace likeness::tensor {

struct WeightTensor {
  std::vector<int> shape;
  std::vector<float> values;  ///< dequantised: byte * scale + min
};
using WeightMap = std::map<std::string, WeightTensor>;

/// Throws kDamaged when manifest and data do not fit exactly.
WeightMap parse_faceapi_weights(std::string_view manifest_json, std::span<const uint8_t> data);
WeightMap read_faceapi_weights(const std::filesystem::path& manifest,
                               const std::filesystem::path& data);

}  // namespace likeness::tensor
