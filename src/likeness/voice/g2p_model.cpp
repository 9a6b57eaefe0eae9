// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/g2p_model.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>

#include <torch/torch.h>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/rng.h"
#include "likeness/nets/g2p.h"
#include "likeness/tensor/model_card.h"
#include "likeness/voice/pretrain_model.h"

namespace likeness::voice {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kWarmUpSteps = 200;

double seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/// Examples of one length, so that nothing of the letters is padding.
using Batch = std::vector<uint32_t>;

std::vector<Batch> batches_of(const std::vector<G2pExample>& examples, const G2pTraining& options,
                              int64_t epoch) {
  Rng rng(options.seed, epoch, "g2p order");
  const auto shuffle = [&](auto& v) {
    for (size_t i = v.size(); i > 1; --i) std::swap(v[i - 1], v[rng.below(i)]);
  };
  std::map<size_t, Batch> by_length;
  for (uint32_t i = 0; i < examples.size(); ++i) by_length[examples[i].letters.size()].push_back(i);
  std::vector<Batch> out;
  const auto most = static_cast<size_t>(options.batch);
  for (auto& [length, all] : by_length) {
    shuffle(all);
    for (size_t at = 0; at < all.size(); at += most)
      out.emplace_back(all.begin() + static_cast<long>(at),
                       all.begin() + static_cast<long>(std::min(at + most, all.size())));
  }
  shuffle(out);
  return out;
}

torch::Tensor loss_of(nets::G2pNet& net, const std::vector<G2pExample>& examples,
                      const Batch& batch, double smoothing) {
  const auto n = static_cast<int64_t>(batch.size());
  int64_t longest = 0;
  for (const uint32_t i : batch)
    longest = std::max(longest, static_cast<int64_t>(examples[i].sounds.size()) + 1);
  const auto length = static_cast<int64_t>(examples[batch[0]].letters.size());
  auto letters = torch::empty({n, length}, torch::kInt64);
  // Sounds that do not count are -100, as cross_entropy knows it.
  auto before = torch::zeros({n, longest}, torch::kInt64);
  auto wanted = torch::full({n, longest}, -100, torch::kInt64);
  auto stress = torch::full({n, longest}, -100, torch::kInt64);
  for (int64_t row = 0; row < n; ++row) {
    const G2pExample& e = examples[batch[static_cast<size_t>(row)]];
    const auto numbers = g2p_letter_numbers(e.letters);
    std::copy(numbers.begin(), numbers.end(), letters.data_ptr<int64_t>() + row * length);
    int64_t* b = before.data_ptr<int64_t>() + row * longest;
    int64_t* w = wanted.data_ptr<int64_t>() + row * longest;
    int64_t* s = stress.data_ptr<int64_t>() + row * longest;
    b[0] = 1;
    for (size_t k = 0; k < e.sounds.size(); ++k) {
      w[k] = b[k + 1] = e.sounds[k].phoneme;
      if (e.stress_known && is_vowel_phoneme(e.sounds[k].phoneme)) s[k] = e.sounds[k].stress;
    }
    w[e.sounds.size()] = 0;
  }
  const auto out = net->forward(letters, before, wanted.clamp_min(0));
  const auto flat = [](const torch::Tensor& x) { return x.reshape({-1, x.size(-1)}); };
  auto loss = torch::nn::functional::cross_entropy(
      flat(out.sounds), wanted.reshape({-1}),
      torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(smoothing));
  if ((stress >= 0).any().item<bool>())
    loss =
        loss + 0.3 * torch::nn::functional::cross_entropy(flat(out.stresses), stress.reshape({-1}));
  return loss;
}

/// As float16, with the card.
void write_result(const fs::path& path, nets::Optimiser& optimiser, const G2pTraining& options,
                  const nets::G2pShape& shape, size_t words) {
  nets::G2pNet net(shape);
  optimiser.copy_average_to(*net);
  tensor::save_tensors(path, half_weights(*net),
                       {{"format", "likeness-g2p-1"}, {"options", options.to_json().dump()}});
  tensor::ModelCard card;
  card.name = "g2p";
  card.title = "Letters to sounds, English";
  card.task = "how a word is said that is in no dictionary";
  card.licence = "Apache-2.0; trained on CMUdict (BSD-2-Clause) and flite's lexicon (BSD-like)";
  card.origin = "trained by likeness voice pretrain --part g2p";
  card.training_data = std::to_string(words) +
                       " words of CMUdict as in Debian's pocketsphinx-en-us; stress from flite";
  card.input = "letters a-z and '";
  card.output = "ARPAbet with stress 0, 1, 2";
  card.limits = "American English; names from other languages are said as an American reads them";
  card.files.push_back({path.filename().string(), sha256_file(path), ""});
  tensor::write_model_card(fs::path(path).replace_extension(".toml"), card);
}

class Trainer {
 public:
  Trainer(const G2pTraining& options, const std::vector<G2pExample>& examples, fs::path folder)
      : options_(options), examples_(examples), folder_(std::move(folder)) {
    torch::manual_seed(options.seed);
    shape_.dropout = options.dropout;
    shape_.encoder_dims = options.encoder_dims;
    shape_.decoder_dims = options.decoder_dims;
    shape_.hidden_dims = options.hidden_dims;
    net_ = nets::G2pNet(shape_);
    nets::OptimiserOptions o;
    o.kind = "adam";
    o.beta2 = 0.98;
    o.clip_norm = 1;
    o.ema_decay = 0.999;
    o.seed = options.seed;
    optimiser_ = std::make_unique<nets::Optimiser>(*net_, torch::Device(torch::kCPU),
                                                   nets::Precision::kFloat32, o);
    epoch_steps_ = static_cast<int64_t>(batches_of(examples, options, 0).size());
    last_step_ = epoch_steps_ * options.epochs;
  }

