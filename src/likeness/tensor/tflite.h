// SPDX-License-Identifier: Apache-2.0
// Reader of TensorFlow Lite files (FlatBuffers, "TFL3"): the float operators of the face networks.
// Facts of the format: shared/reference/face-models.md 4.1 and 4.2.
#pragma once

#include <filesystem>
#include <span>

#include "likeness/tensor/graph.h"

namespace likeness::tensor {

/// Every offset is checked. Throws kDamaged, or kUnsupported that names the operator or type.
Graph parse_tflite(std::span<const uint8_t> bytes, const std::string& name = "tflite model");
/// Throws kNotFound, kIo as well.
Graph read_tflite(const std::filesystem::path& path);

}  // namespace likeness::tensor
