// SPDX-License-Identifier: Apache-2.0
// Adam and AdaBelief over runs of weights, everything of a weight in one visit. No torch here.
#pragma once

#include <cstdint>

#include "likeness/nets/bfloat16.h"

namespace likeness::nets {

struct UpdateRule {
  bool adabelief = true;
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  float step_size = 0;                   ///< rate / (1 - beta1^t)
  float inverse_scale = 1;               ///< 1 / sqrt(1 - beta2^t)
  float decay = 0;                       ///< rate * weight decay (decoupled)
  float gradient_scale = 1;              ///< from clipping
  float average_keep = 1;                ///< decay of the average; 1 = leave the average alone
  uint32_t dropout_below = 0xffffffffu;  ///< weights whose hash is above it are not moved
  uint32_t dropout_key = 0;
};

/// Pointers to the same run of weights in each buffer; index of its first weight for the dropout's
/// hash.
template <typename G, typename W>
struct UpdateRun {
  const G* gradient;
  float *master, *first, *second, *average;
  W* working;  ///< may be null (the master is the working copy)
  int64_t size;
  uint32_t index;
};

double sum_of_squares(const BF16* values, int64_t n);
double sum_of_squares(const float* values, int64_t n);
void update(const UpdateRun<BF16, BF16>& run, const UpdateRule& rule);
void update(const UpdateRun<float, float>& run, const UpdateRule& rule);

}  // namespace likeness::nets
