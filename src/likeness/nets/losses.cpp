// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/losses.h"

#include <cmath>

#include <ATen/Parallel.h>

#include "likeness/base/error.h"
#include "likeness/nets/loss_kernel.h"

namespace likeness::nets {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
namespace F = torch::nn::functional;

PlaneWeights plane_weights(const LossWeights& w, int side) {
  PlaneWeights out;
  out.l1 = static_cast<float>(w.l1);
  out.mse = static_cast<float>(w.mse);
  out.priority = static_cast<float>(w.priority);
  out.edge = static_cast<float>(w.edge);
  if (w.dssim > 0) out.window = gaussian_window(dssim_window_px(side), 1.5);
  out.dssim = static_cast<float>(w.dssim);
  return out;
}

void check_plane(const torch::Tensor& t, int64_t n, int64_t channels, int64_t side) {
  LIKENESS_REQUIRE(t.scalar_type() == torch::kFloat32 && t.is_contiguous() && t.dim() == 4 &&
                   t.size(0) == n && t.size(1) == channels && t.size(2) == side &&
                   t.size(3) == side);
}

/// Runs plane_loss over all planes; gradient is scaled for the mean over planes.
PlaneTerms pixel_terms(const torch::Tensor& rgb, const LossTarget& target,
                       const LossWeights& weights, torch::Tensor& gradient) {
  const int64_t n = rgb.size(0), side = rgb.size(2), planes = n * 3, area = side * side;
  check_plane(target.rgb, n, 3, side);
  if (target.weight.defined()) check_plane(target.weight, n, 1, side);
  if (target.priority.defined()) check_plane(target.priority, n, 1, side);
  const auto w = plane_weights(weights, static_cast<int>(side));
  const float* from = rgb.data_ptr<float>();
  float* to = gradient.data_ptr<float>();
  const float* wanted = target.rgb.data_ptr<float>();
  const float* soft = target.weight.defined() ? target.weight.data_ptr<float>() : nullptr;
  const float* eyes = target.priority.defined() ? target.priority.data_ptr<float>() : nullptr;
  const float scale = 1.0f / static_cast<float>(planes);
  std::vector<PlaneTerms> terms(planes);
  at::parallel_for(0, planes, 1, [&](int64_t begin, int64_t end) {
    static thread_local PlaneScratch scratch;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / 3, offset = image * rgb.stride(0) + (i % 3) * rgb.stride(1);
      terms[i] =
          plane_loss(from + offset, rgb.stride(2), rgb.stride(3), wanted + i * area,
                     soft ? soft + image * area : nullptr, eyes ? eyes + image * area : nullptr,
                     static_cast<int>(side), w, scale, to + offset, scratch);
    }
  });
  PlaneTerms sum;  // in order: the same value for any number of threads
  for (const auto& t : terms) {
    sum.dssim += t.dssim / static_cast<double>(planes);
    sum.l1 += t.l1 / static_cast<double>(planes);
    sum.mse += t.mse / static_cast<double>(planes);
    sum.priority += t.priority / static_cast<double>(planes);
    sum.edge += t.edge / static_cast<double>(planes);
  }
  return sum;
}

/// A scalar whose gradients are already known.
struct KnownGradient : torch::autograd::Function<KnownGradient> {
  static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& rgb,
                               const torch::Tensor& mask, const torch::Tensor& rgb_gradient,
                               const torch::Tensor& mask_gradient, double value) {
    ctx->save_for_backward({rgb_gradient, mask_gradient});
    return torch::full({}, value, torch::kFloat32);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const float g = grads[0].item<float>();
    const auto scaled = [&](const torch::Tensor& t) { return g == 1.0f ? t : t * g; };
    return {scaled(saved[0]), scaled(saved[1]), torch::Tensor(), torch::Tensor(), torch::Tensor()};
  }
};

torch::Tensor depthwise(const torch::Tensor& x, const std::vector<float>& taps) {
  const int64_t c = x.size(1), k = static_cast<int64_t>(taps.size());
  const auto line = torch::tensor(taps).to(x.device());
  const auto horizontal = line.view({1, 1, 1, k}).expand({c, 1, 1, k}).contiguous();
  const auto vertical = line.view({1, 1, k, 1}).expand({c, 1, k, 1}).contiguous();
  const torch::Tensor none;
  const std::vector<int64_t> one{1, 1}, zero{0, 0};
  return at::conv2d(at::conv2d(x, horizontal, none, one, zero, one, c), vertical, none, one, zero,
                    one, c);
}

torch::Tensor ssim_map(const torch::Tensor& x, const torch::Tensor& y,
                       const std::vector<float>& taps) {
  const double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
  const auto mx = depthwise(x, taps), my = depthwise(y, taps);
  const auto mxy = mx * my, msq = mx * mx + my * my;
  const auto variance = torch::clamp_min(depthwise(x * x + y * y, taps) - msq, 0.0);
  return (2 * mxy + c1) / (msq + c1) * (2 * (depthwise(x * y, taps) - mxy) + c2) / (variance + c2);
}

}  // namespace

