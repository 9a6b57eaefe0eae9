// SPDX-License-Identifier: Apache-2.0
// Convolutions with their activation and what follows in one pass over memory. On the CPU,
// elementwise work on 20 MB activations costs as much as a small convolution, so it is fused: the
// activation runs in place on the convolution's output, depth-to-space is the same pass (in
// channels-last memory and DCR order it moves whole runs of channels), and the backward pass needs
// the activation's output only. Other devices take the same path with torch's operators.
//
// Tensors: channels-last (others are converted), float32 or bfloat16, weights of the same type.
#pragma once

#include <torch/torch.h>

namespace likeness::nets {

/// leaky_relu(conv2d(x, weight, bias), slope), padding k/2.
torch::Tensor conv_lrelu(const torch::Tensor& x, const torch::Tensor& weight,
                         const torch::Tensor& bias, int stride, float slope);
/// leaky_relu(conv2d(x, weight, bias) + residual, slope); stride 1.
torch::Tensor conv_add_lrelu(const torch::Tensor& x, const torch::Tensor& weight,
                             const torch::Tensor& bias, const torch::Tensor& residual, float slope);
/// depth_to_space(leaky_relu(conv2d(x, weight, bias), slope)): N x 4C x H x W -> N x C x 2H x 2W.
torch::Tensor conv_lrelu_up(const torch::Tensor& x, const torch::Tensor& weight,
                            const torch::Tensor& bias, float slope);
/// Depth to space by 2 in DCR order: the block index is the slow channel axis, so channel
/// (2 dy + dx) C + c goes to pixel (2y + dy, 2x + dx), channel c. (torch::pixel_shuffle is CRD.)
torch::Tensor depth_to_space(const torch::Tensor& x);

struct FaceHead {
  torch::Tensor rgb, mask;  ///< N x 3 x 2H x 2W and N x 1 x 2H x 2W, float32 in [0,1]
};
/// What a decoder's last convolution gives, N x 16 x H x W, made into pictures: with d its
/// depth_to_space in float32, rgb = clamp(base + d[0:3], 0, 1) and mask = sigmoid(d[3]). Gradients
/// go to x only.
FaceHead face_head(const torch::Tensor& x, const torch::Tensor& base);

}  // namespace likeness::nets
