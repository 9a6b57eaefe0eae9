// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/denoise.h"
#include "likeness/nets/voice_nets.h"
#include "likeness/voice/features.h"
#include "likeness/voice/net_file_model.h"
#include "likeness/voice/vocoder.h"

namespace likeness::voice {

struct Vocoder::Impl {
  std::unique_ptr<nets::VocoderNet> net;
};

Vocoder::Vocoder(const std::filesystem::path& weights) : impl_(std::make_unique<Impl>()) {
  impl_->net = open_net<nets::VocoderNet, nets::BlockOptions>(
      tensor::SafeTensors(weights), "likeness-voice-vocoder", weights.filename().string());
}
Vocoder::~Vocoder() = default;
Vocoder::Vocoder(Vocoder&&) noexcept = default;

std::vector<float> without_hiss(std::vector<float> made) {
  return audio::remove_noise(made, kRate, {.floor_db = -18, .clean_db = 120}).samples;
}

std::vector<float> Vocoder::render(std::span<const float> mel, std::span<const float> f0_hz,
                                   uint64_t seed) const {
  LIKENESS_REQUIRE(mel.size() == f0_hz.size() * kMel);
  const size_t frames = f0_hz.size();
  if (frames < 4) return std::vector<float>(frames > 0 ? (frames - 1) * kHop : 0, 0.0f);
  const size_t samples = (frames - 1) * kHop;
  std::vector<float> log_f0(frames), voiced(frames), harmonic(samples), noise(samples);
  log_pitch(f0_hz, log_f0, voiced);
  double phase = 0;
  make_source(f0_hz, seed, phase, harmonic, noise);
  const torch::InferenceMode guard;
  const auto n = static_cast<int64_t>(frames), m = static_cast<int64_t>(samples);
  return values_of(impl_->net->forward(tensor_of(mel, {1, n, kMel}), tensor_of(log_f0, {1, n}),
                                       tensor_of(voiced, {1, n}), tensor_of(harmonic, {1, m}),
                                       tensor_of(noise, {1, m})));
}

}  // namespace likeness::voice
