// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/presets.h"

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

std::vector<std::pair<std::string, nlohmann::json>> option_layers(const std::string& task,
                                                                  const nlohmann::json& schema,
                                                                  const project::Project* project,
                                                                  const std::string& preset) {
  std::vector<std::pair<std::string, nlohmann::json>> out;
  const auto add_table = [&](const std::string& layer, const nlohmann::json& whole) {
    if (whole.contains(task)) out.emplace_back(layer, whole[task]);
  };
  if (!preset.empty()) add_table("preset " + preset, load_preset(preset));
  if (project) add_table("project.toml", project->config());
  out.emplace_back("environment", options_from_environment(task, schema));
  return out;
}

}  // namespace likeness::tasks
