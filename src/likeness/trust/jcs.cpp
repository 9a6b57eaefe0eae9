// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/jcs.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <vector>

#include "likeness/base/error.h"
#include "likeness/base/json_depth.h"

namespace likeness::trust {
namespace {

constexpr int kMaxDepth = 32;
constexpr int64_t kMaxExact = int64_t{1} << 53;

[[noreturn]] void bad(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::kBadInput, what + ": " + why,
              "give a file that likeness wrote, unchanged; text editors and chat programs may "
              "change it");
}

void check_numbers(const nlohmann::json& v, const std::string& what) {
  if (v.is_number_unsigned() ? v.get<uint64_t>() > uint64_t{kMaxExact}
                             : v.is_number_integer() && std::llabs(v.get<int64_t>()) > kMaxExact)
    bad(what, "a whole number is beyond 2^53");
  if (v.is_number_float() && !std::isfinite(v.get<double>())) bad(what, "a number is not finite");
  if (v.is_structured())
    for (const auto& child : v) check_numbers(child, what);
}

/// The UTF-16 code units of UTF-8 text, for the order of keys.
std::u16string utf16(const std::string& s) {
  std::u16string out;
  for (size_t i = 0; i < s.size();) {
    const auto c = static_cast<unsigned char>(s[i]);
    const size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    char32_t point = n == 1 ? c : c & (0x7f >> n);
    for (size_t k = 1; k < n && i + k < s.size(); ++k)
      point = point << 6 | (static_cast<unsigned char>(s[i + k]) & 0x3f);
    i += n;
    if (point < 0x10000) {
      out += static_cast<char16_t>(point);
    } else {
      out += static_cast<char16_t>(0xd800 + ((point - 0x10000) >> 10));
      out += static_cast<char16_t>(0xdc00 + ((point - 0x10000) & 0x3ff));
    }
  }
  return out;
}

void write_string(const std::string& s, std::string& out) {
  static const char* digits = "0123456789abcdef";
  out += '"';
  for (char raw : s) {
    const auto c = static_cast<unsigned char>(raw);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (c < 0x20) {
          out += "\\u00";
          out += digits[c >> 4];
          out += digits[c & 15];
        } else {
          out += raw;
        }
    }
  }
  out += '"';
}

void write(const nlohmann::json& v, std::string& out) {
  switch (v.type()) {
    case nlohmann::json::value_t::object: {
      std::vector<std::pair<std::u16string, nlohmann::json::const_iterator>> members;
      for (auto it = v.begin(); it != v.end(); ++it) members.emplace_back(utf16(it.key()), it);
      std::sort(members.begin(), members.end(),
                [](const auto& a, const auto& b) { return a.first < b.first; });
      out += '{';
      for (size_t i = 0; i < members.size(); ++i) {
        if (i) out += ',';
        write_string(members[i].second.key(), out);
        out += ':';
        write(*members[i].second, out);
      }
      out += '}';
      return;
    }
    case nlohmann::json::value_t::array:
      out += '[';
      for (size_t i = 0; i < v.size(); ++i) {
        if (i) out += ',';
        write(v[i], out);
      }
      out += ']';
      return;
    case nlohmann::json::value_t::string:
      return write_string(v.get_ref<const std::string&>(), out);
    case nlohmann::json::value_t::boolean:
      out += v.get<bool>() ? "true" : "false";
      return;
    case nlohmann::json::value_t::number_integer:
    case nlohmann::json::value_t::number_unsigned:
    case nlohmann::json::value_t::number_float:
      out += ecmascript_number(v.get<double>());
      return;
    case nlohmann::json::value_t::null:
      out += "null";
      return;
    default:
      bad("JSON", "a value is not JSON");
  }
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& what, size_t limit_bytes) {
  if (text.size() > limit_bytes) bad(what, "too long");
  if (json_is_deeper(text, kMaxDepth)) bad(what, "nested too deep");
  std::vector<std::set<std::string>> keys;
  bool twice = false;
  auto seen = [&](int, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    using E = nlohmann::json::parse_event_t;
    if (event == E::object_start) keys.emplace_back();
    if (event == E::object_end && !keys.empty()) keys.pop_back();
    if (event == E::key && !keys.empty() && !keys.back().insert(value.get<std::string>()).second)
      twice = true;
    return true;
  };
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text, seen);
  } catch (const nlohmann::json::exception& e) {  // syntax, UTF-8, a number out of range
    bad(what, std::string("not JSON (") + e.what() + ")");
  }
  if (twice) bad(what, "a key is given twice");
  check_numbers(json, what);
  return json;
}

std::string ecmascript_number(double value) {
  LIKENESS_REQUIRE(std::isfinite(value));
  if (value == 0) return "0";  // -0 too
  char text[32];
  const auto end =
      std::to_chars(text, text + sizeof text, std::fabs(value), std::chars_format::scientific).ptr;
  // d.ddde±xx -> digits and the exponent n with value = 0.digits * 10^n
  std::string digits;
  char* p = text;
  for (; p < end && *p != 'e'; ++p)
    if (*p != '.') digits += *p;
  const int n = std::atoi(std::string(p + 1, end).c_str()) + 1;
  const int k = static_cast<int>(digits.size());
  std::string out;
  if (k <= n && n <= 21)
    out = digits + std::string(static_cast<size_t>(n - k), '0');
  else if (0 < n && n <= 21)
    out = digits.substr(0, static_cast<size_t>(n)) + "." + digits.substr(static_cast<size_t>(n));
  else if (-6 < n && n <= 0)
    out = "0." + std::string(static_cast<size_t>(-n), '0') + digits;
  else
    out = digits.substr(0, 1) + (k > 1 ? "." + digits.substr(1) : "") + "e" +
          (n - 1 < 0 ? "-" : "+") + std::to_string(std::abs(n - 1));
  return (value < 0 ? "-" : "") + out;
}

std::string canonical_json(const nlohmann::json& value) {
  check_numbers(value, "JSON to be signed");
  std::string out;
  write(value, out);
  return out;
}

}  // namespace likeness::trust
