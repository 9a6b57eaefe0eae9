// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/optimiser.h"

#include <cmath>
#include <numbers>

#include <ATen/Parallel.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/nets/optimiser_kernel.h"

namespace likeness::nets {
namespace {

constexpr int64_t kAlign = 64;     // weights: slots start on cache lines in every buffer
constexpr int64_t kRun = 1 << 15;  // weights: a run's buffers fit the second-level cache

at::MemoryFormat format_of(int64_t dims) {
  return dims == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

template <typename G>
UpdateRun<G, G> pointers(const torch::Tensor& gradient, const std::array<float*, 4>& base,
                         G* working, int64_t offset, int64_t begin, int64_t size) {
  const int64_t at = offset + begin;
  return {static_cast<const G*>(gradient.data_ptr()) + begin,
          base[0] + at,
          base[1] + at,
          base[2] + at,
          base[3] + at,
          working ? working + at : nullptr,
          size,
          static_cast<uint32_t>(at)};
}

}  // namespace

Optimiser::Optimiser(torch::nn::Module& module, const torch::Device& device, Precision precision,
                     OptimiserOptions options)
    : options_(std::move(options)), device_(device) {
  torch::NoGradGuard no_grad;
  int64_t total = 0;
  std::vector<torch::Tensor> values;
  for (const auto& item : module.named_parameters()) {
    auto value =
        item.value().detach().to(torch::kFloat32).contiguous(format_of(item.value().dim()));
    Slot slot{item.key(), value.sizes().vec(), value.strides().vec(), total, value.numel()};
    total += (slot.size + kAlign - 1) / kAlign * kAlign;
    for (int64_t begin = 0; begin < slot.size; begin += kRun)
      runs_.push_back({slots_.size(), begin, std::min(kRun, slot.size - begin)});
    slots_.push_back(std::move(slot));
    parameters_.push_back(item.value());
    values.push_back(std::move(value));
  }
  LIKENESS_REQUIRE(total > 0);
  const auto wide = torch::TensorOptions(device_).dtype(torch::kFloat32);
  master_ = torch::zeros({total}, wide);
  first_ = torch::zeros({total}, wide);
  second_ = torch::zeros({total}, wide);
  for (size_t i = 0; i < slots_.size(); ++i) view(master_, slots_[i]).copy_(values[i]);
  average_ = options_.ema_decay > 0 ? master_.clone() : master_;
  working_ = precision == Precision::kBFloat16 ? master_.to(torch::kBFloat16) : master_;
  for (size_t i = 0; i < slots_.size(); ++i) parameters_[i].set_data(view(working_, slots_[i]));
}

torch::Tensor Optimiser::view(const torch::Tensor& flat, const Slot& slot) const {
  return flat.as_strided(slot.shape, slot.strides, slot.offset);
}

void Optimiser::zero_grad() {
  for (auto& p : parameters_) p.mutable_grad() = torch::Tensor();
}

double Optimiser::gradient_norm(const std::vector<torch::Tensor>& gradients) const {
  if (!device_.is_cpu()) {
    auto sum = torch::zeros({}, torch::TensorOptions(device_).dtype(torch::kFloat32));
    for (const auto& g : gradients)
      if (g.defined()) sum += g.to(torch::kFloat32).square().sum();
    return std::sqrt(sum.item<double>());
  }
  std::vector<double> parts(runs_.size(), 0.0);
  at::parallel_for(0, static_cast<int64_t>(runs_.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto& g = gradients[runs_[i].slot];
      if (!g.defined()) continue;
      parts[i] = g.scalar_type() == torch::kBFloat16
                     ? sum_of_squares(static_cast<const BF16*>(g.data_ptr()) + runs_[i].begin,
                                      runs_[i].size)
                     : sum_of_squares(static_cast<const float*>(g.data_ptr()) + runs_[i].begin,
                                      runs_[i].size);
    }
  });
  double sum = 0;  // in order: the same for any number of threads
  for (double p : parts) sum += p;
  return std::sqrt(sum);
}

Optimiser::StepResult Optimiser::step(double rate) {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients(parameters_.size());
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const auto& g = parameters_[i].grad();
    if (g.defined()) gradients[i] = g.to(working_.scalar_type()).contiguous(format_of(g.dim()));
  }
  StepResult result;
  result.gradient_norm = gradient_norm(gradients);
  if (!std::isfinite(result.gradient_norm)) {
    result.finite = false;
    zero_grad();
    return result;
  }
  ++steps_;
  const double t = static_cast<double>(steps_);
  UpdateRule rule;
  rule.adabelief = options_.kind == "adabelief";
  rule.beta1 = static_cast<float>(options_.beta1);
  rule.beta2 = static_cast<float>(options_.beta2);
  rule.epsilon = static_cast<float>(options_.epsilon);
  rule.step_size = static_cast<float>(rate / (1 - std::pow(options_.beta1, t)));
  rule.inverse_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(options_.beta2, t)));
  rule.decay = static_cast<float>(rate * options_.weight_decay);
  if (options_.clip_norm > 0 && result.gradient_norm > options_.clip_norm)
    rule.gradient_scale = static_cast<float>(options_.clip_norm / result.gradient_norm);
  const int every = std::max(1, options_.ema_every);
  if (options_.ema_decay > 0 && steps_ % every == 0)
    rule.average_keep =
        static_cast<float>(std::pow(std::min(options_.ema_decay, (1 + t) / (10 + t)), every));
  if (options_.lr_dropout < 1) {
    rule.dropout_below = static_cast<uint32_t>(options_.lr_dropout * 4294967294.0);
    rule.dropout_key = static_cast<uint32_t>(Rng(options_.seed, steps_, "lr_dropout").next());
  }
  device_.is_cpu() ? update_cpu(gradients, rule) : update_torch(gradients, rule);
  zero_grad();
  return result;
}

