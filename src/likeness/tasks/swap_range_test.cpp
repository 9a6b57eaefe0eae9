// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/swap_range.h"

#include <gtest/gtest.h>

#include "likeness/base/error.h"

namespace likeness::tasks {
namespace {

TEST(SwapRange, TextGoesThereAndBack) {
  const SwapRange r = parse_swap_range("120-239:opacity=0.5,color=none,any-face=true");
  EXPECT_EQ(r.first, 120);
  EXPECT_EQ(r.last, 239);
  EXPECT_EQ(r.options, (nlohmann::json{{"opacity", 0.5}, {"color", "none"}, {"any_face", true}}));
  EXPECT_EQ(parse_swap_range(swap_range_text(r)).options, r.options);
  EXPECT_TRUE(parse_swap_range("5-5:").options.empty());
  for (const char* bad : {"", "5", "5-", "-5", "a-b:", "5-9", "1-2:x", "1-2:=3", "1--2:", "x:1-2",
                          "1-99999999999999999999:"})
    EXPECT_THROW(parse_swap_range(bad), Error) << bad;
}

TEST(SwapRange, MustNotOverlap) {
  EXPECT_NO_THROW(checked_ranges({{10, 19, {}}, {0, 9, {}}}));
  EXPECT_EQ(checked_ranges({{10, 19, {}}, {0, 9, {}}})[0].first, 0);
  EXPECT_THROW(checked_ranges({{0, 10, {}}, {10, 19, {}}}), Error);
  EXPECT_THROW(checked_ranges({{5, 4, {}}}), Error);
}

/// Whatever the cuts: every frame is in exactly one span, and in the right one.
TEST(SwapRange, SpansCoverEveryFrameOnce) {
  const auto ranges = checked_ranges({{5, 9, {}}, {10, 10, {}}, {20, 100, {}}});
  for (FrameIndex begin = 0; begin < 40; ++begin)
    for (FrameIndex end = begin; end < 40; end += 3) {
      FrameIndex at = begin;
      for (const SwapSpan& s : swap_spans(ranges, begin, end)) {
        EXPECT_EQ(s.begin, at);
        EXPECT_GT(s.end, s.begin);
        for (FrameIndex f = s.begin; f < s.end; ++f) {
          int wanted = -1;
          for (size_t i = 0; i < ranges.size(); ++i)
            if (ranges[i].first <= f && f <= ranges[i].last) wanted = static_cast<int>(i);
          EXPECT_EQ(s.range, wanted) << f;
        }
        at = s.end;
      }
      EXPECT_EQ(at, end);
    }
  const auto open = swap_spans(ranges, 90, INT64_MAX);
  ASSERT_EQ(open.size(), 2u);
  EXPECT_EQ(open[1].end, INT64_MAX);
}

}  // namespace
}  // namespace likeness::tasks
