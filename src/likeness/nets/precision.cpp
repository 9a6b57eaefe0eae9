// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/precision.h"

#include "likeness/base/error.h"

namespace likeness::nets {

torch::Device pick_device(const std::string& name) {
  const bool has_cuda = torch::cuda::is_available();
  if (name == "auto") return torch::Device(has_cuda ? torch::kCUDA : torch::kCPU);
  if (name == "cpu") return torch::Device(torch::kCPU);
  if (name == "cuda" || name.starts_with("cuda:")) {
    int index = 0;
    if (name.size() > 5) {
      const std::string digits = name.substr(5);
      if (digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos)
        throw Error(ErrorCode::kUsage, "device cannot be '" + name + "'",
                    "wants: auto, cpu, cuda or cuda:1");
      index = std::stoi(digits);
    }
    if (!has_cuda)
      throw Error(ErrorCode::kMissing, "no CUDA device is here, or libtorch is built without CUDA",
                  "use device=cpu, or build against a CUDA libtorch (scripts/gpu-check)");
    if (index >= static_cast<int>(torch::cuda::device_count()))
      throw Error(
          ErrorCode::kMissing, "there is no " + name,
          "this machine has " + std::to_string(torch::cuda::device_count()) + " CUDA devices");
    return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
  }
  throw Error(ErrorCode::kUsage, "device cannot be '" + name + "'",
              "wants: auto, cpu, cuda or cuda:1");
}

bool cpu_has_bfloat16() {
#if defined(__x86_64__) && defined(__GNUC__)
  // oneDNN takes its native bfloat16 kernels with avx512_bf16; the emulated ones on avx512 are no
  // faster than float32.
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

namespace {
bool cuda_has_bfloat16(const torch::Device& device) {
  // Where the type is not in hardware a matrix product of it fails or is emulated; compute
  // capability is not in libtorch's device-independent interface, so ask by trying.
  try {
    auto a = torch::ones({16, 16}, torch::TensorOptions(device).dtype(torch::kBFloat16));
    return torch::mm(a, a).sum().item<float>() == 16.0f * 16 * 16;
  } catch (const std::exception&) {
    return false;
  }
}
}  // namespace

Precision pick_precision(const std::string& name, const torch::Device& device) {
  if (name == "f32") return Precision::kFloat32;
  if (name == "bf16") return Precision::kBFloat16;
  if (name != "auto")
    throw Error(ErrorCode::kUsage, "precision cannot be '" + name + "'",
                "wants: auto, f32 or bf16");
  const bool fast = device.is_cuda() ? cuda_has_bfloat16(device) : cpu_has_bfloat16();
  return fast ? Precision::kBFloat16 : Precision::kFloat32;
}

}  // namespace likeness::nets
