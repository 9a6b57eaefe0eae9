// SPDX-License-Identifier: Apache-2.0
// bfloat16 as 16 bits, in a form that compilers vectorise.
#pragma once

#include <bit>
#include <cstdint>

namespace likeness::nets {

struct BF16 {
  uint16_t bits;
};
inline float to_float(BF16 v) { return std::bit_cast<float>(static_cast<uint32_t>(v.bits) << 16); }
inline float to_float(float v) { return v; }
/// Round to nearest, ties to even.
inline void store(BF16& out, float v) {
  const uint32_t u = std::bit_cast<uint32_t>(v);
  out.bits = static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
inline void store(float& out, float v) { out = v; }

}  // namespace likeness::nets
