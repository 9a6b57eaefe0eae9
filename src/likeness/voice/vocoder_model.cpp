// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "likeness/audio/denoise.h"
#include "likeness/base/rng.h"
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
  return VocoderStream(*this, seed).push(mel, f0_hz, true);
}

namespace {

constexpr int64_t kFft = VocoderStream::kWindow, kHalf = kFft / 2;
static_assert(kFft == nets::VocoderNet::kFft);

/// Spectra of a signal as it comes: frame t is around sample t * 256, both ends are mirrored.
class Spectra {
 public:
  void append(std::span<const float> samples) {
    held_.insert(held_.end(), samples.begin(), samples.end());
  }
  /// Of the next `frames` frames: 1 x frames x 513 x 2.
  torch::Tensor next(int64_t frames, const torch::Tensor& window, bool last) {
    constexpr auto half = static_cast<size_t>(kHalf);
    if (first_ == 0) {
      std::vector<float> mirrored(half);
      for (size_t i = 0; i < half; ++i) mirrored[i] = held_.at(half - i);
      held_.insert(held_.begin(), mirrored.begin(), mirrored.end());
    }
    if (last)
      for (size_t i = 0, end = held_.size(); i < half; ++i) held_.push_back(held_.at(end - 2 - i));
    const auto cut = torch::from_blob(held_.data(), {static_cast<int64_t>(held_.size())})
                         .as_strided({1, frames, kFft}, {0, kHop, 1});
    auto out = torch::view_as_real(torch::fft_rfft(cut * window)).contiguous();
    first_ += frames;
    held_.erase(held_.begin(), held_.begin() + static_cast<long>(frames * kHop));
    return out;
  }

 private:
  std::vector<float> held_;  ///< from the first sample of the next frame on
  int64_t first_ = 0;
};

}  // namespace

struct VocoderStream::State {
  const Vocoder::Impl& vocoder;
  Touch touch;
  nets::StreamMemory memory;
  Rng noise_rng;
  double phase = 0;
  std::vector<float> f0;  ///< the last frame that was given, so that the source goes on from it
  Spectra harmonic, noise;
  int64_t made = 0;  ///< frames
  size_t given = 0;
  std::vector<float> sum, weight;  ///< overlapping windows, from sample made * 256 - 512 on
  torch::Tensor window = torch::hann_window(kFft);

  State(const Vocoder::Impl& v, uint64_t seed, Touch t)
      : vocoder(v), touch(std::move(t)), noise_rng(vocoder_noise(seed)) {}

  void source(std::span<const float> f0_hz) {
    f0.insert(f0.end(), f0_hz.begin(), f0_hz.end());
    if (f0.size() < 2) return;
    const size_t samples = (f0.size() - 1) * kHop;
    std::vector<float> tone(samples), hiss(samples);
    make_source(f0, noise_rng, phase, tone, hiss);
    harmonic.append(tone);
    noise.append(hiss);
    f0.erase(f0.begin(), f0.end() - 1);
  }
  void overlap(const float* frame) {
    const float* w = window.data_ptr<float>();
    sum.resize(kFft), weight.resize(kFft);
    for (size_t i = 0; i < kFft; ++i) {
      sum[i] += frame[i] * w[i];
      weight[i] += w[i] * w[i];
    }
  }
  /// Takes `count` finished samples from the front; those before sample 0 are dropped.
  void take(size_t count, std::vector<float>& out) {
    const int64_t at = made * kHop - kHalf;
    for (size_t i = 0; i < count; ++i)
      if (at + static_cast<int64_t>(i) >= 0) out.push_back(sum[i] / std::max(weight[i], 1e-11f));
    sum.erase(sum.begin(), sum.begin() + static_cast<long>(count));
    weight.erase(weight.begin(), weight.begin() + static_cast<long>(count));
  }
};

VocoderStream::VocoderStream(const Vocoder& vocoder, uint64_t seed, Touch touch)
    : state_(std::make_unique<State>(*vocoder.impl_, seed, std::move(touch))) {}
VocoderStream::~VocoderStream() = default;
VocoderStream::VocoderStream(VocoderStream&&) noexcept = default;

std::vector<float> VocoderStream::push(std::span<const float> mel, std::span<const float> f0_hz,
                                       bool last) {
  LIKENESS_REQUIRE(mel.size() == f0_hz.size() * kMel);
  State& s = *state_;
  s.given += f0_hz.size();
  if (last && s.given < 4)  // too short for a window; nobody would hear it
    return std::vector<float>(s.given == 0 ? 0 : (s.given - 1) * kHop, 0.0f);
  const torch::InferenceMode guard;
  const auto n = static_cast<int64_t>(f0_hz.size());
  std::vector<float> log_f0(f0_hz.size()), voiced(f0_hz.size());
  log_pitch(f0_hz, log_f0, voiced);
  s.source(f0_hz);
  s.memory.last = last;
  const auto filter = s.vocoder.net->filter(tensor_of(mel, {1, n, kMel}), tensor_of(log_f0, {1, n}),
                                            tensor_of(voiced, {1, n}), s.memory);
  const int64_t frames = filter.loud.size(1);
  std::vector<float> out;
  if (frames == 0) return out;
  auto spectra = nets::VocoderNet::apply(filter, s.harmonic.next(frames, s.window, last),
                                         s.noise.next(frames, s.window, last))
                     .contiguous();
  if (s.touch)
    for (int64_t t = 0; t < frames; ++t)
      s.touch({reinterpret_cast<std::complex<float>*>(spectra.data_ptr<c10::complex<float>>() +
                                                      t * (kHalf + 1)),
               static_cast<size_t>(kHalf + 1)},
              static_cast<size_t>(s.made + t));
  const auto waves = torch::fft_irfft(spectra, kFft).contiguous();
  for (int64_t t = 0; t < frames; ++t) {
    s.overlap(waves.data_ptr<float>() + t * kFft);
    s.take(last && t + 1 == frames ? static_cast<size_t>(kHalf) : kHop, out);
    ++s.made;
  }
  return out;
}

}  // namespace likeness::voice
