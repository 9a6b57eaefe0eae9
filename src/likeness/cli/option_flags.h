// SPDX-License-Identifier: Apache-2.0
// Flags from an options struct, and the values of all layers put together:
// default < preset < project.toml < environment (LIKENESS_<TASK>_<FIELD>) < flag.
#pragma once

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "likeness/base/options.h"
#include "likeness/cli/presets.h"
#include "likeness/project/project.h"

namespace likeness::cli {

std::string flag_name(const std::string& option);  ///< max_faces -> --max-faces
/// "shrink the mask [0 to 400 px; default 4]"
std::string flag_help(const OptionInfo& info, const nlohmann::json& default_value);

/// One layer's values: options_from_json with the layer named in the error.
template <typename O>
void apply_layer(O& options, const nlohmann::json& values, const std::string& layer) {
  try {
    options_from_json(options, values);
  } catch (const Error& e) {
    throw Error(e.code(), std::string(e.what()) + " (" + layer + ")", e.hint());
  }
}

template <typename O>
class OptionFlags {
 public:
  explicit OptionFlags(std::string task) : task_(std::move(task)) {}

  void add(CLI::App* command, bool with_preset = true) {
    if (with_preset) {
      std::string names;
      for (const auto& p : embedded_presets()) names += (names.empty() ? "" : ", ") + p.name;
      command->add_option("--preset", *preset_,
                          "set of option values: " + names + ", or a .toml file");
    }
    O defaults;
    visit(defaults, [&](const char* name, auto& value, const OptionInfo& info) {
      add_flag(command, name, value, info);
    });
  }

  /// `project` may be null.
  O resolve(const project::Project* project) const {
    O options;
    for (const auto& [layer, values] : layers(project)) apply_layer(options, values, layer);
    return options;
  }
  std::vector<std::pair<std::string, nlohmann::json>> layers(
      const project::Project* project) const {
    auto out = tasks::option_layers(task_, options_schema(O{}), project, *preset_);
    out.emplace_back("flag", *flags_);
    return out;
  }

 private:
  template <typename T>
  void add_flag(CLI::App* command, const std::string& name, const T& value,
                const OptionInfo& info) {
    const std::string flag = flag_name(name), help = flag_help(info, value);
    CLI::Option* option = nullptr;
    if constexpr (std::is_same_v<T, bool>)
      option = command->add_flag_function(
          flag + ",!--no-" + flag.substr(2),
          [flags = flags_, name](int64_t n) { (*flags)[name] = n > 0; }, help);
    else
      option = command->add_option_function<T>(
          flag, [flags = flags_, name](const T& v) { (*flags)[name] = v; }, help);
    option->group(info.level == OptionLevel::kBasic ? "Options" : "Advanced");
  }

  std::string task_;
  std::shared_ptr<std::string> preset_ = std::make_shared<std::string>();
  std::shared_ptr<nlohmann::json> flags_ =
      std::make_shared<nlohmann::json>(nlohmann::json::object());
};

}  // namespace likeness::cli
