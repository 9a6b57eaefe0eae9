// SPDX-License-Identifier: Apache-2.0
// Between libtorch tensors and safetensors files.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <torch/torch.h>

#include "likeness/tensor/safetensors.h"

namespace likeness::tensor {

torch::ScalarType scalar_type(DType type);
/// Throws kUnsupported for a type safetensors files of ours do not hold.
DType dtype_of(torch::ScalarType type);

/// A tensor of its own (the bytes are copied), on the CPU.
torch::Tensor to_torch(const TensorView& view);
/// A view of a contiguous CPU tensor, which must outlive it. Throws kInternal for another tensor.
TensorView to_view(const std::string& name, const torch::Tensor& tensor);

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;
/// Copies to the CPU and makes contiguous as needed, then writes atomically.
void save_tensors(const std::filesystem::path& path, const NamedTensors& tensors,
                  const std::map<std::string, std::string>& metadata);

/// Copies values into a module's parameters and buffers by name, converting the type. Names in the
/// file that start with none of the module's names are ignored. Throws kDamaged: a name is missing
/// or a shape differs.
void load_module(torch::nn::Module& module, const SafeTensors& file,
                 const std::string& prefix = "");

}  // namespace likeness::tensor
