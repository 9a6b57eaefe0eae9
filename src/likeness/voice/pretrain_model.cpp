// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/pretrain_model.h"

#include <chrono>
#include <cmath>
#include <fstream>
#include <utility>

#include <ATen/Parallel.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/threads.h"

extern "C" {
void openblas_set_num_threads(int) __attribute__((weak));
int openblas_get_num_threads() __attribute__((weak));
}

namespace likeness::voice {
namespace fs = std::filesystem;

LearningThreads::LearningThreads(int threads)
    : torch_(at::get_num_threads()),
      blas_(openblas_get_num_threads ? openblas_get_num_threads() : 1) {
  at::set_num_threads(threads);
  if (openblas_set_num_threads) openblas_set_num_threads(threads);
  flush_denormals();
}
LearningThreads::~LearningThreads() {
  at::set_num_threads(torch_);
  if (openblas_set_num_threads) openblas_set_num_threads(blas_);
}

int64_t count_parameters(const torch::nn::Module& net) {
  int64_t n = 0;
  for (const auto& p : net.parameters()) n += p.numel();
  return n;
}

tensor::NamedTensors half_weights(const torch::nn::Module& net, const std::string& prefix) {
  tensor::NamedTensors list;
  for (const auto& p : net.named_parameters())
    list.emplace_back(prefix + p.key(), p.value().detach().to(torch::kFloat16));
  return list;
}

void save_net(const fs::path& path, Learner& learner, const std::string& kind) {
  tensor::NamedTensors list = half_weights(learner.net());
  if (const torch::nn::Module* critic = learner.critic())
    for (auto& t : half_weights(*critic, kCriticPrefix)) list.push_back(std::move(t));
  tensor::save_tensors(path, list, {{"kind", kind}, {"shape", learner.shape().dump()}});
}

torch::Tensor MelCritic::pull(const torch::Tensor& made, const torch::Tensor& real) {
  made_ = made.detach();
  real_ = real.detach();
  const auto leaf = made_.clone().set_requires_grad(true);
  nets::Judgement wanted;
  {
    torch::NoGradGuard no_grad;
    wanted = net_.forward(real_);
  }
  const auto judged = net_.forward(leaf);
  const auto gradient = torch::autograd::grad(
      {nets::fooled_loss(judged) + 2 * nets::feature_loss(judged, wanted)}, {leaf})[0];
  const double usual = 1 / std::sqrt(static_cast<double>(made.numel()));
  const auto pull = gradient * (0.5 * usual / gradient.norm().clamp_min(1e-12));
  return ((made - made_) * pull).sum();
}

torch::Tensor MelCritic::loss() {
  if (!made_.defined()) return {};
  const auto made = std::exchange(made_, {}), real = std::exchange(real_, {});
  return nets::judge_loss(net_.forward(real), net_.forward(made));
}

void put_state(tensor::Checkpoint& c, const std::string& prefix, const nets::Optimiser& o) {
  const auto s = o.state();
  c.tensors[prefix + "master"] = s.master;
  c.tensors[prefix + "first"] = s.first;
  c.tensors[prefix + "second"] = s.second;
  c.tensors[prefix + "average"] = s.average;
}

void take_state(const tensor::Checkpoint& c, const std::string& prefix, nets::Optimiser& o,
                int64_t steps) {
  const auto at = [&](const char* part) {
    const auto it = c.tensors.find(prefix + part);
    if (it == c.tensors.end())
      throw Error(ErrorCode::kDamaged, "the checkpoint has no " + prefix + part,
                  "remove it; an older one is taken");
    return it->second;
  };
  o.restore({at("master"), at("first"), at("second"), at("average")}, steps);
}

namespace {

class Loop {
 public:
  Loop(Learner& learner, fs::path folder, const LearnOptions& o)
      : learner_(learner),
        folder_(std::move(folder)),
        o_(o),
        optimiser_(learner.net(), torch::kCPU, nets::Precision::kFloat32, options(0.9, 0.999)) {
    if (torch::nn::Module* c = learner.critic())
      critic_ = std::make_unique<nets::Optimiser>(*c, torch::kCPU, nets::Precision::kFloat32,
                                                  options(0.5, 0));
    for (const auto& [step, path] : tensor::list_checkpoints(folder_)) {
      try {
        restore(tensor::read_checkpoint(path));
        break;
      } catch (const Error& e) {
        log_warning(path.string() + ": " + e.what());
      }
    }
  }

