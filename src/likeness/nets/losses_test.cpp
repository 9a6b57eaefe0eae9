// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/losses.h"

#include <gtest/gtest.h>

namespace likeness::nets {
namespace {

LossTarget make_target(int n, int side) {
  LossTarget t;
  t.rgb = torch::rand({n, 3, side, side});
  t.mask = (torch::rand({n, 1, side, side}) > 0.3).to(torch::kFloat32);
  t.weight = soften_masks(t.mask);
  t.priority = torch::rand({n, 1, side, side});
  return t;
}

TEST(Losses, FusedEqualsTorchOperatorsInValueAndGradient) {
  for (int side : {32, 64, 256}) {
    torch::manual_seed(side);
    const int n = 2;
    const auto target = make_target(n, side);
    const auto start = torch::rand({n, 3, side, side}).contiguous(at::MemoryFormat::ChannelsLast);
    const auto start_mask = torch::rand({n, 1, side, side});
    const LossWeights weights{10, 3, 5, 30, 10, 2};
    LossTerms terms[2];
    torch::Tensor gradient[2][2];
    for (int pass = 0; pass < 2; ++pass) {
      FaceOutput out{start.detach().clone().requires_grad_(true),
                     start_mask.detach().clone().requires_grad_(true)};
      const auto loss = pass ? face_loss(out, target, weights, &terms[1])
                             : face_loss_reference(out, target, weights, &terms[0]);
      (loss * 2).backward();
      EXPECT_NEAR(loss.item<double>(), terms[pass].total(), 1e-4);
      gradient[pass][0] = out.rgb.grad();
      gradient[pass][1] = out.mask.grad();
    }
    EXPECT_NEAR(terms[0].dssim, terms[1].dssim, 2e-4) << side;
    EXPECT_NEAR(terms[0].pixel, terms[1].pixel, 2e-5);
    EXPECT_NEAR(terms[0].priority, terms[1].priority, 2e-4);
    EXPECT_NEAR(terms[0].mask, terms[1].mask, 2e-5);
    EXPECT_NEAR(terms[0].edge, terms[1].edge, 2e-5);
    for (int i = 0; i < 2; ++i) {
      const double size = gradient[0][i].abs().max().item<double>();
      EXPECT_GT(size, 0);
      EXPECT_LT((gradient[0][i] - gradient[1][i]).abs().max().item<double>(), 2e-3 * size)
          << side << " " << i;
    }
  }
}

TEST(Losses, ZeroForEqualImagesAndOutsideTheMaskNothingCounts) {
  torch::manual_seed(1);
  auto target = make_target(1, 64);
  LossTerms terms;
  face_loss({target.rgb.clone(), target.mask.clone()}, target, {10, 1, 10, 30, 10, 1}, &terms);
  EXPECT_NEAR(terms.total(), 0, 1e-5);
  target.weight.zero_();
  target.priority.zero_();
  face_loss({torch::rand({1, 3, 64, 64}), target.mask}, target, {10, 1, 10, 30, 10, 1}, &terms);
  EXPECT_NEAR(terms.total(), 0, 1e-5);
}

TEST(Losses, SsimIsOneForEqualAndFallsWithNoise) {
  torch::manual_seed(1);
  const auto a = torch::rand({1, 3, 48, 48}), noise = torch::randn({1, 3, 48, 48});
  const auto mask = torch::zeros({1, 1, 48, 48});
  mask.narrow(3, 0, 24).fill_(1);
  EXPECT_NEAR(ssim(a, a), 1, 1e-5);
  double last = 1;
  for (double s : {0.05, 0.1, 0.3}) {
    const double v = ssim(a, a + s * noise, mask);
    EXPECT_LT(v, last);
    last = v;
  }
  // Outside the mask (beyond the window's reach) nothing counts.
  auto b = a.clone();
  b.narrow(3, 30, 18).fill_(0);
  EXPECT_NEAR(ssim(a, b, mask), 1, 1e-5);
  EXPECT_NEAR(masked_l1(a, b, mask), 0, 1e-7);
  EXPECT_NEAR(masked_l1(a, a + 0.25, mask), 0.25, 1e-5);
}

TEST(Losses, SoftMaskIsInsideTheMask) {
  auto mask = torch::zeros({1, 1, 64, 64});
  mask.narrow(2, 16, 32).narrow(3, 16, 32).fill_(1);
  const auto soft = soften_masks(mask);
  EXPECT_NEAR(soft[0][0][32][32].item<float>(), 1, 1e-5);
  EXPECT_LT(soft[0][0][0][0].item<float>(), 1e-5);
  EXPECT_GT(soft[0][0][16][32].item<float>(), 0.9);  // half the blur at the border, times two
  EXPECT_LT(soft[0][0][13][32].item<float>(), 0.6);
}

}  // namespace
}  // namespace likeness::nets
