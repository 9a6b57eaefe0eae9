// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/text.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace likeness {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64(std::span<const uint8_t> bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t v = 0;
    for (size_t k = 0; k < 3; ++k)
      v = v << 8 | (i + k < bytes.size() ? uint32_t{bytes[i + k]} : 0u);
    for (size_t k = 0; k < 4; ++k)
      out += i + k > bytes.size() ? '=' : kDigits[v >> (18 - 6 * k) & 63];
  }
  return out;
}

std::optional<std::vector<uint8_t>> base64_decode(std::string_view text) {
  static const auto table = [] {
    std::array<int, 256> t;
    t.fill(-1);
    for (size_t i = 0; i < kDigits.size(); ++i)
      t[static_cast<uint8_t>(kDigits[i])] = static_cast<int>(i);
    return t;
  }();
  if (text.size() % 4) return std::nullopt;
  std::vector<uint8_t> out;
  out.reserve(text.size() / 4 * 3);
  size_t padding = 0;
  for (size_t i = 0; i < text.size(); i += 4) {
    uint32_t v = 0;
    for (size_t k = 0; k < 4; ++k) {
      const char c = text[i + k];
      const int digit = table[static_cast<uint8_t>(c)];
      const bool filled = c == '=' && i + 4 == text.size() && k >= 2;
      if ((digit < 0 || padding) && !filled) return std::nullopt;
      padding += filled;
      v = v << 6 | static_cast<uint32_t>(filled ? 0 : digit);
    }
    for (int shift : {16, 8, 0}) out.push_back(static_cast<uint8_t>(v >> shift));
  }
  out.resize(out.size() - padding);
  return out;
}

std::string clock_text(double seconds) {
  const auto s = static_cast<long>(std::lround(seconds));
  char text[32];
  if (s >= 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld", s / 60, s % 60);
  return text;
}

}  // namespace likeness