int dssim_window_px(int resolution_px) {
  return std::clamp(static_cast<int>(resolution_px / 11.6), 3, 13);
}

std::vector<float> gaussian_window(int size_px, double sigma) {
  std::vector<float> taps(size_px);
  double sum = 0;
  for (int pass = 0; pass < 2; ++pass)
    for (int i = 0; i < size_px; ++i) {
      const double d = (i - (size_px - 1) / 2.0) / sigma, v = std::exp(-0.5 * d * d);
      if (pass == 0)
        sum += v;
      else
        taps[i] = static_cast<float>(v / sum);
    }
  return taps;
}

torch::Tensor face_loss(const FaceOutput& output, const LossTarget& target,
                        const LossWeights& weights, LossTerms* terms) {
  if (!output.rgb.device().is_cpu()) return face_loss_reference(output, target, weights, terms);
  const auto rgb = output.rgb.detach();
  auto rgb_gradient = torch::empty_strided(rgb.sizes(), rgb.strides(), rgb.options());
  const auto sums = pixel_terms(rgb, target, weights, rgb_gradient);
  LossTerms value{sums.dssim, sums.l1 + sums.mse, sums.priority, 0, sums.edge};
  torch::Tensor mask_gradient;
  const auto mask = output.mask.detach();
  if (weights.mask > 0 && target.mask.defined()) {
    mask_gradient = mask - target.mask;
    value.mask = weights.mask * mask_gradient.square().mean().item<double>();
    mask_gradient.mul_(2 * weights.mask / static_cast<double>(mask.numel()));
  } else {
    mask_gradient = torch::zeros_like(mask);
  }
  if (terms) *terms = value;
  return KnownGradient::apply(output.rgb, output.mask, rgb_gradient, mask_gradient, value.total());
}

torch::Tensor face_loss_reference(const FaceOutput& output, const LossTarget& target,
                                  const LossWeights& w, LossTerms* terms) {
  const auto zero = torch::zeros({}, output.rgb.options());
  auto x = output.rgb, y = target.rgb;
  if (target.weight.defined()) {
    x = x * target.weight;
    y = y * target.weight;
  }
  auto dssim = zero, pixel = zero, priority = zero, mask = zero, edge = zero;
  if (w.dssim > 0) {
    const auto taps = gaussian_window(dssim_window_px(static_cast<int>(x.size(2))), 1.5);
    dssim = w.dssim * 0.5 * (1 - ssim_map(x, y, taps).mean());
  }
  const auto d = x - y;
  if (w.mse > 0) pixel = pixel + w.mse * d.square().mean();
  if (w.l1 > 0) pixel = pixel + w.l1 * d.abs().mean();
  if (w.edge > 0)
    edge = w.edge * (torch::diff(d, 1, 2).abs().mean() + torch::diff(d, 1, 3).abs().mean());
  if (w.priority > 0 && target.priority.defined())
    priority = w.priority * ((output.rgb - target.rgb).abs() * target.priority).mean();
  if (w.mask > 0 && target.mask.defined())
    mask = w.mask * (output.mask - target.mask).square().mean();
  if (terms) {  // one copy from the device
    const auto all =
        torch::stack({dssim, pixel, priority, mask, edge}).detach().to(torch::kCPU, torch::kDouble);
    const double* v = all.data_ptr<double>();
    *terms = {v[0], v[1], v[2], v[3], v[4]};
  }
  return dssim + pixel + priority + mask + edge;
}

torch::Tensor soften_masks(const torch::Tensor& masks) {
  const double sigma = std::max(0.5, static_cast<double>(masks.size(2)) / 32.0);
  const int size = std::max(3, static_cast<int>(4 * sigma) | 1);
  const auto padded = torch::constant_pad_nd(masks, {size / 2, size / 2, size / 2, size / 2}, 0);
  return (depthwise(padded, gaussian_window(size, sigma)).clamp(0, 0.5) * 2).contiguous();
}

double ssim(const torch::Tensor& a, const torch::Tensor& b, const torch::Tensor& mask) {
  torch::NoGradGuard no_grad;
  const int size = std::min<int>(11, static_cast<int>(a.size(2)) | 1);
  const auto map =
      ssim_map(a.to(torch::kFloat32), b.to(torch::kFloat32), gaussian_window(size, 1.5));
  if (!mask.defined()) return map.mean().item<double>();
  const int64_t border = size / 2, side = map.size(2);
  const auto weight = mask.to(torch::kFloat32).narrow(2, border, side).narrow(3, border, side);
  return ((map * weight).sum() / (weight.sum() * map.size(1)).clamp_min(1e-6)).item<double>();
}

double masked_l1(const torch::Tensor& a, const torch::Tensor& b, const torch::Tensor& mask) {
  torch::NoGradGuard no_grad;
  const auto d = (a.to(torch::kFloat32) - b.to(torch::kFloat32)).abs();
  if (!mask.defined()) return d.mean().item<double>();
  const auto weight = mask.to(torch::kFloat32);
  return ((d * weight).sum() / (weight.sum() * a.size(1)).clamp_min(1e-6)).item<double>();
}

}  // namespace likeness::nets
