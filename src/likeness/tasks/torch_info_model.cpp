// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include "likeness/tasks/doctor.h"

namespace likeness::tasks {

std::optional<TorchInfo> torch_info() {
  TorchInfo info;
  info.version = TORCH_VERSION;
  info.threads = at::get_num_threads();
  info.cuda_build = at::hasCUDA();
  info.mkldnn = at::hasMKLDNN();
  if (torch::cuda::is_available())
    info.gpu = std::to_string(torch::cuda::device_count()) + " CUDA device(s)";
  return info;
}

}  // namespace likeness::tasks
