// SPDX-License-Identifier: Apache-2.0
// The `fast` family: our own, for minutes on a CPU.
//
// It lives in mesh space (face/mesh_warp.h) and learns a residual: the linear appearance model
// already gives the person's face for an expression (`FaceBatch::base`), the network adds what is
// not linear: eyes, mouth, wrinkles, highlights. Its input is the deviation of a face from that
// person's mean (0.5 = no deviation), so the encoder never has to learn who it sees, and what it
// learns on one person holds for the other. Shape: 4 strided 3x3 convolutions (e, 2e, 3e, 4e) - 1x1
// to e - dense to ae - dense to 4d - per side three conv + depth-to-space (3d, 2d, d) - one 3x3
// convolution at half size to 16 channels (4 pixels of RGB and mask), depth-to-space. The last
// layer starts at zero: at step 0 the output is `base`.
#pragma once

#include "likeness/nets/swap_net.h"

namespace likeness::nets {

/// Throws kUsage when the resolution is not a multiple of 16.
std::shared_ptr<SwapNet> make_fast_net(const NetOptions& options);

}  // namespace likeness::nets
