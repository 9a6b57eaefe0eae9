// SPDX-License-Identifier: Apache-2.0
// The one interface of every face-swap network, and its options. No I/O here.
//
// Rules for the whole module
// - Images are N x 3 x R x R, RGB, float32 in [0,1]; masks N x 1 x R x R, float32 in [0,1]. Inside
// a
//   network the working type may be bfloat16; what goes in and comes out is float32.
// - Any memory format is accepted; channels-last is the fast one and is what comes out.
// - Side: kIdentity is the person whose likeness is made, kPerformer the person who acts.
// - A network is a function of its input and weights: no dropout, no batch statistics.
#pragma once

#include <array>
#include <memory>
#include <string>

#include <torch/torch.h>

#include "likeness/base/options.h"

namespace likeness::nets {

enum class Side { kIdentity = 0, kPerformer = 1 };

struct FaceBatch {
  torch::Tensor image;  ///< N x 3 x R x R, [0,1], network input
  torch::Tensor base;   ///< N x 3 x R x R, [0,1], appearance to start from; undefined for df/liae
};
struct FaceOutput {
  torch::Tensor rgb;   ///< N x 3 x R x R, [0,1]
  torch::Tensor mask;  ///< N x 1 x R x R, [0,1]
};

/// What shapes a network: it is stored with the weights and rebuilds the same modules.
struct NetOptions {
  std::string family = "fast";  ///< df, liae, fast
  std::string opts = "ud";      ///< any of u, d, t (df and liae)
  int resolution_px = 128;
  int ae_dims = 256, e_dims = 64, d_dims = 64, d_mask_dims = 22;
};
template <typename V>
void visit(NetOptions& o, V&& f) {
  using L = OptionLevel;
  f("family", o.family,
    OptionInfo{.help = "network family", .choices = {"fast", "df", "liae"}, .level = L::kBasic});
  f("opts", o.opts,
    OptionInfo{.help = "df and liae: u = unit code, d = double size at the end, t = more residuals",
               .choices = {"", "u", "d", "t", "ud", "ut", "dt", "udt"},
               .level = L::kAdvanced});
  f("resolution_px", o.resolution_px,
    OptionInfo{.help = "side of the face square", .unit = "px", .min = 32, .max = 640});
  f("ae_dims", o.ae_dims,
    OptionInfo{.help = "width of the code", .min = 8, .max = 2048, .level = L::kAdvanced});
  f("e_dims", o.e_dims,
    OptionInfo{.help = "encoder width", .min = 4, .max = 512, .level = L::kAdvanced});
  f("d_dims", o.d_dims,
    OptionInfo{.help = "decoder width", .min = 4, .max = 512, .level = L::kAdvanced});
  f("d_mask_dims", o.d_mask_dims,
    OptionInfo{.help = "mask decoder width", .min = 2, .max = 256, .level = L::kAdvanced});
}

class SwapNet : public torch::nn::Module {
 public:
  /// The face of `side`, made from its own image: what training compares with the target.
  virtual FaceOutput reconstruct(const FaceBatch& batch, Side side) = 0;
  /// Both sides at once, indexed by Side. Families with a shared encoder override it: one larger
  /// batch through the encoder is cheaper than two.
  virtual std::array<FaceOutput, 2> reconstruct_both(const FaceBatch& identity,
                                                     const FaceBatch& performer) {
    return {reconstruct(identity, Side::kIdentity), reconstruct(performer, Side::kPerformer)};
  }
  /// The identity's face with the performer's expression.
  virtual FaceOutput swap(const FaceBatch& performer_batch) = 0;
  virtual int resolution() const = 0;
  /// Multiply-adds of one reconstruct() of one image (convolutions and dense layers only).
  virtual double forward_macs() const = 0;
};

/// Throws kUsage for a combination that cannot be built (resolution not a multiple of 16, or 32
/// with d).
std::shared_ptr<SwapNet> make_net(const NetOptions& options);

}  // namespace likeness::nets
