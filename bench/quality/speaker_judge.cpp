// SPDX-License-Identifier: Apache-2.0
#include "speaker_judge.h"

#include <array>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "likeness/audio/spectrum.h"
#include "likeness/base/error.h"
#include "likeness/voice/voice.h"

namespace likeness::bench {
namespace {

constexpr int kRateHz = 16000, kFft = 512, kWindow = 400, kHop = 160, kBands = 40;
constexpr int kBins = kFft / 2 + 1;
constexpr size_t kFrames = 80, kStep = 40, kSize = 256;

std::string installed_bytes() {
  for (const auto& folder : voice::voice_folders({}))
    if (const auto path = folder / "speaker_judge" / "speaker_judge.onnx";
        std::filesystem::exists(path))
      return tensor::read_licensed_model(path).bytes;
  throw Error(ErrorCode::kMissing, "the second speaker encoder is not installed",
              "run scripts/install-voices and scripts/install-onnxruntime");
}

void normalise(std::span<float> v) {
  double sum = 0;
  for (const float x : v) sum += static_cast<double>(x) * x;
  const auto scale = static_cast<float>(1 / (std::sqrt(sum) + 1e-12));
  for (float& x : v) x *= scale;
}

/// cos and sin of 2 pi k / 512.
struct Turns {
  std::array<float, kFft> cosine, sine;
  Turns() {
    for (int k = 0; k < kFft; ++k) {
      const double a = 2 * std::numbers::pi * k / kFft;
      cosine[static_cast<size_t>(k)] = static_cast<float>(std::cos(a));
      sine[static_cast<size_t>(k)] = static_cast<float>(std::sin(a));
    }
  }
};

}  // namespace

std::vector<float> judge_mel(std::span<const float> mono_16k) {
  static const Turns turns;
  audio::MelOptions options;
  options.bands = kBands;
  const auto filters = audio::mel_filters(kRateHz, kFft, options);
  constexpr int kMargin = (kFft - kWindow) / 2;
  std::array<float, kWindow> window{};
  for (int i = 0; i < kWindow; ++i)  // periodic
    window[static_cast<size_t>(i)] =
        static_cast<float>(0.54 - 0.46 * std::cos(2 * std::numbers::pi * i / kWindow));
  std::vector<float> out;
  std::array<float, kWindow> x{};
  std::array<float, kBins> power{};
  for (size_t at = 0; at + kFft <= mono_16k.size(); at += kHop) {
    for (size_t i = 0; i < kWindow; ++i) x[i] = mono_16k[at + kMargin + i] * window[i];
    for (int k = 0; k < kBins; ++k) {
      float re = 0, im = 0;
      for (int i = 0; i < kWindow; ++i) {
        const auto turn = static_cast<size_t>(k * i % kFft);
        re += x[static_cast<size_t>(i)] * turns.cosine[turn];
        im += x[static_cast<size_t>(i)] * turns.sine[turn];
      }
      power[static_cast<size_t>(k)] = re * re + im * im;
    }
    for (size_t b = 0; b < kBands; ++b) {
      double sum = 1e-10;
      for (size_t k = 0; k < kBins; ++k)
        sum += static_cast<double>(filters[b * kBins + k]) * static_cast<double>(power[k]);
      out.push_back(static_cast<float>(std::log10(sum)));
    }
  }
  return out;
}

SpeakerJudge::SpeakerJudge()
    : bytes_(installed_bytes()),
      model_({reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size()}, "speaker_judge") {}

voice::SpeakerVector SpeakerJudge::embed(const AudioClip& clip) const {
  const auto speech = voice::speech_only(clip);
  if (speech.size() < kRateHz / 2)
    throw Error(ErrorCode::kBadInput, "there is hardly any speech in it",
                "use a recording with at least 2 s of speech");
  auto mel = judge_mel(speech);
  // A short sound fills one window with nothing, as the package does.
  if (mel.size() < kFrames * kBands) mel.resize(kFrames * kBands);
  const size_t windows = 1 + (mel.size() / kBands - kFrames) / kStep;
  tensor::OnnxTensor in;
  in.shape = {static_cast<int64_t>(windows), kFrames, kBands};
  std::vector<float> values;
  for (size_t w = 0; w < windows; ++w) {
    const auto from = mel.begin() + static_cast<long>(w * kStep * kBands);
    values.insert(values.end(), from, from + static_cast<long>(kFrames * kBands));
  }
  in.data = std::move(values);
  const auto out = model_.run({{model_.inputs()[0].name, in}});
  if (out.empty() || out[0].floats().size() != windows * kSize)
    throw Error(ErrorCode::kDamaged, "the second speaker encoder gives another shape",
                "run scripts/install-voices");
  auto parts = out[0].floats();
  voice::SpeakerVector mean(kSize);
  for (size_t w = 0; w < windows; ++w) {
    const std::span<float> part(parts.data() + w * kSize, kSize);
    normalise(part);
    for (size_t k = 0; k < kSize; ++k) mean[k] += part[k];
  }
  normalise(mean);
  return mean;
}

}  // namespace likeness::bench
