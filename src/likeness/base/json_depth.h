// SPDX-License-Identifier: Apache-2.0
// A guard before parsing foreign JSON: nested arrays must not use up the stack.
#pragma once

#include <string_view>

namespace likeness {

/// Are arrays and objects nested deeper than `most`? Looks at brackets outside strings only, so the
/// text need not be valid.
bool json_is_deeper(std::string_view text, int most);

}  // namespace likeness
