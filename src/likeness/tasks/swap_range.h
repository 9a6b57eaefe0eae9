// SPDX-License-Identifier: Apache-2.0
// Settings that hold for some frames of a swap only.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/time.h"

namespace likeness::tasks {

struct SwapRange {
  FrameIndex first = 0, last = 0;                     ///< inclusive
  nlohmann::json options = nlohmann::json::object();  ///< that differ here
};

/// "120-239:opacity=0.5,color=none"; and back. Throws kUsage.
SwapRange parse_swap_range(const std::string& text);
std::string swap_range_text(const SwapRange& range);
/// In order of frames. Throws kUsage: backwards, or two that overlap.
std::vector<SwapRange> checked_ranges(std::vector<SwapRange> ranges);

/// Pieces of [begin, end) with one setting each: which range (-1: none), and from where to where.
struct SwapSpan {
  FrameIndex begin = 0, end = 0;
  int range = -1;
};
std::vector<SwapSpan> swap_spans(const std::vector<SwapRange>& ranges, FrameIndex begin,
                                 FrameIndex end);

}  // namespace likeness::tasks