  bool run(const fs::path& out, Progress& progress, const Cancel& cancel) {
    resume();
    const double begin = seconds();
    double saved = begin;
    progress.begin("g2p", static_cast<double>(last_step_), "steps");
    std::vector<Batch> batches;
    int64_t epoch = -1;
    for (; step_ < last_step_; ++step_) {
      if (cancel.requested()) {
        save();
        cancel.check();
      }
      const double now = seconds();
      if (options_.minutes > 0 && now - begin > 60 * options_.minutes) break;
      if (options_.steps > 0 && steps_here_ >= options_.steps) break;
      if (now - saved > options_.save_every_s) save(), saved = now;
      if (step_ / epoch_steps_ != epoch) {
        epoch = step_ / epoch_steps_;
        batches = batches_of(examples_, options_, epoch);
      }
      one(batches[static_cast<size_t>(step_ % epoch_steps_)]);
      char detail[96];
      std::snprintf(detail, sizeof detail, "epoch %lld, loss %.4f, %.1f ms/step",
                    static_cast<long long>(epoch + 1), loss_,
                    1000 * (seconds() - begin) / static_cast<double>(++steps_here_));
      progress.set(static_cast<double>(step_ + 1), detail);
    }
    save();
    progress.end();
    if (step_ < last_step_) return false;
    write_result(out, *optimiser_, options_, shape_, examples_.size());
    return true;
  }

 private:
  void one(const Batch& batch) {
    // Dropout of a step does not depend on where the run was stopped.
    torch::manual_seed(options_.seed * 1000003 + static_cast<uint64_t>(step_));
    net_->train();
    const auto loss = loss_of(net_, examples_, batch, options_.smoothing);
    loss.backward();
    const double fraction = static_cast<double>(step_) / static_cast<double>(last_step_);
    const auto result = optimiser_->step(
        options_.rate * nets::rate_factor("cosine", step_, kWarmUpSteps, fraction, 0.01));
    if (!result.finite)
      throw Error(ErrorCode::kInternal, "training left the numbers", "use a lower rate");
    loss_ = steps_here_ ? 0.99 * loss_ + 0.01 * loss.item<double>() : loss.item<double>();
  }