void Optimiser::update_cpu(const std::vector<torch::Tensor>& gradients, const UpdateRule& rule) {
  const std::array<float*, 4> base{master_.data_ptr<float>(), first_.data_ptr<float>(),
                                   second_.data_ptr<float>(), average_.data_ptr<float>()};
  const bool half = working_.scalar_type() == torch::kBFloat16;
  BF16* working = half ? static_cast<BF16*>(working_.data_ptr()) : nullptr;
  at::parallel_for(0, static_cast<int64_t>(runs_.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto& run = runs_[i];
      const auto& g = gradients[run.slot];
      if (!g.defined()) continue;
      const int64_t offset = slots_[run.slot].offset;
      if (half)
        update(pointers<BF16>(g, base, working, offset, run.begin, run.size), rule);
      else
        update(pointers<float>(g, base, nullptr, offset, run.begin, run.size), rule);
    }
  });
}

void Optimiser::update_torch(const std::vector<torch::Tensor>& gradients, const UpdateRule& rule) {
  // A zero gradient still moves a weight by its momentum, but a parameter that never has a gradient
  // has zero moments and stays.
  auto g = torch::zeros_like(master_);
  for (size_t i = 0; i < slots_.size(); ++i)
    if (gradients[i].defined()) view(g, slots_[i]).copy_(gradients[i]);
  if (rule.gradient_scale != 1) g.mul_(rule.gradient_scale);
  first_.mul_(rule.beta1).add_(g, 1 - rule.beta1);
  if (rule.adabelief) g.sub_(first_);
  second_.mul_(rule.beta2).addcmul_(g, g, 1 - rule.beta2);
  auto step = first_ / (second_.sqrt().mul_(rule.inverse_scale).add_(rule.epsilon));
  step.mul_(rule.step_size);
  if (rule.decay > 0) step.add_(master_, rule.decay);
  if (rule.dropout_below != 0xffffffffu) {
    torch::manual_seed(rule.dropout_key);
    step.mul_(torch::rand_like(step) < options_.lr_dropout);
  }
  master_.sub_(step);
  if (rule.average_keep < 1) average_.lerp_(master_, 1 - rule.average_keep);
  if (!working_.is_same(master_)) working_.copy_(master_);
}

void Optimiser::restore(const State& state, int64_t steps) {
  torch::NoGradGuard no_grad;
  const auto copy = [](torch::Tensor& to, const torch::Tensor& from) {
    if (!from.defined() || from.numel() != to.numel())
      throw Error(ErrorCode::kDamaged, "the optimiser's state does not fit the network",
                  "resume with the network options the run was started with");
    to.copy_(from.view({-1}));
  };
  copy(master_, state.master);
  copy(first_, state.first);
  copy(second_, state.second);
  if (!average_.is_same(master_)) copy(average_, state.average);
  if (!working_.is_same(master_)) working_.copy_(master_);
  steps_ = steps;
  zero_grad();
}

void Optimiser::copy_average_to(torch::nn::Module& module) const {
  torch::NoGradGuard no_grad;
  auto named = module.named_parameters();
  LIKENESS_REQUIRE(named.size() == slots_.size());
  for (size_t i = 0; i < slots_.size(); ++i) {
    LIKENESS_REQUIRE(named[i].key() == slots_[i].name);
    named[i].value().copy_(view(average_, slots_[i]));
  }
}

double rate_factor(const std::string& kind, int64_t step, int warmup_steps, double fraction,
                   double final_rate) {
  const double f = std::clamp(fraction, 0.0, 1.0);
  const double warm =
      warmup_steps > 0 ? std::min(1.0, static_cast<double>(step + 1) / warmup_steps) : 1.0;
  const auto cosine = [](double from, double to, double at) {
    return to + (from - to) * 0.5 * (1 + std::cos(std::numbers::pi * std::clamp(at, 0.0, 1.0)));
  };
  if (kind == "cosine") return warm * cosine(1, final_rate, f);
  if (kind == "one_cycle") {
    constexpr double kRise = 0.15, kStart = 0.1;
    return warm * (f < kRise ? cosine(kStart, 1, f / kRise)
                             : cosine(1, final_rate, (f - kRise) / (1 - kRise)));
  }
  return warm;
}

}  // namespace likeness::nets
