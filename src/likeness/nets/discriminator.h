// SPDX-License-Identifier: Apache-2.0
// The optional patch discriminator of the `fine` preset: a U-Net with two outputs (at the bottom
// and at full size), 3x3 convolutions whose strides are searched so that the receptive field is
// about the patch (reference/peers-face.md 1.2).
#pragma once

#include <vector>

#include <torch/torch.h>

#include "likeness/nets/swap_net.h"

namespace likeness::nets {

/// Strides of 3x3 convolutions whose receptive field is nearest to patch_px; the smaller field,
/// then the fewest layers, then the earliest reduction win. [2,2,2] has a field of 15.
std::vector<int> patch_strides(int patch_px);
int receptive_field(const std::vector<int>& strides);

class PatchDiscriminator : public torch::nn::Module {
 public:
  PatchDiscriminator(int patch_px, int base_dims);
  struct Logits {
    torch::Tensor bottom, full;  ///< N x 1 x h x w, float32
  };
  Logits forward(const torch::Tensor& rgb);

 private:
  std::vector<torch::nn::Conv2d> downs_, ups_;  // ups follow a nearest-neighbour doubling
  torch::nn::Conv2d in_{nullptr}, out_bottom_{nullptr}, out_full_{nullptr};
};

/// Half the sum of real and fake binary cross entropy per output.
torch::Tensor discriminator_loss(PatchDiscriminator& d, const torch::Tensor& real,
                                 const torch::Tensor& fake);
/// Both outputs' cross entropy against "real", plus 1e-6 * total variation^2 and 0.02 * squared
/// error outside the soft mask `weight` (may be undefined).
torch::Tensor generator_loss(PatchDiscriminator& d, const torch::Tensor& fake,
                             const torch::Tensor& target, const torch::Tensor& weight);

}  // namespace likeness::nets