  LoopResult run(Progress& progress, const Cancel& cancel) {
    using Clock = std::chrono::steady_clock;
    const double before_s = elapsed_s_, all_s = o_.minutes * 60;
    const auto start = Clock::now();
    double saved_s = elapsed_s_;
    progress.begin("learn", all_s, "s");
    while (elapsed_s_ < all_s && !cancel.requested()) {
      step(elapsed_s_ / all_s);
      elapsed_s_ = before_s + std::chrono::duration<double>(Clock::now() - start).count();
      if (step_ % 10 == 0)
        progress.set(elapsed_s_, "step " + std::to_string(step_) + ", loss " +
                                     std::to_string(loss_).substr(0, 6));
      if (elapsed_s_ - saved_s > o_.save_minutes * 60) save(), saved_s = elapsed_s_;
    }
    progress.end();
    save();
    optimiser_.copy_average_to(learner_.net());
    learner_.net().eval();
    return {step_, elapsed_s_ / 60, loss_, learner_.measure()};
  }

 private:
  static nets::OptimiserOptions options(double beta1, double ema) {
    nets::OptimiserOptions o;
    o.kind = "adam";
    o.beta1 = beta1;
    o.beta2 = 0.99;
    o.clip_norm = 5;
    o.ema_decay = ema;
    return o;
  }

  void step(double fraction) {
    learner_.net().train();
    torch::Tensor loss =
        learner_.loss(fraction, Rng(static_cast<uint64_t>(o_.seed), step_, "learn"));
    const double value = loss.item<double>();
    loss.backward();
    const double rate =
        o_.learning_rate * nets::rate_factor("cosine", step_, 100, std::min(1.0, fraction), 0.05);
    optimiser_.step(rate);
    optimiser_.zero_grad();
    if (critic_) {
      critic_->zero_grad();  // what the first loss left there
      if (torch::Tensor judged = learner_.critic_loss(); judged.defined()) {
        judged.backward();
        critic_->step(rate);
        critic_->zero_grad();
      }
    }
    if (std::isfinite(value)) loss_ = step_ == 0 ? value : loss_ + 0.02 * (value - loss_);
    ++step_;
  }

  void save() {
    tensor::Checkpoint c;
    c.step = step_;
    c.state = {{"elapsed_s", elapsed_s_}, {"loss", loss_}, {"steps", optimiser_.steps_done()}};
    put_state(c, "net_", optimiser_);
    if (critic_) {
      c.state["critic_steps"] = critic_->steps_done();
      put_state(c, "critic_", *critic_);
    }
    tensor::write_checkpoint(tensor::checkpoint_path(folder_, step_), c);
    tensor::rotate_checkpoints(folder_, 2);
    std::ofstream(folder_ / "log.jsonl", std::ios::app)
        << nlohmann::json{{"step", step_}, {"minutes", elapsed_s_ / 60}, {"loss", loss_}}.dump()
        << "\n";
  }
  void restore(const tensor::Checkpoint& c) {
    take_state(c, "net_", optimiser_, c.state.value("steps", int64_t{0}));
    if (critic_ && c.tensors.count("critic_master"))
      take_state(c, "critic_", *critic_, c.state.value("critic_steps", int64_t{0}));
    step_ = c.step;
    elapsed_s_ = c.state.value("elapsed_s", 0.0);
    loss_ = c.state.value("loss", 0.0);
  }

  Learner& learner_;
  fs::path folder_;
  LearnOptions o_;
  nets::Optimiser optimiser_;
  std::unique_ptr<nets::Optimiser> critic_;
  int64_t step_ = 0;
  double elapsed_s_ = 0, loss_ = 0;
};

}  // namespace

LoopResult learn(Learner& learner, const fs::path& folder, const LearnOptions& options,
                 Progress& progress, const Cancel& cancel) {
  fs::create_directories(folder);
  return Loop(learner, folder, options).run(progress, cancel);
}

}  // namespace likeness::voice
