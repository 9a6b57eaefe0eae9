// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/torch_io_model.h"

#include <cstring>

#include "likeness/base/error.h"

namespace likeness::tensor {

torch::ScalarType scalar_type(DType type) {
  switch (type) {
    case DType::kF32:
      return torch::kFloat32;
    case DType::kF16:
      return torch::kFloat16;
    case DType::kBF16:
      return torch::kBFloat16;
    case DType::kI64:
      return torch::kInt64;
    case DType::kI32:
      return torch::kInt32;
    case DType::kU8:
      return torch::kUInt8;
  }
  throw Error(ErrorCode::kInternal, "unknown element type");
}

DType dtype_of(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat32:
      return DType::kF32;
    case torch::kFloat16:
      return DType::kF16;
    case torch::kBFloat16:
      return DType::kBF16;
    case torch::kInt64:
      return DType::kI64;
    case torch::kInt32:
      return DType::kI32;
    case torch::kUInt8:
      return DType::kU8;
    default:
      throw Error(ErrorCode::kUnsupported,
                  std::string("tensors of type ") + torch::toString(type) + " are not stored",
                  "convert to float32, float16, bfloat16, int64, int32 or uint8 first");
  }
}

torch::Tensor to_torch(const TensorView& view) {
  auto out = torch::empty(view.shape, scalar_type(view.type));
  LIKENESS_REQUIRE(view.data.size() == out.nbytes());
  if (!view.data.empty()) std::memcpy(out.data_ptr(), view.data.data(), view.data.size());
  return out;
}

TensorView to_view(const std::string& name, const torch::Tensor& tensor) {
  LIKENESS_REQUIRE(tensor.device().is_cpu() && tensor.is_contiguous());
  return {name,
          dtype_of(tensor.scalar_type()),
          tensor.sizes().vec(),
          {static_cast<const uint8_t*>(tensor.data_ptr()), tensor.nbytes()}};
}

void save_tensors(const std::filesystem::path& path, const NamedTensors& tensors,
                  const std::map<std::string, std::string>& metadata) {
  std::vector<torch::Tensor> owned;
  std::vector<TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    owned.push_back(tensor.detach().to(torch::kCPU).contiguous());
    views.push_back(to_view(name, owned.back()));
  }
  write_safetensors(path, views, metadata);
}

void load_module(torch::nn::Module& module, const SafeTensors& file, const std::string& prefix) {
  torch::NoGradGuard no_grad;
  const auto load = [&](const std::string& name, torch::Tensor target) {
    const auto& view = file.at(prefix + name);
    if (view.shape != target.sizes().vec())
      throw Error(ErrorCode::kDamaged, "tensor " + name + " has another shape than the network",
                  "the file and its options do not belong together; use another copy of the model");
    target.copy_(to_torch(view));
  };
  for (const auto& p : module.named_parameters()) load(p.key(), p.value());
  for (const auto& b : module.named_buffers()) load(b.key(), b.value());
}

}  // namespace likeness::tensor
