// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "likeness/base/error.h"
#include "likeness/nets/voice_nets.h"
#include "likeness/voice/net_file_model.h"
#include "likeness/voice/pretrain_model.h"

namespace likeness::voice {
namespace {

constexpr int64_t kFrames = 49;  ///< of a stretch

class VocoderLearner : public Learner {
 public:
  VocoderLearner(Corpora data, const LearnOptions& o)
      : train_(std::move(data.train)), held_(std::move(data.held_out)), o_(o), net_({}) {
    std::erase_if(train_, [](const Piece& p) { return p.features.frames < kFrames + 1; });
    if (train_.empty())
      throw Error(ErrorCode::kBadInput, "no recording is long enough to learn a vocoder from",
                  "half a second each at least");
    for (const Piece& p : train_)
      ends_.push_back((ends_.empty() ? 0 : ends_.back()) + p.features.frames);
  }
  torch::nn::Module& net() override { return net_; }
  torch::nn::Module* critic() override { return o_.adversarial_from < 1 ? &critic_ : nullptr; }
  nlohmann::json shape() const override { return options_to_json(net_.options()); }

  torch::Tensor loss(double fraction, Rng rng) override {
    const Batch b = draw(rng);
    const auto made = net_.forward(b.mel, b.log_f0, b.voiced, b.harmonic, b.noise);
    torch::Tensor loss = nets::sound_loss(made, b.sound, filters_);
    real_.reset();
    if (o_.adversarial_from < 1 && fraction >= o_.adversarial_from) {
      real_ = critic_.forward(b.sound);
      made_ = made.detach();
      hold_critic(true);  // this loss teaches the net alone
      const auto judged = critic_.forward(made);
      hold_critic(false);
      loss = loss + 0.08 * nets::fooled_loss(judged) + 0.15 * nets::feature_loss(judged, *real_);
    }
    return loss;
  }
  torch::Tensor critic_loss() override {
    if (!real_) return {};
    return nets::judge_loss(*std::exchange(real_, {}), critic_.forward(made_));
  }
  nlohmann::json measure() override {
    torch::NoGradGuard no_grad;
    double sum = 0, mel = 0;
    int n = 0;
    for (const Piece& p : held_) {
      const auto frames = static_cast<int64_t>(p.features.frames);
      Batch b = empty(1, frames);
      Rng rng(7);
      fill(b, 0, p, 0, frames, 1.0f, rng);
      const auto made = net_.forward(b.mel, b.log_f0, b.voiced, b.harmonic, b.noise);
      sum += nets::sound_loss(made, b.sound, filters_).item<double>();
      mel += (nets::log_mel(made, filters_) - nets::log_mel(b.sound, filters_))
                 .abs()
                 .mean()
                 .item<double>();
      ++n;
    }
    return {{"recordings", n}, {"loss", n ? sum / n : 0}, {"mel_l1", n ? mel / n : 0}};
  }

 private:
  struct Batch {
    torch::Tensor mel, log_f0, voiced, harmonic, noise, sound;
  };
  void hold_critic(bool hold) {
    for (auto& p : critic_.parameters()) p.set_requires_grad(!hold);
  }
  static Batch empty(int64_t n, int64_t frames) {
    const int64_t samples = (frames - 1) * kHop;
    return {torch::empty({n, frames, kMel}), torch::zeros({n, frames}),
            torch::zeros({n, frames}),       torch::empty({n, samples}),
            torch::empty({n, samples}),      torch::zeros({n, samples})};
  }
  static void fill(Batch& b, int64_t row, const Piece& p, size_t begin, int64_t frames, float gain,
                   Rng& rng) {
    const auto n = static_cast<size_t>(frames), samples = (n - 1) * kHop;
    const float* mel = p.features.mel.data() + begin * kMel;
    const float shift = std::log(gain), floor = std::log(1e-5f);
    float* to = b.mel.data_ptr<float>() + row * frames * kMel;
    for (size_t i = 0; i < n * kMel; ++i) to[i] = std::max(mel[i] + shift, floor);
    const std::span<const float> f0(p.features.f0_hz.data() + begin, n);
    log_pitch(f0, {b.log_f0.data_ptr<float>() + row * frames, n},
              {b.voiced.data_ptr<float>() + row * frames, n});
    const int64_t at = row * (frames - 1) * kHop;
    double phase = static_cast<double>(rng.uniform());
    Rng hiss = vocoder_noise(rng.next());
    make_source(f0, hiss, phase, {b.harmonic.data_ptr<float>() + at, samples},
                {b.noise.data_ptr<float>() + at, samples});
    const size_t first = begin * kHop;
    const size_t have = std::min(samples, p.sound.size() - std::min(first, p.sound.size()));
    for (size_t i = 0; i < have; ++i)
      b.sound.data_ptr<float>()[at + static_cast<int64_t>(i)] = gain * p.sound[first + i];
  }
  Batch draw(Rng& rng) {
    Batch b = empty(o_.batch, kFrames);
    for (int64_t row = 0; row < o_.batch; ++row) {
      const size_t frame = rng.below(ends_.back());  // so that long recordings count for more
      const auto it = std::upper_bound(ends_.begin(), ends_.end(), frame);
      const Piece& p = train_[static_cast<size_t>(it - ends_.begin())];
      const size_t begin = rng.below(p.features.frames - static_cast<size_t>(kFrames));
      fill(b, row, p, begin, kFrames, std::exp(rng.uniform(-1.2f, 0.6f)), rng);
    }
    return b;
  }

  std::vector<Piece> train_, held_;
  std::vector<size_t> ends_;
  LearnOptions o_;
  nets::VocoderNet net_;
  nets::SoundDiscriminator critic_;
  torch::Tensor filters_ =
      tensor_of(mel_band_filters(), {kMel, nets::VocoderNet::kBins}).t().contiguous();
  std::optional<nets::Judgement> real_;  ///< of the batch that loss() saw
  torch::Tensor made_;
};

}  // namespace

std::unique_ptr<Learner> make_vocoder_learner(Corpora data, const LearnOptions& options) {
  return std::make_unique<VocoderLearner>(std::move(data), options);
}

}  // namespace likeness::voice
