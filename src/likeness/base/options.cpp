// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/options.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include <toml++/toml.h>

#include "likeness/base/atomic_file.h"

namespace likeness {
namespace options_detail {

void bad_value(const std::string& name, const std::string& got, const std::string& wants) {
  throw Error(ErrorCode::kUsage, "option " + name + " cannot be " + got, "wants: " + wants);
}
static std::string number(double v) {
  std::ostringstream s;
  s << v;
  return s.str();
}
void check_range(const std::string& name, double value, const OptionInfo& info) {
  if (std::isnan(value) || value < info.min || value > info.max)
    bad_value(
        name, number(value),
        number(info.min) + " to " + number(info.max) + (info.unit.empty() ? "" : " " + info.unit));
}
void check_choice(const std::string& name, const std::string& value, const OptionInfo& info) {
  if (info.choices.empty() || std::count(info.choices.begin(), info.choices.end(), value)) return;
  std::string all;
  for (const auto& c : info.choices) all += (all.empty() ? "" : ", ") + c;
  bad_value(name, "'" + value + "'", "one of " + all);
}
nlohmann::json schema_of(const char* type, const OptionInfo& info, nlohmann::json default_value) {
  nlohmann::json j = {{"type", type},
                      {"description", info.help},
                      {"default", std::move(default_value)},
                      {"level", info.level == OptionLevel::kBasic ? "basic" : "advanced"}};
  if (std::isfinite(info.min)) j["minimum"] = info.min;
  if (std::isfinite(info.max)) j["maximum"] = info.max;
  if (!info.unit.empty()) j["unit"] = info.unit;
  if (!info.choices.empty()) j["enum"] = info.choices;
  if (j["type"] == "array") j["items"] = {{"type", "string"}};
  return j;
}
}  // namespace options_detail

namespace {
nlohmann::json from_toml(const toml::node& node) {
  if (const auto* table = node.as_table()) {
    nlohmann::json j = nlohmann::json::object();
    for (const auto& [key, value] : *table) j[std::string(key.str())] = from_toml(value);
    return j;
  }
  if (const auto* array = node.as_array()) {
    nlohmann::json j = nlohmann::json::array();
    for (const auto& value : *array) j.push_back(from_toml(value));
    return j;
  }
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_boolean()) return v->get();
  std::ostringstream text;
  if (const auto* v = node.as_date_time())
    text << v->get();
  else if (const auto* d = node.as_date())
    text << d->get();
  else if (const auto* t = node.as_time())
    text << t->get();
  return text.str();
}

/// The parser limits how deep values nest, but not keys: a.a.a.a… uses up its stack. Throws
/// kBadInput for a line with too many dots that may stand in one key; a comma or = ends a key only
/// where no quotes hide it.
void check_key_depth(const std::string& text, const std::string& name) {
  constexpr int kMost = 100;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; ++number, std::getline(lines, line);) {
    const bool quotes = line.find_first_of("\"'") != std::string::npos;
    int dots = 0;
    for (const char c : line) {
      if (!quotes && (c == ',' || c == '=')) dots = 0;
      if (c == '.' && ++dots > kMost)
        throw Error(ErrorCode::kBadInput,
                    name + " line " + std::to_string(number) + " has more than " +
                        std::to_string(kMost) + " dots",
                    "tables do not nest that deep; divide the line");
    }
  }
}
}  // namespace

nlohmann::json parse_toml(const std::string& text, const std::string& name) {
  check_key_depth(text, name);
  try {
    return from_toml(toml::parse(text));
  } catch (const toml::parse_error& e) {
    throw Error(ErrorCode::kBadInput,
                name + " line " + std::to_string(e.source().begin.line) + ": " +
                    std::string(e.description()),
                "correct this line; the format is TOML");
  }
}
nlohmann::json read_toml(const std::string& path) {
  return parse_toml(read_file(path, 16 << 20), path);
}

nlohmann::json options_from_environment(const std::string& task, const nlohmann::json& schema) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [name, field] : schema.at("properties").items()) {
    std::string variable = "LIKENESS_" + task + "_" + name;
    for (char& c : variable)
      c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const char* value = std::getenv(variable.c_str());
    if (!value) continue;
    if (field["type"] == "string") {
      out[name] = value;
    } else {
      auto parsed = nlohmann::json::parse(value, nullptr, false);
      if (parsed.is_discarded()) options_detail::bad_value(variable, value, field["type"]);
      out[name] = parsed;
    }
  }
  return out;
}

}  // namespace likeness
