// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace likeness {

/// Number of a frame in presentation order, from 0.
using FrameIndex = int64_t;

struct Rational {
  int64_t num = 0;
  int64_t den = 1;
  double value() const { return den ? static_cast<double>(num) / static_cast<double>(den) : 0.0; }
};

/// Seconds from the start of the stream, exact: ticks * time_base.
struct Seconds {
  int64_t ticks = 0;
  Rational time_base{1, 1};
  double value() const { return static_cast<double>(ticks) * time_base.value(); }
};

}  // namespace likeness
