// SPDX-License-Identifier: Apache-2.0
// Adam (Kingma and Ba 2015) and AdaBelief (Zhuang et al. 2020), both with bias correction, over one
// flat float32 buffer of all weights. On the CPU one pass over memory reads the gradient and writes
// the master weight, both moments, the running average and the bfloat16 working copy; on other
// devices torch operators work on the flat buffers.
#pragma once

#include <string>
#include <vector>

#include <torch/torch.h>

#include "likeness/nets/precision.h"

namespace likeness::nets {

struct OptimiserOptions {
  std::string kind = "adabelief";  ///< adam, adabelief
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0;  ///< decoupled
  double clip_norm = 0;     ///< of the gradient over all weights; 0 = off
  double lr_dropout = 1;    ///< share of the weights moved in a step
  double ema_decay = 0;     ///< 0 = no average; warms up as (1 + t) / (10 + t)
  int ema_every = 4;  ///< the average is touched every so many steps (with the matching decay)
  uint64_t seed = 0;  ///< of lr_dropout
};

/// Takes over a module's weights: after construction its parameters are views into `working`
/// (bfloat16 or float32, on the device), four-dimensional ones channels-last.
class Optimiser {
 public:
  /// Where one parameter lies in the flat buffers, in its physical order.
  struct Slot {
    std::string name;
    std::vector<int64_t> shape, strides;
    int64_t offset = 0, size = 0;
  };
  struct StepResult {
    double gradient_norm = 0;  ///< before clipping
    bool finite = true;        ///< false: nothing was changed
  };

  Optimiser(torch::nn::Module& module, const torch::Device& device, Precision precision,
            OptimiserOptions options);
  /// Uses and clears the gradients. A parameter without gradient stays as it is.
  StepResult step(double rate);
  void zero_grad();

  int64_t steps_done() const { return steps_; }
  const std::vector<Slot>& slots() const { return slots_; }
  OptimiserOptions& options() { return options_; }

  /// Flat float32 state on the device, padding included; the tensors are the live ones.
  struct State {
    torch::Tensor master, first, second, average;
  };
  State state() const { return {master_, first_, second_, average_}; }
  /// Copies. Throws kDamaged when a size does not fit.
  void restore(const State& state, int64_t steps);
  /// A parameter out of a flat buffer (view, logical shape).
  torch::Tensor view(const torch::Tensor& flat, const Slot& slot) const;
  /// Copies the averaged weights (or the weights, without average) into a module of the same shape.
  void copy_average_to(torch::nn::Module& module) const;

 private:
  struct Run {  // a piece of a slot, small enough to share between threads
    size_t slot;
    int64_t begin, size;
  };
  double gradient_norm(const std::vector<torch::Tensor>& gradients) const;
  void update_cpu(const std::vector<torch::Tensor>& gradients, const struct UpdateRule& rule);
  void update_torch(const std::vector<torch::Tensor>& gradients, const struct UpdateRule& rule);

  OptimiserOptions options_;
  torch::Device device_;
  std::vector<torch::Tensor> parameters_;
  std::vector<Slot> slots_;
  std::vector<Run> runs_;
  torch::Tensor master_, first_, second_, average_, working_;
  int64_t steps_ = 0;
};

/// The learning rate as a share of the highest: warm-up (linear over `warmup_steps`), then by
/// `kind` constant, cosine (down to `final_rate`) or one_cycle (up over the first 15 % of the run
/// from a tenth, then cosine down). `fraction` is how much of the run is done, 0..1.
double rate_factor(const std::string& kind, int64_t step, int warmup_steps, double fraction,
                   double final_rate);

}  // namespace likeness::nets
