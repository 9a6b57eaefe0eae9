// SPDX-License-Identifier: Apache-2.0
// Another program as a filter: text in, text out. No shell is involved.
#pragma once

#include <string>
#include <vector>

namespace likeness::voice {

/// `arguments[0]` is looked for in PATH. Throws kMissing when there is no such program, kInternal
/// when it fails, runs longer than `most_s` or writes more than 16 MB.
std::string filter_through(const std::vector<std::string>& arguments, const std::string& input,
                           double most_s = 20);

}  // namespace likeness::voice