  void save() {
    tensor::Checkpoint c;
    c.step = step_;
    c.options = options_.to_json();
    c.state = {{"loss", loss_}, {"optimiser_steps", optimiser_->steps_done()}};
    put_state(c, "", *optimiser_);
    fs::create_directories(folder_);
    tensor::write_checkpoint(tensor::checkpoint_path(folder_, step_), c);
    tensor::rotate_checkpoints(folder_, 2);
  }

  void resume() {
    for (const auto& [step, path] : tensor::list_checkpoints(folder_)) {
      tensor::Checkpoint c;
      try {
        c = tensor::read_checkpoint(path);
      } catch (const Error& e) {
        if (e.code() != ErrorCode::kDamaged && e.code() != ErrorCode::kBadInput) throw;
        log_warning(std::string(e.what()) + "; an older checkpoint is taken");
        continue;
      }
      if (c.options != options_.to_json())
        throw Error(ErrorCode::kBadInput, path.string() + " is of a run with other options",
                    "use the same options, or another folder");
      take_state(c, "", *optimiser_, c.state.value("optimiser_steps", c.step));
      step_ = c.step;
      loss_ = c.state.value("loss", 0.0);
      return;
    }
  }

  G2pTraining options_;
  const std::vector<G2pExample>& examples_;
  fs::path folder_;
  nets::G2pShape shape_;
  nets::G2pNet net_{nullptr};
  std::unique_ptr<nets::Optimiser> optimiser_;
  int64_t step_ = 0, epoch_steps_ = 1, last_step_ = 0, steps_here_ = 0;
  double loss_ = 0;
};

}  // namespace

nlohmann::json G2pTraining::to_json() const {
  // Not the limits of one sitting.
  return {{"epochs", epochs},
          {"batch", batch},
          {"rate", rate},
          {"dropout", dropout},
          {"smoothing", smoothing},
          {"encoder_dims", encoder_dims},
          {"decoder_dims", decoder_dims},
          {"hidden_dims", hidden_dims},
          {"seed", seed}};
}

bool train_g2p(const G2pTraining& options, const std::vector<G2pExample>& examples,
               const fs::path& folder, const fs::path& out, Progress& progress,
               const Cancel& cancel) {
  if (options.epochs < 1 || options.batch < 1 || options.rate <= 0 || options.encoder_dims < 1 ||
      options.decoder_dims < 1 || options.hidden_dims < 1)
    throw Error(ErrorCode::kUsage, "epochs, batch, rate and dims must be more than nothing",
                "leave them out to get those of the shipped network");
  if (examples.empty())
    throw Error(ErrorCode::kUsage, "there are no words to learn from",
                "apt-get install pocketsphinx-en-us");
  for (const G2pExample& e : examples)
    if (e.letters.empty() || e.sounds.empty())
      throw Error(ErrorCode::kUsage, "an example has no letters or no sounds", "leave it out");
  const LearningThreads one(1);
  return Trainer(options, examples, folder).run(out, progress, cancel);
}

nlohmann::json pretrain_g2p(const G2pTraining& options, const fs::path& folder, const fs::path& out,
                            Progress& progress, const Cancel& cancel, size_t score_every) {
  std::vector<G2pExample> learned, held_out;
  for (auto& e : g2p_examples())
    (g2p_held_out(e.letters) ? held_out : learned).push_back(std::move(e));
  if (learned.empty())
    throw Error(ErrorCode::kMissing, "CMUdict is not installed",
                "apt-get install pocketsphinx-en-us");
  nlohmann::json j{{"part", "g2p"}, {"words", learned.size()}};
  j["done"] = train_g2p(options, learned, folder, out, progress, cancel);
  if (!j["done"]) return j;
  const G2p network(out);
  const G2pScore score = score_g2p(network, held_out, score_every);
  j["held_out"] = {{"words", score.words},
                   {"phoneme_error_rate", score.phoneme_error_rate()},
                   {"word_error_rate", score.word_error_rate()},
                   {"stress_error_rate", score.stress_error_rate()}};
  int64_t parameters = 0;
  const tensor::SafeTensors file(out);
  for (const auto& t : file.tensors()) parameters += t.elements();
  j["parameters"] = parameters;
  j["out"] = out.string();
  j["bytes"] = fs::file_size(out);
  return j;
}

}  // namespace likeness::voice
