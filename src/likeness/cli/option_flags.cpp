// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/option_flags.h"

#include <cmath>
#include <sstream>

namespace likeness::cli {
namespace {
std::string number(double v) {
  std::ostringstream s;
  s << v;
  return s.str();
}
}  // namespace

std::string flag_name(const std::string& option) {
  std::string flag = "--" + option;
  for (char& c : flag)
    if (c == '_') c = '-';
  return flag;
}

std::string flag_help(const OptionInfo& info, const nlohmann::json& value) {
  std::string range;
  for (const auto& c : info.choices) range += (range.empty() ? "" : "|") + (c.empty() ? "''" : c);
  if (std::isfinite(info.min) && std::isfinite(info.max))
    range = number(info.min) + " to " + number(info.max);
  else if (std::isfinite(info.min))
    range = "at least " + number(info.min);
  else if (std::isfinite(info.max))
    range = "at most " + number(info.max);
  if (!info.unit.empty()) range += (range.empty() ? "" : " ") + info.unit;
  const std::string shown = value.is_string() ? (value == "" ? "''" : value.get<std::string>())
                            : value.is_number_float() ? number(value)
                                                      : value.dump();
  return info.help + " [" + (range.empty() ? "" : range + "; ") + "default " + shown + "]";
}

}  // namespace likeness::cli
