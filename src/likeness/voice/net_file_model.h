// SPDX-License-Identifier: Apache-2.0
// Inside `voice` only: opening a network that save_net wrote.
#pragma once

#include <filesystem>
#include <memory>

#include <torch/torch.h>

#include "likeness/base/error.h"
#include "likeness/base/options.h"
#include "likeness/nets/voice_nets.h"
#include "likeness/tensor/torch_io_model.h"

namespace likeness::voice {

/// `Net` is built from the Options in the file and gets its weights, in float32. Throws kNotFound,
/// kDamaged (another kind, a shape that is wrong).
template <typename Net, typename Options>
std::unique_ptr<Net> open_net(const tensor::SafeTensors& file, const std::string& kind,
                              const std::string& name, const std::string& prefix = "") {
  const auto& meta = file.metadata();
  const auto is = meta.find(prefix + "kind"), shape = meta.find(prefix + "shape");
  if (is == meta.end() || is->second != kind || shape == meta.end())
    throw Error(ErrorCode::kDamaged, name + " is not a " + kind + " file",
                "make it with likeness voice pretrain");
  Options options;
  try {
    options_from_json(options, nlohmann::json::parse(shape->second));
  } catch (const std::exception& e) {
    throw Error(ErrorCode::kDamaged, name + ": its shape is wrong: " + e.what(),
                "make it again with likeness voice pretrain");
  }
  auto net = std::make_unique<Net>(options);
  tensor::load_module(*net, file, prefix);
  net->eval();
  for (auto& p : net->parameters()) p.set_requires_grad(false);
  return net;
}

/// Throws kNotFound, kDamaged.
std::unique_ptr<nets::ContentNet> open_content(const std::filesystem::path& weights);

inline torch::Tensor tensor_of(std::span<const float> values, std::vector<int64_t> shape) {
  return torch::from_blob(const_cast<float*>(values.data()), shape).clone();
}
inline std::vector<float> values_of(const torch::Tensor& t) {
  const auto c = t.contiguous();
  return {c.data_ptr<float>(), c.data_ptr<float>() + c.numel()};
}

}  // namespace likeness::voice
