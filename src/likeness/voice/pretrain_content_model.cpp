// SPDX-License-Identifier: Apache-2.0
// The content encoder learns phones first from flite's speech, whose times are exact; then it finds
// the times in recordings with a text by itself and learns from those too; last, sure frames of
// recordings without text join (self-training). Two views of each stretch, as other people and
// rooms would sound, must give the same content.
#include <algorithm>
#include <array>
#include <cmath>

#include "likeness/base/error.h"
#include "likeness/nets/voice_nets.h"
#include "likeness/voice/content.h"
#include "likeness/voice/net_file_model.h"
#include "likeness/voice/pretrain_model.h"
#include "likeness/voice/spoken_pieces.h"
#include "likeness/voice/voice.h"

namespace likeness::voice {

void vary_voice(std::span<const float> from, std::span<float> to, Rng& rng) {
  // Another vocal tract: the frequency axis is stretched. Then a room's or microphone's tilt and
  // bend, another level, and a floor of noise.
  const float warp = std::exp(rng.uniform(-0.17f, 0.17f)), gain = rng.uniform(-1.5f, 1.0f);
  const float tilt = rng.uniform(-0.8f, 0.8f), bend = rng.uniform(-0.5f, 0.5f);
  const float turns = rng.uniform(0.5f, 3.0f), start = rng.uniform(0.0f, 6.28f);
  const float floor = rng.uniform() < 0.6f ? rng.uniform(-9.0f, -5.0f) : -11.5f;
  std::array<float, kContentMel> shift{};
  for (size_t b = 0; b < kContentMel; ++b) {
    const float x = static_cast<float>(b) / (kContentMel - 1);
    shift[b] = gain + tilt * (x - 0.5f) * 2 + bend * std::sin(start + turns * 6.28f * x);
  }
  for (size_t t = 0; t < from.size() / kContentMel; ++t)
    for (size_t b = 0; b < kContentMel; ++b) {
      const float at = std::min(static_cast<float>(b) * warp, kContentMel - 1.001f);
      const auto low = static_cast<size_t>(at);
      const float part = at - static_cast<float>(low);
      const float* f = from.data() + t * kContentMel;
      const float v = f[low] * (1 - part) + f[low + 1] * part + shift[b];
      const float hiss = floor + 0.3f * rng.normal();
      to[t * kContentMel + b] = std::max(v, hiss) + std::log1p(std::exp(-std::abs(v - hiss)));
    }
}

namespace {

constexpr size_t kFrames = 100;

class ContentLearner : public Learner {
 public:
  ContentLearner(Corpora data, const LearnOptions& o, Progress& progress, const Cancel& cancel)
      : o_(o), net_({}), train_(std::move(data.train)), held_(std::move(data.held_out)) {
    std::vector<std::string> texts;
    for (const Piece& p : train_)
      if (!p.from.text.empty()) texts.push_back(p.from.text);
    if (texts.size() < 4)
      throw Error(ErrorCode::kBadInput, "a content encoder needs recordings with texts",
                  "metadata.csv with id|text, or NAME.txt beside NAME.wav");
    const size_t each = std::min<size_t>(texts.size(), 400);
    const std::vector<std::string> speakers = {"slt", "rms", "kal"};
    progress.begin("speak", static_cast<double>(speakers.size()), "voices");
    for (size_t i = 0; i < speakers.size(); ++i) {
      for (auto& l : flite_pieces(speakers[i], texts, each, i * texts.size() / 3, cancel))
        exact_.push_back(std::move(l));
      progress.advance();
    }
    progress.end();
    for (const auto& v : list_voices())
      if (v.engine == "piper" && v.problem.empty() && o.minutes >= 5)
        for (Piece& p : voice_pieces(v.name, texts, 200, 5, false, cancel))
          train_.push_back(std::move(p));
  }

  torch::nn::Module& net() override { return net_; }
  nlohmann::json shape() const override { return options_to_json(net_.options()); }

