// SPDX-License-Identifier: Apache-2.0
// The network of speaker.cpp against libtorch's own LSTM with the same weights.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "likeness/base/rng.h"
#include "likeness/tensor/safetensors.h"
#include "likeness/voice/speaker.h"
#include "likeness/voice/voice.h"

namespace likeness::voice {
namespace {

TEST(SpeakerModel, GivesWhatTheOriginalNetworkGives) {
  if (!SpeakerEncoder::is_installed()) GTEST_SKIP() << "run scripts/install-voices";
  std::filesystem::path weights;
  for (const auto& f : voice_folders({}))
    if (const auto p = f / "speaker_encoder/speaker_encoder.safetensors";
        std::filesystem::exists(p)) {
      weights = p;
      break;
    }
  const tensor::SafeTensors file(weights);
  const torch::NoGradGuard no_grad;
  auto lstm = torch::nn::LSTM(torch::nn::LSTMOptions(40, 256).num_layers(3).batch_first(true));
  auto linear = torch::nn::Linear(256, 256);
  const auto fill = [&](torch::Tensor to, const std::string& name) {
    auto v = file.at(name).to_float();
    to.copy_(torch::from_blob(v.data(), to.sizes()));
  };
  for (const auto& p : lstm->named_parameters()) fill(p.value(), "lstm." + p.key());
  for (const auto& p : linear->named_parameters()) fill(p.value(), "linear." + p.key());
  constexpr size_t kCount = 5;
  Rng rng(1, 0, "mel");
  std::vector<float> mel(kCount * 160 * 40);
  for (float& v : mel) v = std::exp(2 * rng.normal() - 6);
  const auto hidden =
      std::get<0>(std::get<1>(lstm->forward(torch::from_blob(mel.data(), {kCount, 160, 40}))))[2];
  const auto raw = torch::relu(linear->forward(hidden));
  const auto want = raw / raw.norm(2, 1, true);
  const auto got = SpeakerEncoder::installed().forward(mel, kCount);
  for (size_t i = 0; i < kCount; ++i) {
    const auto w = want[static_cast<int64_t>(i)].contiguous();
    const SpeakerVector reference(w.data_ptr<float>(), w.data_ptr<float>() + 256);
    EXPECT_GT(cosine(got[i], reference), 0.99999f);
    for (size_t k = 0; k < 256; ++k) EXPECT_NEAR(got[i][k], reference[k], 1e-4);
  }
}

}  // namespace
}  // namespace likeness::voice
