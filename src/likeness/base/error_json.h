// SPDX-License-Identifier: Apache-2.0
// An error as every JSON of the program shows it.
#pragma once

#include <nlohmann/json.hpp>

#include "likeness/base/error.h"

namespace likeness {

/// {code, what, hint}
inline nlohmann::json error_json(const Error& e) {
  return {{"code", error_code_name(e.code())}, {"what", e.what()}, {"hint", e.hint()}};
}

}  // namespace likeness
