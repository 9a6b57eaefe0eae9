// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/presets.h"

#include "likeness/base/options.h"

namespace likeness::tasks {

nlohmann::json load_preset(const std::string& name) {
  std::string known;
  for (const Preset& p : embedded_presets()) {
    if (p.name == name) return parse_toml(p.toml, "preset " + name);
    known += (known.empty() ? "" : ", ") + p.name;
  }
  if (name.size() > 5 && name.compare(name.size() - 5, 5, ".toml") == 0) return read_toml(name);
  throw Error(ErrorCode::kUsage, "there is no preset '" + name + "'",
              "one of " + known + ", or a .toml file");
}

}  // namespace likeness::tasks
