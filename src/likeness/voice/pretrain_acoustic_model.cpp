// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "likeness/base/error.h"
#include "likeness/nets/voice_nets.h"
#include "likeness/voice/acoustic_data.h"
#include "likeness/voice/net_file_model.h"
#include "likeness/voice/pretrain_model.h"

namespace likeness::voice {
namespace {

constexpr size_t kJudgedFrames = 120;

class AcousticLearner : public MelLearner {
 public:
  AcousticLearner(Corpora data, const ContentEncoder& content, const LearnOptions& o,
                  Progress& progress, const Cancel& cancel)
      : MelLearner(o), net_({}) {
    progress.begin("align", static_cast<double>(data.train.size() + data.held_out.size()), "files");
    for (auto [from, to] : {std::pair{&data.train, &train_}, {&data.held_out, &held_}})
      for (const Piece& p : *from) {
        cancel.check();
        progress.advance();
        if (p.from.text.empty()) continue;
        try {
          AcousticPiece piece = acoustic_piece(p, content);
          if (piece.frame_count > 20 && piece.frame_count < 1500) to->push_back(std::move(piece));
        } catch (const Error& e) {
          log_warning(p.from.id + " is left out: " + e.what());
        }
      }
    progress.end();
    if (train_.size() < 8)
      throw Error(ErrorCode::kBadInput,
                  "an acoustic model needs recordings with texts that fit them",
                  "at least 8; " + std::to_string(train_.size()) + " were found");
    std::sort(train_.begin(), train_.end(), [](const AcousticPiece& a, const AcousticPiece& b) {
      return a.frame_count < b.frame_count;
    });
  }
  torch::nn::Module& net() override { return net_; }
  nlohmann::json shape() const override { return options_to_json(net_.options()); }

  torch::Tensor loss(double fraction, Rng rng) override {
    // Recordings of about the same length, so that little is padding.
    const auto n = std::min(static_cast<size_t>(o_.batch), train_.size());
    const size_t around = std::min(train_.size(), n * 3);
    const size_t first = rng.below(train_.size() - around + 1);
    std::vector<const AcousticPiece*> pieces;
    for (size_t i = 0; i < n; ++i) pieces.push_back(&train_[first + rng.below(around)]);
    const Batch b = batch(pieces);
    const auto encoded = net_.encode(b.text);
    const auto guess = net_.prosody(encoded);
    const auto out = net_.decode(encoded, b.truth, b.frames);
    const auto cells = b.keep.sum();
    const auto mel = ((out.mel - b.mel).abs() + (out.coarse - b.mel).abs()).mean(2);
    const auto phones = b.phone_keep.sum();
    const auto prosody = (guess.log_frames - b.truth.log_frames).square() +
                         4 * (guess.log_f0 - b.truth.log_f0).square() +
                         (guess.level - b.truth.level).square();
    const auto pitch = ((out.log_f0 - b.log_f0).abs() * b.voiced * b.keep).sum() / cells;
    const auto voicing = torch::nn::functional::binary_cross_entropy_with_logits(
        out.voiced_logit, b.voiced,
        torch::nn::functional::BinaryCrossEntropyWithLogitsFuncOptions().weight(b.keep).reduction(
            torch::kSum));
    torch::Tensor pull = torch::zeros({});
    if (is_judged(fraction)) {
      // Some rows, and no padding.
      const auto rows = std::min<int64_t>(b.mel.size(0), 8);
      size_t shortest = pieces[0]->frame_count;
      for (const auto* p : pieces) shortest = std::min(shortest, p->frame_count);
      const size_t judged = std::min(shortest, kJudgedFrames);
      const auto begin = static_cast<int64_t>(rng.below(shortest - judged + 1));
      const auto length = static_cast<int64_t>(judged);
      pull = critic_.pull(out.mel.narrow(0, 0, rows).narrow(1, begin, length),
                          b.mel.narrow(0, 0, rows).narrow(1, begin, length));
    }
    return pull + (mel * b.keep).sum() / cells + 0.3 * (prosody * b.phone_keep).sum() / phones +
           2 * pitch + 0.2 * voicing / cells;
  }

