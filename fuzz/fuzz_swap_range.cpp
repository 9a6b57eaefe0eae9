// SPDX-License-Identifier: Apache-2.0
// `--range` of a swap: what was read is written so that it is read the same.
#include "fuzz.h"

#include "likeness/tasks/swap_range.h"

LIKENESS_FUZZ_TARGET(bytes) {
  using namespace likeness::tasks;
  const SwapRange range = parse_swap_range(std::string(bytes.begin(), bytes.end()));
  checked_ranges({range});
  const std::string text = swap_range_text(range);
  if (swap_range_text(parse_swap_range(text)) != text) std::terminate();
}
