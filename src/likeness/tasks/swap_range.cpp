// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/swap_range.h"

#include <algorithm>
#include <charconv>

#include "likeness/base/error.h"

namespace likeness::tasks {
namespace {

[[noreturn]] void bad(const std::string& text, const std::string& why) {
  throw Error(ErrorCode::kUsage, "'" + text.substr(0, 80) + "' is no range: " + why,
              "for example: --range 120-239:opacity=0.5,color=none");
}

FrameIndex frame_of(const std::string& text, std::string_view number) {
  FrameIndex value = 0;
  const auto [end, ec] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (number.empty() || ec != std::errc() || end != number.data() + number.size() || value < 0)
    bad(text, "'" + std::string(number) + "' is no frame");
  return value;
}

}  // namespace

SwapRange parse_swap_range(const std::string& text) {
  const size_t colon = text.find(':'), dash = text.find('-');
  if (colon == std::string::npos || dash == std::string::npos || dash > colon)
    bad(text, "it is not FIRST-LAST:NAME=VALUE,…");
  SwapRange range;
  range.first = frame_of(text, std::string_view(text).substr(0, dash));
  range.last = frame_of(text, std::string_view(text).substr(dash + 1, colon - dash - 1));
  for (size_t at = colon + 1; at < text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string pair = text.substr(at, end - at);
    const size_t equal = pair.find('=');
    if (equal == std::string::npos || equal == 0) bad(text, "'" + pair + "' is not NAME=VALUE");
    std::string name = pair.substr(0, equal);
    std::replace(name.begin(), name.end(), '-', '_');
    auto value = nlohmann::json::parse(pair.substr(equal + 1), nullptr, false);
    range.options[name] = value.is_discarded() ? nlohmann::json(pair.substr(equal + 1)) : value;
    at = end + 1;
  }
  return range;
}

std::string swap_range_text(const SwapRange& range) {
  std::string out = std::to_string(range.first) + "-" + std::to_string(range.last) + ":";
  for (const auto& [name, value] : range.options.items())
    out += (out.back() == ':' ? "" : ",") + name + "=" +
           (value.is_string() ? value.get<std::string>() : value.dump());
  return out;
}

std::vector<SwapRange> checked_ranges(std::vector<SwapRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].first < 0 || ranges[i].last < ranges[i].first)
      bad(swap_range_text(ranges[i]), "it ends before it begins");
    if (i > 0 && ranges[i].first <= ranges[i - 1].last)
      bad(swap_range_text(ranges[i]), "it overlaps " + swap_range_text(ranges[i - 1]));
  }
  return ranges;
}

std::vector<SwapSpan> swap_spans(const std::vector<SwapRange>& ranges, FrameIndex begin,
                                 FrameIndex end) {
  std::vector<SwapSpan> out;
  for (FrameIndex at = begin; at < end;) {
    SwapSpan span{at, end, -1};
    for (size_t i = 0; i < ranges.size(); ++i) {
      if (ranges[i].first <= at && at <= ranges[i].last) {
        span = {at, std::min(end, ranges[i].last + 1), static_cast<int>(i)};
        break;
      }
      if (ranges[i].first > at) span.end = std::min(span.end, ranges[i].first);
    }
    out.push_back(span);
    at = span.end;
  }
  return out;
}

}  // namespace likeness::tasks
