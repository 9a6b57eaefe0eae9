// SPDX-License-Identifier: Apache-2.0
// The part of FlexBuffers that TFLite custom options use: one map of numbers and number vectors.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace likeness::tensor {

/// Key -> numbers (a scalar gives one number). Values of other types are left out.
/// Throws kDamaged when the bytes are not such a map.
std::map<std::string, std::vector<double>> parse_flexbuffer_map(std::span<const uint8_t> bytes);

}  // namespace likeness::tensor
