// SPDX-License-Identifier: Apache-2.0
// A target: feed bytes to a parser. An Error is a fine answer; every other exception, a crash, a
// hang or a sanitizer report is a bug.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "likeness/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#define LIKENESS_FUZZ_TARGET(bytes)                                         \
  static void likeness_fuzz_one(std::span<const uint8_t> bytes);            \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    try {                                                                   \
      likeness_fuzz_one({data, size});                                      \
    } catch (const likeness::Error& e) {                                    \
      if (e.code() == likeness::ErrorCode::kInternal) std::terminate();     \
    }                                                                       \
    return 0;                                                               \
  }                                                                         \
  static void likeness_fuzz_one(std::span<const uint8_t> bytes)
