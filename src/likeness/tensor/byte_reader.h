// SPDX-License-Identifier: Apache-2.0
// Bounds-checked little-endian reads from foreign bytes. Every failure throws kDamaged.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "likeness/base/error.h"

namespace likeness::tensor {

class ByteReader {
 public:
  ByteReader(std::span<const uint8_t> bytes, std::string what)
      : bytes_(bytes), what_(std::move(what)) {}

  size_t size() const { return bytes_.size(); }
  const std::string& what() const { return what_; }

  [[noreturn]] void fail(const std::string& why) const {
    throw Error(ErrorCode::kDamaged, what_ + ": " + why,
                "the file is damaged or not what its name says; fetch it again");
  }
  /// `offset` and `length` may be any 64-bit values.
  std::span<const uint8_t> slice(uint64_t offset, uint64_t length) const {
    if (offset > bytes_.size() || length > bytes_.size() - offset)
      fail("points outside the file (offset " + std::to_string(offset) + ", length " +
           std::to_string(length) + ", file " + std::to_string(bytes_.size()) + " bytes)");
    return bytes_.subspan(offset, length);
  }
  template <typename T>
  T get(uint64_t offset) const {
    T value;
    std::memcpy(&value, slice(offset, sizeof(T)).data(), sizeof(T));
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
  std::string what_;
};

/// IEEE 754 binary16 -> binary32, exact.
float float_from_half(uint16_t half);
/// Round to nearest even; overflow gives infinity.
uint16_t half_from_float(float value);
inline float float_from_bfloat16(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}
uint16_t bfloat16_from_float(float value);  ///< round to nearest even

}  // namespace likeness::tensor
