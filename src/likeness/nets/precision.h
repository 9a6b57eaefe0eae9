// SPDX-License-Identifier: Apache-2.0
// Which number type a network computes in, and on which device.
#pragma once

#include <string>

#include <torch/torch.h>

namespace likeness::nets {

enum class Precision { kFloat32, kBFloat16 };

/// "auto", "cpu", "cuda" or "cuda:1". auto takes CUDA where it is. Throws kMissing when cuda is
/// asked for and absent.
torch::Device pick_device(const std::string& name);
/// "auto", "f32" or "bf16". auto is bf16 on CUDA devices of compute capability 8 and up and on CPUs
/// with bfloat16 dot-product instructions, else f32. bf16 asked for by name is obeyed (slow without
/// hardware).
Precision pick_precision(const std::string& name, const torch::Device& device);
bool cpu_has_bfloat16();
inline torch::ScalarType scalar_type(Precision p) {
  return p == Precision::kBFloat16 ? torch::kBFloat16 : torch::kFloat32;
}

}  // namespace likeness::nets
