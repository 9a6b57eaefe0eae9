// SPDX-License-Identifier: Apache-2.0
// The shared-encoder families `df` and `liae` of DeepFaceLab (shapes as in
// reference/peers-face.md 1.2; no code taken). Options: u = the code is divided by its root mean
// square, d = the last doubling is a depth-to-space of 12 channels, t = one more level with
// residual blocks. Channel order is RGB; depth-to-space is DCR and flattening C,H,W as there, so
// foreign weights need only the BGR swap of the first and last layers.
#pragma once

#include "likeness/nets/swap_net.h"

namespace likeness::nets {

/// Throws kUsage when the resolution does not divide.
std::shared_ptr<SwapNet> make_autoencoder(const NetOptions& options);

/// Number of weights by part, for the check against published sizes.
struct ParameterCounts {
  int64_t encoder = 0, inter = 0, decoder = 0;
  int64_t total() const { return encoder + inter + decoder; }
};
ParameterCounts count_parameters(const SwapNet& net);

/// A convolution with bias and padding k/2, Glorot-uniform; a member of every block here and in
/// fast.h.
class ConvImpl : public torch::nn::Module {
 public:
  ConvImpl(int in, int out, int kernel, int stride = 1);
  torch::Tensor forward(const torch::Tensor& x);             ///< no activation
  torch::Tensor lrelu(const torch::Tensor& x, float slope);  ///< fused, see fused.h
  torch::Tensor add_lrelu(const torch::Tensor& x, const torch::Tensor& residual, float slope);
  torch::Tensor lrelu_up(const torch::Tensor& x, float slope);
  /// Multiply-adds for one output of out_px x out_px.
  double macs(int out_px) const;
  torch::Tensor weight, bias;

 private:
  int stride_;
};
TORCH_MODULE(Conv);

/// conv, leaky relu 0.2, conv, add, leaky relu 0.2
class ResidualImpl : public torch::nn::Module {
 public:
  explicit ResidualImpl(int channels);
  torch::Tensor forward(const torch::Tensor& x);
  double macs(int out_px) const;

 private:
  Conv first_{nullptr}, second_{nullptr};
};
TORCH_MODULE(Residual);

/// Dense layer, Glorot-uniform.
class DenseImpl : public torch::nn::Module {
 public:
  DenseImpl(int64_t in, int64_t out);
  torch::Tensor forward(const torch::Tensor& x);
  torch::Tensor weight, bias;
};
TORCH_MODULE(Dense);

}  // namespace likeness::nets
