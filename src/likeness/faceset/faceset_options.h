// SPDX-License-Identifier: Apache-2.0
// The one declaration of the filter options (flags, presets, schema and docs come from it).
#pragma once

#include "likeness/base/options.h"
#include "likeness/faceset/faceset.h"

namespace likeness::faceset {

template <typename V>
void visit(Filter& o, V&& f) {
  using I = OptionInfo;
  constexpr auto kMore = OptionLevel::kAdvanced;
  f("min_sharpness", o.min_sharpness,
    I{.help = "drop blurred faces below this", .min = 0, .max = 1});
  f("min_size_px", o.min_size_px,
    I{.help = "drop faces smaller than this in the footage", .unit = "px", .min = 0, .max = 8192});
  f("max_occlusion", o.max_occlusion,
    I{.help = "drop faces with more of the skin covered than this", .min = 0, .max = 1});
  f("min_exposure", o.min_exposure,
    I{.help = "drop faces exposed worse than this (1 = well exposed)", .min = 0, .max = 1});
  f("min_yaw_deg", o.min_yaw_deg,
    I{.help = "drop faces turned further left",
      .unit = "deg",
      .min = -180,
      .max = 180,
      .level = kMore});
  f("max_yaw_deg", o.max_yaw_deg,
    I{.help = "drop faces turned further right",
      .unit = "deg",
      .min = -180,
      .max = 180,
      .level = kMore});
  f("min_pitch_deg", o.min_pitch_deg,
    I{.help = "drop faces looking further down",
      .unit = "deg",
      .min = -180,
      .max = 180,
      .level = kMore});
  f("max_pitch_deg", o.max_pitch_deg,
    I{.help = "drop faces looking further up",
      .unit = "deg",
      .min = -180,
      .max = 180,
      .level = kMore});
  f("max_distance", o.max_distance,
    I{.help = "drop faces less alike than this to the set's mean (same person < 0.5)",
      .min = 0,
      .max = 10});
  f("near_duplicate", o.near_duplicate,
    I{.help = "drop crops that differ less than this from a kept one (0.02 is a good start)",
      .min = 0,
      .max = 1});
  f("best", o.best,
    I{.help = "keep at most this many, balanced over yaw and pitch (0 = all)",
      .min = 0,
      .max = 1e7});
}

}  // namespace likeness::faceset
