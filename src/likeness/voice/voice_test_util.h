// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "likeness/base/error.h"

namespace likeness::voice {

/// Of what is thrown; kInternal when nothing is.
inline ErrorCode code_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode::kInternal;
}

}  // namespace likeness::voice
