// SPDX-License-Identifier: Apache-2.0
// What the trainer eats: every crop precomputed, as uint8 tensors in memory (CPU, contiguous).
#pragma once

#include <cstdint>
#include <vector>

#include <torch/torch.h>

namespace likeness::train {

struct PreparedSide {
  torch::Tensor images;   ///< M x 3 x R x R uint8, network input space
  torch::Tensor targets;  ///< M x 3 x R x R uint8, what the output should be; may alias images
  torch::Tensor
      masks;  ///< M x 1 x R x R uint8: where the loss counts, and the learned mask's target
  torch::Tensor
      priority;        ///< M x 1 x R x R uint8: extra weight of eyes and mouth; undefined = none
  torch::Tensor base;  ///< M x 3 x R x R uint8: appearance to start from; undefined for df/liae
  std::vector<int64_t> held_out;  ///< rows never trained on: held-out metrics and previews
};

/// Indexed by nets::Side: side[0] is the identity, side[1] the performer.
struct PreparedData {
  PreparedSide side[2];
};

/// Throws kBadInput naming the side and field: wrong shape or type, M = 0, fewer than 2 rows to
/// train on, held-out rows out of range.
void check_prepared(const PreparedData& data);

}  // namespace likeness::train
