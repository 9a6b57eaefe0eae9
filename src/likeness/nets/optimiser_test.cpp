// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/optimiser.h"

#include <gtest/gtest.h>

#include "likeness/nets/autoencoder.h"

namespace likeness::nets {
namespace {

struct TinyImpl : torch::nn::Module {
  TinyImpl() {
    conv = register_module("conv", Conv(3, 8, 3));
    dense = register_module("dense", Dense(8, 5));
  }
  torch::Tensor forward(const torch::Tensor& x) { return dense(conv->lrelu(x, 0.1f).mean({2, 3})); }
  Conv conv{nullptr};
  Dense dense{nullptr};
};
TORCH_MODULE(Tiny);

/// A problem whose gradient differs at each step.
torch::Tensor loss_at(Tiny& net, int step) {
  torch::manual_seed(100 + step);
  const auto x = torch::rand({4, 3, 6, 6}), y = torch::rand({4, 5});
  return (net(x.to(net->conv->weight.scalar_type())).to(torch::kFloat32) - y).square().sum();
}

TEST(Optimiser, AdamEqualsTorchAdam) {
  torch::manual_seed(7);
  Tiny ours, theirs;
  for (size_t i = 0; i < ours->parameters().size(); ++i)
    theirs->parameters()[i].detach().copy_(ours->parameters()[i].detach());
  Optimiser fused(*ours, torch::kCPU, Precision::kFloat32, {.kind = "adam"});
  torch::optim::Adam reference(theirs->parameters(), torch::optim::AdamOptions(1e-2).eps(1e-8));
  for (int step = 0; step < 20; ++step) {
    loss_at(ours, step).backward();
    fused.step(1e-2);
    reference.zero_grad();
    loss_at(theirs, step).backward();
    reference.step();
    for (size_t i = 0; i < ours->parameters().size(); ++i)
      ASSERT_LT((ours->parameters()[i] - theirs->parameters()[i]).abs().max().item<float>(), 2e-5)
          << "step " << step << " parameter " << i;
  }
}

TEST(Optimiser, AdaBeliefFollowsItsFormula) {
  torch::manual_seed(7);
  Tiny net;
  const auto before = net->dense->weight.detach().clone();
  Optimiser fused(*net, torch::kCPU, Precision::kFloat32, {.kind = "adabelief", .clip_norm = 0.5});
  loss_at(net, 0).backward();
  double norm = 0;
  for (const auto& p : net->parameters()) norm += p.grad().square().sum().item<double>();
  norm = std::sqrt(norm);
  ASSERT_GT(norm, 0.5);
  const auto g = net->dense->weight.grad().clone() * (0.5 / norm);
  EXPECT_NEAR(fused.step(1e-2).gradient_norm, norm, 1e-4 * norm);
  // t = 1: m/(1-b1) = g, s/(1-b2) = (0.9 g)^2
  const auto expected = before - 1e-2 * g / (0.9 * g.abs() + 1e-8);
  EXPECT_LT((net->dense->weight - expected).abs().max().item<float>(), 1e-5);
}

TEST(Optimiser, BFloat16KeepsFloat32MasterWeights) {
  torch::manual_seed(7);
  Tiny net;
  Optimiser fused(*net, torch::kCPU, Precision::kBFloat16, {.kind = "adam"});
  EXPECT_EQ(net->conv->weight.scalar_type(), torch::kBFloat16);
  const auto start = fused.state().master.clone();
  for (int step = 0; step < 40; ++step) {
    loss_at(net, step).backward();
    fused.step(1e-5);  // far below the spacing of bfloat16: only the master can move
  }
  EXPECT_GT((fused.state().master - start).abs().max().item<float>(), 1e-4);
  for (const auto& slot : fused.slots()) {
    const auto master = fused.view(fused.state().master, slot).to(torch::kBFloat16);
    const auto named = net->named_parameters();
    EXPECT_TRUE(torch::equal(named[slot.name].detach(), master)) << slot.name;
  }
}

TEST(Optimiser, DropoutMovesItsShareAndAverageTrails) {
  torch::manual_seed(7);
  Tiny net;
  Optimiser fused(*net, torch::kCPU, Precision::kFloat32,
                  {.kind = "adam", .lr_dropout = 0.3, .ema_decay = 0.9, .ema_every = 1, .seed = 5});
  const auto start = fused.state().master.clone();
  loss_at(net, 0).backward();
  fused.step(1e-2);
  const auto moved = (fused.state().master - start).abs();
  const auto share = (moved > 0).to(torch::kFloat32).sum().item<double>();
  int64_t size = 0;
  for (const auto& slot : fused.slots()) size += slot.size;
  EXPECT_NEAR(share / static_cast<double>(size), 0.3, 0.1);
  // decay warms up: (1 + 1) / (10 + 1)
  const auto expected = start + (fused.state().master - start) * (1 - 2.0 / 11);
  EXPECT_LT((fused.state().average - expected).abs().max().item<float>(), 1e-6);
}

TEST(Optimiser, NotFiniteGradientChangesNothing) {
  Tiny net;
  Optimiser fused(*net, torch::kCPU, Precision::kFloat32, {});
  const auto start = fused.state().master.clone();
  (loss_at(net, 0) * std::numeric_limits<float>::infinity()).backward();
  EXPECT_FALSE(fused.step(1e-2).finite);
  EXPECT_TRUE(torch::equal(start, fused.state().master));
  EXPECT_EQ(fused.steps_done(), 0);
}

TEST(Optimiser, RestoreGoesOnExactly) {
  const auto run = [](int split) {
    torch::manual_seed(7);
    Tiny net;
    auto fused = std::make_unique<Optimiser>(
        *net, torch::kCPU, Precision::kBFloat16,
        OptimiserOptions{.lr_dropout = 0.5, .ema_decay = 0.9, .seed = 1});
    Tiny other;
    auto* active = &net;
    for (int step = 0; step < 10; ++step) {
      if (step == split) {
        const auto s = fused->state();
        Optimiser::State copy{s.master.clone(), s.first.clone(), s.second.clone(),
                              s.average.clone()};
        const int64_t done = fused->steps_done();
        fused = std::make_unique<Optimiser>(*other, torch::kCPU, Precision::kBFloat16,
                                            fused->options());
        fused->restore(copy, done);
        active = &other;
      }
      loss_at(*active, step).backward();
      fused->step(1e-2);
    }
    return torch::stack({fused->state().master, fused->state().average}).clone();
  };
  EXPECT_TRUE(torch::equal(run(-1), run(4)));
}

TEST(Rate, SchedulesStartRiseAndEndWhereTheySay) {
  EXPECT_NEAR(rate_factor("constant", 0, 10, 0, 0.1), 0.1, 1e-9);
  EXPECT_NEAR(rate_factor("constant", 50, 10, 0.5, 0.1), 1, 1e-9);
  EXPECT_NEAR(rate_factor("cosine", 50, 10, 1, 0.1), 0.1, 1e-9);
  EXPECT_NEAR(rate_factor("one_cycle", 50, 0, 0, 0.1), 0.1, 1e-9);
  EXPECT_NEAR(rate_factor("one_cycle", 50, 0, 0.15, 0.02), 1, 1e-6);
  EXPECT_NEAR(rate_factor("one_cycle", 50, 0, 1, 0.02), 0.02, 1e-9);
}

}  // namespace
}  // namespace likeness::nets