  torch::Tensor loss(double fraction, Rng rng) override {
    const int stage = fraction < 0.25 ? 0 : fraction < 0.55 ? 1 : 2;
    if (stage_ < stage) find_times(stage_ = stage);
    const auto n = static_cast<int64_t>(o_.batch), frames = static_cast<int64_t>(kFrames);
    auto mel = torch::empty({2 * n, frames, kContentMel});
    auto target = torch::full({n, frames}, -1, torch::kInt64);
    for (int64_t row = 0; row < n; ++row) {
      // Recordings of people count for more than synthetic ones.
      const bool synthetic = found_.empty() || rng.uniform() < 0.35f;
      const LabelledPiece& l =
          synthetic ? exact_[rng.below(exact_.size())] : found_[rng.below(found_.size())];
      const size_t have = l.piece.features.frames;
      const size_t begin = have > kFrames ? rng.below(have - kFrames + 1) : 0;
      std::vector<float> part(kFrames * kContentMel, std::log(1e-5f));
      const size_t count = std::min(kFrames, have);
      std::copy_n(l.piece.features.content.begin() + static_cast<long>(begin * kContentMel),
                  count * kContentMel, part.begin());
      for (int64_t view = 0; view < 2; ++view)
        vary_voice(part,
                   {mel.data_ptr<float>() + (view * n + row) * frames * kContentMel,
                    kFrames * kContentMel},
                   rng);
      int64_t* to = target.data_ptr<int64_t>() + row * frames;
      for (size_t t = 0; t < count; ++t) to[t] = l.phone_class[begin + t];
    }
    const auto out = net_.forward(mel);
    const auto both = torch::cat({target, target}, 0).view({-1});
    const auto entropy = torch::nn::functional::cross_entropy(
        out.logits.view({-1, nets::kContentClasses}), both,
        torch::nn::functional::CrossEntropyFuncOptions().ignore_index(-1).label_smoothing(0.05));
    const auto halves = out.bottleneck.chunk(2, 0);
    return entropy + 0.3 * (halves[0] - halves[1]).square().mean();
  }

  nlohmann::json measure() override {
    torch::NoGradGuard no_grad;
    net_.eval();
    // Against its own alignment: agreement of free recognition with the text's sounds.
    size_t right = 0, frames = 0, recordings = 0;
    double score = 0;
    for (const Piece& p : held_) {
      if (p.from.text.empty()) continue;
      const auto l = aligned(p, score);
      if (l.phone_class.empty()) continue;
      const auto best = posteriors(p).argmax(1).contiguous();
      ++recordings;
      for (size_t t = 0; t < l.phone_class.size(); ++t) {
        right += best.data_ptr<int64_t>()[t] == l.phone_class[t];
        ++frames;
      }
    }
    return {
        {"recordings", recordings},
        {"frame_accuracy", frames ? static_cast<double>(right) / static_cast<double>(frames) : 0},
        {"alignment_score", recordings ? score / static_cast<double>(recordings) : 0}};
  }

 private:
  torch::Tensor posteriors(const Piece& p) {
    const auto frames = static_cast<int64_t>(p.features.frames);
    return torch::log_softmax(
        net_.forward(tensor_of(p.features.content, {1, frames, kContentMel})).logits[0], 1);
  }
  LabelledPiece aligned(const Piece& p, double& score) {
    LabelledPiece l;
    try {
      const auto units = alignable(phonemes_of(as_one_sentence(p.from.text)));
      double fit = 0;
      const auto values = values_of(posteriors(p));
      const auto times = align(values, p.features.frames, units, &fit);
      if (fit < -2.5) return l;  // another text, or noise
      score += fit;
      l.piece = p;
      l.phone_class.assign(p.features.frames, 0);
      for (size_t u = 0; u < units.size(); ++u)
        for (size_t t = times[u].begin; t < times[u].end; ++t)
          l.phone_class[t] = units[u].phoneme - 1;
    } catch (const Error& e) {
      log_warning(p.from.id + ": " + e.what());
    }
    return l;
  }
  LabelledPiece guessed(const Piece& p) {
    LabelledPiece l{p, std::vector<int>(p.features.frames, -1)};
    const auto [sure, which] = posteriors(p).max(1);
    const auto s = sure.contiguous(), w = which.contiguous();
    for (size_t t = 0; t < p.features.frames; ++t)
      if (s.data_ptr<float>()[t] > std::log(0.75f))
        l.phone_class[t] = static_cast<int>(w.data_ptr<int64_t>()[t]);
    return l;
  }
  void find_times(int stage) {
    torch::NoGradGuard no_grad;
    net_.eval();
    found_.clear();
    double score = 0;
    size_t with_text = 0;
    for (const Piece& p : train_) {
      LabelledPiece l;
      if (!p.from.text.empty())
        l = aligned(p, score);
      else if (stage >= 2)
        l = guessed(p);
      with_text += !p.from.text.empty() && !l.phone_class.empty();
      if (!l.phone_class.empty()) found_.push_back(std::move(l));
    }
    log_info("times found in " + std::to_string(with_text) + " recordings, mean log posterior " +
             std::to_string(with_text ? score / static_cast<double>(with_text) : 0.0));
    net_.train();
  }

  LearnOptions o_;
  nets::ContentNet net_;
  std::vector<Piece> train_, held_;
  std::vector<LabelledPiece> exact_, found_;
  int stage_ = 0;
};

}  // namespace

std::unique_ptr<Learner> make_content_learner(Corpora data, const LearnOptions& options,
                                              Progress& progress, const Cancel& cancel) {
  return std::make_unique<ContentLearner>(std::move(data), options, progress, cancel);
}

}  // namespace likeness::voice
