// SPDX-License-Identifier: Apache-2.0
// Named sets of option values: TOML files with a table per task ([train], [swap], ...).
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace likeness::tasks {

struct Preset {
  std::string name, toml;
};
/// Those of presets/*.toml, built into the program.
const std::vector<Preset>& embedded_presets();

/// A name of an embedded one, or the path of a TOML file. Throws kUsage (and lists the names),
/// kBadInput.
nlohmann::json load_preset(const std::string& name_or_path);

}  // namespace likeness::tasks
