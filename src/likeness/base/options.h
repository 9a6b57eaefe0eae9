// SPDX-License-Identifier: Apache-2.0
// Options are declared once: a plain struct plus a free function
//   template <typename V> void visit(SwapOptions& o, V&& f) {
//     f("erode_px", o.erode_px, {.help = "shrink the mask", .unit = "px", .min = 0, .max = 400});
//   }
// found by argument-dependent lookup. CLI flags, TOML presets, JSON validation, JSON Schema and the
// reference docs are derived from it. Field types: bool, int, int64_t, double, float, std::string,
// std::vector<std::string>. A string field with `choices` is an enumeration.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/error.h"

namespace likeness {

enum class OptionLevel { kBasic, kAdvanced };

struct OptionInfo {
  std::string help;
  std::string unit;
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices;
  OptionLevel level = OptionLevel::kBasic;
};

namespace options_detail {
[[noreturn]] void bad_value(const std::string& name, const std::string& got,
                            const std::string& wants);
void check_range(const std::string& name, double value, const OptionInfo& info);
void check_choice(const std::string& name, const std::string& value, const OptionInfo& info);
nlohmann::json schema_of(const char* type, const OptionInfo& info, nlohmann::json default_value);

template <typename T>
void check(const std::string& name, const T& value, const OptionInfo& info) {
  if constexpr (std::is_same_v<T, std::string>)
    check_choice(name, value, info);
  else if constexpr (std::is_same_v<T, std::vector<std::string>>)
    for (const auto& v : value) check_choice(name, v, info);
  else if constexpr (!std::is_same_v<T, bool>)
    check_range(name, static_cast<double>(value), info);
}
template <typename T>
constexpr const char* json_type() {
  if constexpr (std::is_same_v<T, bool>)
    return "boolean";
  else if constexpr (std::is_integral_v<T>)
    return "integer";
  else if constexpr (std::is_floating_point_v<T>)
    return "number";
  else if constexpr (std::is_same_v<T, std::string>)
    return "string";
  else
    return "array";
}
}  // namespace options_detail

/// Throws kUsage that names the field, the value and the allowed range.
template <typename O>
void validate_options(O& options) {
  visit(options, [](const char* name, auto& value, const OptionInfo& info) {
    options_detail::check(name, value, info);
  });
}

template <typename O>
nlohmann::json options_to_json(const O& options) {
  nlohmann::json out = nlohmann::json::object();
  visit(const_cast<O&>(options),
        [&](const char* name, auto& value, const OptionInfo&) { out[name] = value; });
  return out;
}

/// Sets the fields that `json` has. Unknown keys and wrong types throw kUsage; values are
/// validated.
template <typename O>
void options_from_json(O& options, const nlohmann::json& json) {
  std::vector<std::string> known;
  visit(options, [&](const char* name, auto& value, const OptionInfo& info) {
    known.push_back(name);
    auto it = json.find(name);
    if (it == json.end()) return;
    using T = std::remove_reference_t<decltype(value)>;
    try {
      value = it->template get<T>();
    } catch (const nlohmann::json::exception&) {
      options_detail::bad_value(name, it->dump(), options_detail::json_type<T>());
    }
    options_detail::check(name, value, info);
  });
  for (auto it = json.begin(); it != json.end(); ++it) {
    bool found = false;
    for (const auto& k : known) found = found || k == it.key();
    if (!found) options_detail::bad_value(it.key(), it->dump(), "no option has this name");
  }
}

/// JSON Schema (draft 2020-12) of the struct; `unit` and `level` as extra keywords.
template <typename O>
nlohmann::json options_schema(const O& defaults) {
  nlohmann::json properties = nlohmann::json::object();
  visit(const_cast<O&>(defaults), [&](const char* name, auto& value, const OptionInfo& info) {
    using T = std::remove_reference_t<decltype(value)>;
    properties[name] = options_detail::schema_of(options_detail::json_type<T>(), info, value);
  });
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"type", "object"},
          {"additionalProperties", false},
          {"properties", properties}};
}

/// Parses a TOML file into JSON (tables become objects). Throws kNotFound, kBadInput with the line.
nlohmann::json read_toml(const std::string& path);
nlohmann::json parse_toml(const std::string& text, const std::string& name_for_errors);
/// Environment layer: LIKENESS_<TASK>_<FIELD> strings that are set, converted by `options_schema`
/// types.
nlohmann::json options_from_environment(const std::string& task, const nlohmann::json& schema);

}  // namespace likeness
