// SPDX-License-Identifier: Apache-2.0
// How a generated face goes into the frame. Declared once; see base/options.h.
#pragma once

#include <string>

#include "likeness/base/options.h"

namespace likeness::swap {

struct SwapOptions {
  double opacity = 1;
  double shape = 1;
  double relight = 1;
  std::string color = "tone";
  std::string blend = "alpha";
  double seam = 1;
  double erode_pct = 0.0, blur_pct = 2.0;
  bool learned_mask = true;
  double occlusion = 0;
  double keep_mouth = 0, keep_eyes = 0;
  double sharpen = 0, grain = 0;
  double motion_blur = 0;
  std::string precision = "auto", device = "auto";
};

template <typename V>
void visit(SwapOptions& o, V&& f) {
  const OptionLevel kAdvanced = OptionLevel::kAdvanced;
  f("opacity", o.opacity,
    OptionInfo{.help = "how much of the new face is laid over the old", .min = 0, .max = 1});
  f("shape", o.shape,
    OptionInfo{.help = "how much of the identity's face shape is taken (mesh models)",
               .min = 0,
               .max = 1});
  f("relight", o.relight,
    OptionInfo{.help = "how closely the light of the footage is followed (mesh models)",
               .min = 0,
               .max = 1});
  f("color", o.color,
    OptionInfo{.help = "colour match: tone = the performer's skin tone from training, none = the "
                       "identity's own; "
                       "rct, lct, mkl, idt, sot = match statistics of each frame",
               .choices = {"tone", "none", "rct", "linear", "lct", "mkl", "idt", "sot"}});
  f("blend", o.blend,
    OptionInfo{.help = "how the edge is joined", .choices = {"alpha", "multiband", "poisson"}});
  f("seam", o.seam,
    OptionInfo{.help = "how closely the new face takes the footage's light at its edge",
               .min = 0,
               .max = 1});
  f("erode_pct", o.erode_pct,
    OptionInfo{.help = "shrink the mask, of the face width (negative grows)",
               .unit = "%",
               .min = -20,
               .max = 40});
  f("blur_pct", o.blur_pct,
    OptionInfo{
        .help = "soften the mask's edge, of the face width", .unit = "%", .min = 0, .max = 50});
  f("learned_mask", o.learned_mask,
    OptionInfo{.help = "multiply by the network's own mask (crop models: df, liae)",
               .level = kAdvanced});
  f("occlusion", o.occlusion,
    OptionInfo{.help = "keep what lies in front of the face (hands, hair): 0 off, 1 full",
               .min = 0,
               .max = 1});
  f("keep_mouth", o.keep_mouth,
    OptionInfo{.help = "leave the performer's inner mouth", .min = 0, .max = 1});
  f("keep_eyes", o.keep_eyes, OptionInfo{.help = "leave the performer's eyes", .min = 0, .max = 1});
  f("sharpen", o.sharpen, OptionInfo{.help = "unsharp mask on the new face", .min = 0, .max = 3});
  f("grain", o.grain,
    OptionInfo{.help = "share of the footage's grain added to the new face", .min = 0, .max = 2});
  f("motion_blur", o.motion_blur,
    OptionInfo{.help = "blur by the face's motion: share of the frame interval the shutter is open",
               .min = 0,
               .max = 1});
  f("precision", o.precision,
    OptionInfo{.help = "number type of the network",
               .choices = {"auto", "f32", "bf16"},
               .level = kAdvanced});
  f("device", o.device, OptionInfo{.help = "auto, cpu, cuda or cuda:1", .level = kAdvanced});
}

}  // namespace likeness::swap
