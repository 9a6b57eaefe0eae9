// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/voice_nets.h"
#include "likeness/voice/content.h"
#include "likeness/voice/net_file_model.h"

namespace likeness::voice {

struct ContentEncoder::Impl {
  std::unique_ptr<nets::ContentNet> net;
};

std::unique_ptr<nets::ContentNet> open_content(const std::filesystem::path& weights) {
  return open_net<nets::ContentNet, nets::ContentOptions>(
      tensor::SafeTensors(weights), "likeness-voice-content", weights.filename().string());
}
ContentEncoder::ContentEncoder(const std::filesystem::path& weights)
    : impl_(std::make_unique<Impl>()) {
  impl_->net = open_content(weights);
}
ContentEncoder::~ContentEncoder() = default;
ContentEncoder::ContentEncoder(ContentEncoder&&) noexcept = default;

Content ContentEncoder::encode(std::span<const float> mel) const {
  const torch::InferenceMode guard;
  const auto frames = static_cast<int64_t>(mel.size() / kContentMel);
  const auto out = impl_->net->forward(tensor_of(mel, {1, frames, kContentMel}));
  return {static_cast<size_t>(frames), static_cast<size_t>(out.bottleneck.size(2)),
          values_of(out.bottleneck), values_of(torch::log_softmax(out.logits, 2))};
}

}  // namespace likeness::voice
