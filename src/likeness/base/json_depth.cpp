// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/json_depth.h"

namespace likeness {

bool json_is_deeper(std::string_view text, int most) {
  int depth = 0;
  bool in_string = false, escaped = false;
  for (char c : text) {
    if (escaped)
      escaped = false;
    else if (c == '\\')
      escaped = in_string;
    else if (c == '"')
      in_string = !in_string;
    else if (!in_string && (c == '{' || c == '[') && ++depth > most)
      return true;
    else if (!in_string && (c == '}' || c == ']'))
      --depth;
  }
  return false;
}

}  // namespace likeness
