// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/discriminator.h"

#include <algorithm>
#include <cmath>

namespace likeness::nets {
namespace {

constexpr double kSlope = 0.2;

torch::Tensor bce(const torch::Tensor& logits, float label) {
  return torch::binary_cross_entropy_with_logits(logits, torch::full_like(logits, label));
}

}  // namespace

int receptive_field(const std::vector<int>& strides) {
  int field = 1, jump = 1;
  for (int s : strides) {
    field += 2 * jump;
    jump *= s;
  }
  return field;
}

std::vector<int> patch_strides(int patch_px) {
  std::vector<int> best;
  auto key = [&](const std::vector<int>& s) {
    const int field = receptive_field(s);
    return std::make_tuple(std::abs(field - patch_px), field, s.size());
  };
  for (int layers = 1; layers <= 7; ++layers)
    for (int bits = 0; bits < (1 << layers); ++bits) {
      std::vector<int> s(layers);
      for (int i = 0; i < layers; ++i) s[i] = (bits >> (layers - 1 - i)) & 1 ? 1 : 2;  // 2s first
      if (best.empty() || key(s) < key(best)) best = s;
    }
  return best;
}

PatchDiscriminator::PatchDiscriminator(int patch_px, int base_dims) {
  using torch::nn::Conv2dOptions;
  const auto strides = patch_strides(patch_px);
  std::vector<int64_t> widths{base_dims};
  for (size_t i = 0; i < strides.size(); ++i)
    widths.push_back(std::min<int64_t>(512, int64_t{base_dims} << (i + 1)));
  in_ = register_module("in", torch::nn::Conv2d(Conv2dOptions(3, widths[0], 1)));
  for (size_t i = 0; i < strides.size(); ++i)
    downs_.push_back(register_module(
        "down" + std::to_string(i),
        torch::nn::Conv2d(
            Conv2dOptions(widths[i], widths[i + 1], 3).stride(strides[i]).padding(1))));
  out_bottom_ =
      register_module("out_bottom", torch::nn::Conv2d(Conv2dOptions(widths.back(), 1, 1)));
  int64_t in = widths.back();
  for (size_t i = strides.size(); i-- > 0;) {
    ups_.push_back(register_module("up" + std::to_string(i),
                                   torch::nn::Conv2d(Conv2dOptions(in, widths[i], 3).padding(1))));
    in = 2 * widths[i];  // concatenated with the level's own features
  }
  out_full_ = register_module("out_full", torch::nn::Conv2d(Conv2dOptions(in, 1, 1)));
}

PatchDiscriminator::Logits PatchDiscriminator::forward(const torch::Tensor& rgb) {
  auto x = torch::leaky_relu(
      in_(rgb.to(in_->weight.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast)), kSlope);
  std::vector<torch::Tensor> skips;
  for (auto& down : downs_) {
    skips.push_back(x);
    x = torch::leaky_relu(down(x), kSlope);
  }
  Logits out;
  out.bottom = out_bottom_(x).to(torch::kFloat32);
  for (auto& up : ups_) {
    const auto& skip = skips.back();
    if (skip.size(2) != x.size(2)) x = at::upsample_nearest2d(x, {skip.size(2), skip.size(3)});
    x = torch::leaky_relu(up(x), kSlope);
    x = torch::cat({x, skip}, 1);
    skips.pop_back();
  }
  out.full = out_full_(x).to(torch::kFloat32);
  return out;
}

torch::Tensor discriminator_loss(PatchDiscriminator& d, const torch::Tensor& real,
                                 const torch::Tensor& fake) {
  const auto r = d.forward(real.detach()), f = d.forward(fake.detach());
  return 0.5 * (bce(r.bottom, 1) + bce(f.bottom, 0)) + 0.5 * (bce(r.full, 1) + bce(f.full, 0));
}

torch::Tensor generator_loss(PatchDiscriminator& d, const torch::Tensor& fake,
                             const torch::Tensor& target, const torch::Tensor& weight) {
  const auto judged = weight.defined() ? fake * weight : fake;
  const auto logits = d.forward(judged);
  auto loss = bce(logits.bottom, 1) + bce(logits.full, 1);
  const auto variation = torch::diff(fake, 1, 2).square().sum({1, 2, 3}) +
                         torch::diff(fake, 1, 3).square().sum({1, 2, 3});
  loss = loss + 1e-6 * variation.mean();
  if (weight.defined()) loss = loss + 0.02 * ((fake - target) * (1 - weight)).square().mean();
  return loss;
}

}  // namespace likeness::nets
