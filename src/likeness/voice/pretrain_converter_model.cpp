// SPDX-License-Identifier: Apache-2.0
// The converter learns to give a recording back from its content, pitch, level and speaker. The
// content is that of the recording as somebody else would have said it (vary_voice), so that who
// speaks can only be had from the speaker vector.
#include <algorithm>
#include <cmath>

#include "likeness/base/error.h"
#include "likeness/nets/voice_nets.h"
#include "likeness/voice/net_file_model.h"
#include "likeness/voice/pretrain_model.h"
#include "likeness/voice/speaker.h"

namespace likeness::voice {
namespace {

constexpr size_t kFrames = 120;
constexpr int64_t kJudged = 8;  ///< rows of a batch

struct Item {
  Features features;
  std::vector<float> log_f0, voiced, level;
  SpeakerVector speaker;
};

class ConverterLearner : public MelLearner {
 public:
  ConverterLearner(Corpora data, const std::filesystem::path& content, const LearnOptions& o,
                   Progress& progress, const Cancel& cancel, const SpeakerVector* one_speaker)
      : MelLearner(o),
        content_(open_net<nets::ContentNet, nets::ContentOptions>(
            tensor::SafeTensors(content), "likeness-voice-content", content.filename().string())),
        net_(shape_for(*content_)) {
    progress.begin("speakers", static_cast<double>(data.train.size() + data.held_out.size()),
                   "files");
    for (auto [from, to] : {std::pair{&data.train, &train_}, {&data.held_out, &held_}})
      for (Piece& p : *from) {
        cancel.check();
        progress.advance();
        Item i;
        try {
          i.speaker =
              one_speaker ? *one_speaker : SpeakerEncoder::installed().embed({kRate, 1, p.sound});
        } catch (const Error& e) {
          if (e.code() == ErrorCode::kMissing) throw;
          continue;  // hardly any speech in it
        }
        i.log_f0.resize(p.features.frames);
        i.voiced.resize(p.features.frames);
        log_pitch(p.features.f0_hz, i.log_f0, i.voiced);
        i.level = frame_level(p.features.mel, p.features.frames);
        i.features = std::move(p.features);
        p = {};
        to->push_back(std::move(i));
      }
    progress.end();
    if (train_.empty())
      throw Error(ErrorCode::kBadInput, "there is no speech in the recordings to learn from",
                  "a second of speech each at least");
  }
  torch::nn::Module& net() override { return net_; }
  nlohmann::json shape() const override { return options_to_json(net_.options()); }

  torch::Tensor loss(double fraction, Rng rng) override {
    const Batch b = draw(rng);
    const auto made = net_.forward(b.content, b.log_f0, b.voiced, b.level, b.speaker);
    // What is quiet is hard to hear, so loud frames count for more; steps from frame to frame too.
    const auto weight = 0.5 + torch::sigmoid(2 * b.level).unsqueeze(2);
    const auto change = (made.diff(1, 1) - b.mel.diff(1, 1)).abs().mean();
    auto loss = ((made - b.mel).abs() * weight).mean() + 0.3 * change;
    if (is_judged(fraction)) {
      const auto some = std::min<int64_t>(made.size(0), kJudged);
      loss = loss + critic_.pull(made.narrow(0, 0, some), b.mel.narrow(0, 0, some));
    }
    return loss;
  }
  nlohmann::json measure() override {
    torch::NoGradGuard no_grad;
    net_.eval();
    double sum = 0;
    for (const Item& i : held_) {
      const auto n = static_cast<int64_t>(i.features.frames);
      const auto made = net_.forward(
          content_->forward(tensor_of(i.features.content, {1, n, kContentMel})).bottleneck,
          tensor_of(i.log_f0, {1, n}), tensor_of(i.voiced, {1, n}), tensor_of(i.level, {1, n}),
          tensor_of(i.speaker, {1, static_cast<int64_t>(i.speaker.size())}));
      sum += (made - tensor_of(i.features.mel, {1, n, kMel})).abs().mean().item<double>();
    }
    return {{"recordings", held_.size()},
            {"mel_l1", held_.empty() ? 0 : sum / static_cast<double>(held_.size())}};
  }

 private:
  struct Batch {
    torch::Tensor content, log_f0, voiced, level, speaker, mel;
  };
  static nets::ConverterOptions shape_for(const nets::ContentNet& content) {
    nets::ConverterOptions o;
    o.content = content.options().bottleneck;
    return o;
  }
  Batch draw(Rng& rng) {
    const auto n = static_cast<int64_t>(o_.batch), frames = static_cast<int64_t>(kFrames);
    auto bands = torch::full({n, frames, kContentMel}, std::log(1e-5f));
    Batch b{{},
            torch::zeros({n, frames}),
            torch::zeros({n, frames}),
            torch::full({n, frames}, -4.0f),
            torch::zeros({n, static_cast<int64_t>(train_[0].speaker.size())}),
            torch::full({n, frames, kMel}, std::log(1e-5f))};
    for (int64_t row = 0; row < n; ++row) {
      const Item& i = train_[rng.below(train_.size())];
      const size_t have = i.features.frames, count = std::min(have, kFrames);
      const size_t begin = have > kFrames ? rng.below(have - kFrames + 1) : 0;
      const auto copy = [&](const std::vector<float>& from, torch::Tensor& to, size_t width) {
        std::copy_n(from.begin() + static_cast<long>(begin * width), count * width,
                    to.data_ptr<float>() + row * frames * static_cast<int64_t>(width));
      };
      copy(i.log_f0, b.log_f0, 1);
      copy(i.voiced, b.voiced, 1);
      copy(i.level, b.level, 1);
      copy(i.features.mel, b.mel, kMel);
      std::copy(i.speaker.begin(), i.speaker.end(),
                b.speaker.data_ptr<float>() + row * b.speaker.size(1));
      std::vector<float> varied(count * kContentMel);
      vary_voice({i.features.content.data() + begin * kContentMel, count * kContentMel}, varied,
                 rng);
      std::copy(varied.begin(), varied.end(), bands.data_ptr<float>() + row * frames * kContentMel);
    }
    torch::NoGradGuard no_grad;
    b.content = content_->forward(bands).bottleneck;
    return b;
  }

  std::unique_ptr<nets::ContentNet> content_;
  nets::ConverterNet net_;
  std::vector<Item> train_, held_;
};

}  // namespace

std::unique_ptr<Learner> make_converter_learner(Corpora data, const std::filesystem::path& content,
                                                const LearnOptions& options, Progress& progress,
                                                const Cancel& cancel,
                                                const SpeakerVector* one_speaker) {
  return std::make_unique<ConverterLearner>(std::move(data), content, options, progress, cancel,
                                            one_speaker);
}

}  // namespace likeness::voice