  nlohmann::json measure() override {
    torch::NoGradGuard no_grad;
    net_.eval();
    double mel = 0, duration = 0, pitch = 0;
    for (const AcousticPiece& p : held_) {
      const Batch b = batch({&p});
      const auto encoded = net_.encode(b.text);
      const auto guess = net_.prosody(encoded);
      const auto out = net_.decode(encoded, b.truth, b.frames);
      mel += (out.mel - b.mel).abs().mean().item<double>();
      duration += (guess.log_frames - b.truth.log_frames).abs().mean().item<double>();
      pitch += (((out.log_f0 - b.log_f0).abs() * b.voiced).sum() / b.voiced.sum().clamp_min(1))
                   .item<double>();
    }
    const auto n = static_cast<double>(std::max<size_t>(held_.size(), 1));
    return {{"recordings", held_.size()},
            {"mel_l1", mel / n},
            {"log_duration_l1", duration / n},
            {"log_f0_l1", pitch / n}};
  }

 private:
  struct Batch {
    nets::AcousticNet::Text text;
    nets::AcousticNet::Prosody truth;
    torch::Tensor frames, phone_keep, mel, log_f0, voiced, keep;
  };
  static Batch batch(const std::vector<const AcousticPiece*>& pieces) {
    const auto n = static_cast<int64_t>(pieces.size());
    size_t phones = 0, frames = 0;
    for (const auto* p : pieces) {
      phones = std::max(phones, p->frames.size());
      frames = std::max(frames, p->frame_count);
    }
    const auto np = static_cast<int64_t>(phones), nt = static_cast<int64_t>(frames);
    const auto zeros = [&](int64_t length) { return torch::zeros({n, length}); };
    const auto whole = [&] { return torch::zeros({n, np}, torch::kInt64); };
    Batch b{{whole(), whole(), whole()},
            {zeros(np), zeros(np), zeros(np)},
            zeros(np),
            zeros(np),
            torch::full({n, nt, kMel}, std::log(1e-5f)),
            zeros(nt),
            zeros(nt),
            zeros(nt)};
    for (int64_t i = 0; i < n; ++i) {
      const AcousticPiece& p = *pieces[static_cast<size_t>(i)];
      const auto ints = [&](torch::Tensor& to, const std::vector<int64_t>& from) {
        std::copy(from.begin(), from.end(), to.data_ptr<int64_t>() + i * np);
      };
      const auto floats = [&](torch::Tensor& to, const std::vector<float>& from, int64_t stride) {
        std::copy(from.begin(), from.end(), to.data_ptr<float>() + i * stride);
      };
      ints(b.text.phone, p.text.phone);
      ints(b.text.stress, p.text.stress);
      ints(b.text.mark, p.text.mark);
      floats(b.frames, p.frames, np);
      floats(b.truth.log_f0, p.phone_f0, np);
      floats(b.truth.level, p.phone_level, np);
      floats(b.mel, p.mel, nt * kMel);
      floats(b.log_f0, p.log_f0, nt);
      floats(b.voiced, p.voiced, nt);
      std::fill_n(b.phone_keep.data_ptr<float>() + i * np, p.frames.size(), 1.0f);
      std::fill_n(b.keep.data_ptr<float>() + i * nt, p.frame_count, 1.0f);
    }
    b.truth.log_frames = torch::log(b.frames.clamp_min(1));
    return b;
  }

  nets::AcousticNet net_;
  std::vector<AcousticPiece> train_, held_;
};

}  // namespace

std::unique_ptr<Learner> make_acoustic_learner(Corpora data, const ContentEncoder& content,
                                               const LearnOptions& options, Progress& progress,
                                               const Cancel& cancel) {
  return std::make_unique<AcousticLearner>(std::move(data), content, options, progress, cancel);
}

}  // namespace likeness::voice
