// SPDX-License-Identifier: Apache-2.0
// How bytes and times are written.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace likeness {

/// RFC 4648, section 4, with padding.
std::string base64(std::span<const uint8_t> bytes);
inline std::string base64(std::string_view bytes) {
  return base64(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
}
/// Nothing when it is not whole groups of four digits, padded only at the end.
std::optional<std::vector<uint8_t>> base64_decode(std::string_view text);

/// "0:42", "1:02:03"; to the nearest second.
std::string clock_text(double seconds);

}  // namespace likeness
