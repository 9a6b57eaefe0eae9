// SPDX-License-Identifier: Apache-2.0
// Named sets of option values: TOML files with a table per task ([train], [swap], ...).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/options.h"
#include "likeness/project/project.h"

namespace likeness::tasks {

struct Preset {
  std::string name, toml;
};
/// Those of presets/*.toml, built into the program.
const std::vector<Preset>& embedded_presets();

/// A name of an embedded one, or the path of a TOML file. Throws kUsage (and lists the names),
/// kBadInput.
nlohmann::json load_preset(const std::string& name_or_path);

/// Values of a task's options below what was asked for, weakest first, with the layer's name:
/// preset, project.toml, environment (LIKENESS_<TASK>_<FIELD>). `project` may be null, `preset`
/// empty.
std::vector<std::pair<std::string, nlohmann::json>> option_layers(const std::string& task,
                                                                  const nlohmann::json& schema,
                                                                  const project::Project* project,
                                                                  const std::string& preset);

/// default < project.toml < environment < `given` (null: nothing). Throws kUsage.
template <typename O>
O resolve_options(const std::string& task, const project::Project* project,
                  const nlohmann::json& given) {
  O options;
  for (const auto& [layer, values] : option_layers(task, options_schema(O{}), project, ""))
    options_from_json(options, values);
  if (!given.is_null()) options_from_json(options, given);
  return options;
}

}  // namespace likeness::tasks
