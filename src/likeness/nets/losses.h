// SPDX-License-Identifier: Apache-2.0
// What a face network is compared with. Everything here runs in float32.
//
// DSSIM = (1 - SSIM) / 2 with SSIM of Wang et al. 2004: Gaussian window of sigma 1.5, k1 = 0.01, k2
// = 0.03, positions whose window lies inside the image. Means are over all positions, channels and
// images. On the CPU all pixel terms and their gradient are computed plane by plane in one go,
// while the plane is in the cache; elsewhere by torch operators. Both give the same numbers
// (losses_test).
#pragma once

#include <vector>

#include <torch/torch.h>

#include "likeness/nets/swap_net.h"

namespace likeness::nets {

struct LossWeights {
  double dssim = 10, l1 = 0, mse = 10, priority = 30, mask = 10, edge = 0;
};
/// What one side is compared with; all N x C x R x R float32 in [0,1], contiguous, without
/// gradient.
struct LossTarget {
  torch::Tensor rgb;       ///< 3 channels
  torch::Tensor weight;    ///< 1 channel: soft mask on both images; undefined = everything counts
  torch::Tensor priority;  ///< 1 channel: eyes and mouth; undefined = none
  torch::Tensor mask;      ///< 1 channel: target of the learned mask; undefined = not learned
};
/// Weighted terms, for the log.
struct LossTerms {
  double dssim = 0, pixel = 0, priority = 0, mask = 0, edge = 0;
  double total() const { return dssim + pixel + priority + mask + edge; }
};

/// One scalar with a gradient to output.rgb and output.mask. `terms` may be null.
torch::Tensor face_loss(const FaceOutput& output, const LossTarget& target,
                        const LossWeights& weights, LossTerms* terms);
/// The same by torch operators on any device: the reference of the fused one.
torch::Tensor face_loss_reference(const FaceOutput& output, const LossTarget& target,
                                  const LossWeights& weights, LossTerms* terms);

/// Side of the DSSIM window: int(res / 11.6), at most 13. The published recipe goes on growing it
/// and adds a second window from 256 px, but sigma stays 1.5: beyond 4 sigma the taps are under
/// 3e-4, and the two are one.
int dssim_window_px(int resolution_px);
std::vector<float> gaussian_window(int size_px, double sigma);

/// Masks softened for training: clip(gauss(mask, sigma = R / 32), 0, 0.5) * 2. N x 1 x R x R
/// float32.
torch::Tensor soften_masks(const torch::Tensor& masks);

/// Mean SSIM (11 px window, sigma 1.5), weighted by `mask` (N x 1 x R x R, undefined = 1). No
/// gradient.
double ssim(const torch::Tensor& a, const torch::Tensor& b, const torch::Tensor& mask = {});
/// Mean absolute difference where `mask` counts.
double masked_l1(const torch::Tensor& a, const torch::Tensor& b, const torch::Tensor& mask = {});

}  // namespace likeness::nets
