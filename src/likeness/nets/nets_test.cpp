// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "likeness/nets/autoencoder.h"
#include "likeness/nets/discriminator.h"
#include "likeness/nets/fused.h"
#include "likeness/nets/precision.h"

namespace likeness::nets {
namespace {

struct Row {
  NetOptions options;
  double encoder_m, inter_m, decoder_m, total_m, gmacs;
};
// reference/peers-face.md 1.2, computed there from the published shapes
const Row kTable[] = {
    {{"df", "ud", 96, 128, 64, 64, 16}, 4.31, 3.10, 30.89, 38.29, 4.03},
    {{"df", "", 128, 256, 64, 64, 22}, 4.31, 14.96, 38.27, 57.54, 27.74},
    {{"df", "ud", 128, 256, 64, 64, 22}, 4.31, 11.80, 38.36, 54.47, 7.61},
    {{"liae", "ud", 128, 256, 64, 64, 22}, 4.31, 39.87, 38.20, 82.38, 9.11},
    {{"liae", "udt", 224, 512, 64, 64, 32}, 15.65, 77.17, 86.80, 179.63, 30.96},
    {{"df", "ud", 256, 256, 64, 64, 22}, 4.31, 40.13, 38.36, 82.79, 30.46},
    {{"liae", "udt", 256, 256, 64, 64, 22}, 15.65, 33.62, 53.48, 102.75, 36.14},
    {{"liae", "ud", 512, 256, 64, 64, 22}, 4.31, 354.69, 38.20, 397.20, 145.71},
};

TEST(Autoencoder, ParameterCountsMatchThePublishedShapes) {
  for (const auto& row : kTable) {
    const auto net = make_net(row.options);
    const auto counts = count_parameters(*net);
    const std::string name =
        row.options.family + row.options.opts + std::to_string(row.options.resolution_px);
    EXPECT_NEAR(counts.encoder / 1e6, row.encoder_m, 0.006) << name;
    EXPECT_NEAR(counts.inter / 1e6, row.inter_m, 0.006) << name;
    EXPECT_NEAR(counts.decoder / 1e6, row.decoder_m, 0.006) << name;
    EXPECT_NEAR(counts.total() / 1e6, row.total_m, 0.011) << name;
    EXPECT_NEAR(net->forward_macs() / 1e9, row.gmacs, 0.011 * row.gmacs) << name;
  }
}

TEST(Autoencoder, ShapesRangesAndSidesOfEveryVariant) {
  torch::manual_seed(1);
  for (const char* family : {"df", "liae"})
    for (const char* opts : {"", "u", "d", "ud", "t", "udt"}) {
      const auto net = make_net({family, opts, 64, 16, 4, 4, 2});
      torch::NoGradGuard no_grad;
      const FaceBatch a{torch::rand({2, 3, 64, 64}), {}}, b{torch::rand({3, 3, 64, 64}), {}};
      const auto both = net->reconstruct_both(a, b);
      for (int side = 0; side < 2; ++side) {
        const auto alone = net->reconstruct(side ? b : a, static_cast<Side>(side));
        EXPECT_EQ(both[side].rgb.sizes(), (side ? b : a).image.sizes()) << family << opts;
        EXPECT_EQ(both[side].mask.size(1), 1);
        EXPECT_EQ(both[side].mask.size(3), 64);
        EXPECT_LT((alone.rgb - both[side].rgb).abs().max().item<float>(), 1e-4);
        EXPECT_LT((alone.mask - both[side].mask).abs().max().item<float>(), 1e-4);
      }
      const auto swapped = net->swap(b).rgb;
      EXPECT_GE(swapped.min().item<float>(), 0);
      EXPECT_LE(swapped.max().item<float>(), 1);
      // A swap is not the performer's own reconstruction, even before training.
      EXPECT_GT((swapped - both[1].rgb).abs().max().item<float>(), 1e-4) << family << opts;
    }
}

TEST(Autoencoder, RefusesResolutionsThatDoNotDivide) {
  EXPECT_THROW(make_net({"df", "ud", 80, 16, 4, 4, 2}), Error);
  EXPECT_THROW(make_net({"nonsense", "", 64, 16, 4, 4, 2}), Error);
  EXPECT_NO_THROW(make_net({"df", "", 80, 16, 4, 4, 2}));
}

/// The same with torch's own operators.
torch::Tensor plain(const torch::Tensor& x, const torch::Tensor& w, const torch::Tensor& b,
                    const torch::Tensor& residual, int stride, float slope, bool up) {
  auto y = at::conv2d(x, w, b, stride, w.size(2) / 2);
  if (residual.defined()) y = y + residual;
  y = at::leaky_relu(y, slope);
  return up ? depth_to_space(y) : y;
}

TEST(Fused, ValuesAndGradientsEqualTorchOperators) {
  torch::manual_seed(2);
  for (int variant = 0; variant < 4; ++variant) {
    const int stride = variant == 1 ? 2 : 1, k = variant == 1 ? 5 : 3;
    const bool up = variant == 2, add = variant == 3;
    std::vector<torch::Tensor> leaves[2];
    for (int pass = 0; pass < 2; ++pass) {
      torch::manual_seed(3);
      leaves[pass] = {torch::randn({2, 8, 12, 12}).requires_grad_(true),
                      torch::randn({8, 8, k, k}).mul_(0.2).requires_grad_(true),
                      torch::randn({8}).requires_grad_(true)};
    }
    const auto run = [&](int pass) {
      auto& [x, w, b] = *reinterpret_cast<std::array<torch::Tensor, 3>*>(leaves[pass].data());
      const auto residual = add ? x : torch::Tensor();
      if (pass == 0) return plain(x, w, b, residual, stride, 0.2f, up);
      if (up) return conv_lrelu_up(x, w, b, 0.2f);
      if (add) return conv_add_lrelu(x, w, b, residual, 0.2f);
      return conv_lrelu(x, w, b, stride, 0.2f);
    };
    const auto expected = run(0), got = run(1);
    ASSERT_EQ(expected.sizes(), got.sizes());
    EXPECT_LT((expected - got).abs().max().item<float>(), 1e-4);
    const auto g = torch::randn_like(expected).contiguous();
    expected.backward(g);
    got.backward(g);
    for (int i = 0; i < 3; ++i)
      EXPECT_LT((leaves[0][i].grad() - leaves[1][i].grad()).abs().max().item<float>(), 2e-3)
          << variant << i;
  }
}

TEST(Fused, BFloat16StaysCloseToFloat32) {
  torch::manual_seed(4);
  const auto x = torch::randn({2, 16, 12, 12}), w = torch::randn({16, 16, 3, 3}) * 0.1,
             b = torch::randn({16});
  const auto exact = conv_lrelu_up(x, w, b, 0.1f);
  const auto half =
      conv_lrelu_up(x.to(torch::kBFloat16), w.to(torch::kBFloat16), b.to(torch::kBFloat16), 0.1f);
  ASSERT_EQ(half.scalar_type(), torch::kBFloat16);
  EXPECT_LT((exact - half.to(torch::kFloat32)).abs().max().item<float>(),
            0.05 * exact.abs().max().item<float>());
}

TEST(Fused, DepthToSpaceIsDcr) {
  auto x = torch::arange(8.0).view({1, 8, 1, 1});  // channel (2dy+dx)*2 + c
  auto y = depth_to_space(x);
  for (int dy = 0; dy < 2; ++dy)
    for (int dx = 0; dx < 2; ++dx)
      for (int c = 0; c < 2; ++c) EXPECT_EQ(y[0][c][dy][dx].item<float>(), (2 * dy + dx) * 2 + c);
}

TEST(Fused, FaceHeadEqualsTorchOperators) {
  torch::manual_seed(5);
  const auto base = torch::rand({3, 3, 8, 12});
  const auto make = [] {
    return torch::randn({3, 16, 4, 6}).contiguous(torch::MemoryFormat::ChannelsLast);
  };
  const auto like_rgb = torch::randn({3, 3, 8, 12}), like_mask = torch::randn({3, 1, 8, 12});
  auto x = make().requires_grad_(), y = x.detach().clone().requires_grad_();
  const auto ours = face_head(x, base);
  const auto d = depth_to_space(y);
  const auto rgb = (base + d.narrow(1, 0, 3)).clamp(0.0, 1.0);
  const auto mask = torch::sigmoid(d.narrow(1, 3, 1));
  EXPECT_TRUE(torch::equal(ours.rgb, rgb));
  EXPECT_LT((ours.mask - mask).abs().max().item<float>(), 1e-6);
  EXPECT_GT((rgb == 1).sum().item<int64_t>(), 20);  // both ends of the clamp are met
  EXPECT_GT((rgb == 0).sum().item<int64_t>(), 20);
  ((ours.rgb * like_rgb).sum() + (ours.mask * like_mask).sum()).backward();
  ((rgb * like_rgb).sum() + (mask * like_mask).sum()).backward();
  EXPECT_LT((x.grad() - y.grad()).abs().max().item<float>(), 1e-6);
  // One of the two unused; another layout of the base, as the renderer has it; bfloat16.
  x.mutable_grad() = torch::Tensor(), y.mutable_grad() = torch::Tensor();
  (face_head(x, base.contiguous(torch::MemoryFormat::ChannelsLast)).rgb * like_rgb)
      .sum()
      .backward();
  (((base + depth_to_space(y).narrow(1, 0, 3)).clamp(0.0, 1.0)) * like_rgb).sum().backward();
  EXPECT_TRUE(torch::equal(x.grad(), y.grad()));
  const auto half = x.detach().to(torch::kBFloat16);
  EXPECT_TRUE(
      torch::equal(face_head(half, base).rgb, face_head(half.to(torch::kFloat32), base).rgb));
}

TEST(Discriminator, StridesMatchThePublishedTable) {
  const std::pair<int, std::vector<int>> table[] = {
      {16, {2, 2, 2}},       {28, {2, 1, 2, 1, 2}}, {32, {2, 2, 2, 2}},
      {40, {2, 2, 1, 2, 2}}, {64, {2, 2, 2, 2, 2}}, {80, {2, 2, 2, 1, 2, 2}}};
  for (const auto& [patch, strides] : table) EXPECT_EQ(patch_strides(patch), strides) << patch;
}

TEST(Discriminator, LearnsToTellAndTheGeneratorHearsOfIt) {
  torch::manual_seed(5);
  PatchDiscriminator d(16, 4);
  const auto real = torch::rand({2, 3, 48, 48}) * 0.2 + 0.7;
  auto fake = (torch::rand({2, 3, 48, 48}) * 0.2).requires_grad_(true);
  const auto logits = d.forward(real);
  EXPECT_EQ(logits.full.sizes(), (torch::IntArrayRef{2, 1, 48, 48}));
  EXPECT_EQ(logits.bottom.sizes(), (torch::IntArrayRef{2, 1, 6, 6}));
  torch::optim::Adam adam(d.parameters(), 1e-2);
  const double before = discriminator_loss(d, real, fake).item<double>();
  for (int i = 0; i < 20; ++i) {
    adam.zero_grad();
    discriminator_loss(d, real, fake).backward();
    adam.step();
  }
  EXPECT_LT(discriminator_loss(d, real, fake).item<double>(), 0.5 * before);
  generator_loss(d, fake, real, {}).backward();
  EXPECT_LT(fake.grad().sum().item<double>(), 0);  // brighter is more real
}

TEST(Precision, NamesAreChecked) {
  EXPECT_EQ(pick_precision("f32", torch::kCPU), Precision::kFloat32);
  EXPECT_EQ(pick_precision("bf16", torch::kCPU), Precision::kBFloat16);
  EXPECT_EQ(pick_precision("auto", torch::kCPU),
            cpu_has_bfloat16() ? Precision::kBFloat16 : Precision::kFloat32);
  EXPECT_THROW(pick_precision("f16", torch::kCPU), Error);
  EXPECT_THROW(pick_device("cuda:x"), Error);
  EXPECT_THROW(pick_device("tpu"), Error);
  if (!torch::cuda::is_available()) {
    EXPECT_THROW(pick_device("cuda"), Error);
  }
}

}  // namespace
}  // namespace likeness::nets
