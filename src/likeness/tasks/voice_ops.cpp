// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/voice_ops.h"

#include "likeness/tasks/speak.h"
#include "likeness/voice/voice.h"

namespace likeness::tasks {

nlohmann::json list_project_voices(const project::Project& project) {
  const std::vector<std::filesystem::path> folders = {project_voices(project)};
  const std::string first = voice::default_voice(folders);
  nlohmann::json out = nlohmann::json::array();
  for (const auto& v : voice::list_voices(folders)) {
    out.push_back(v.to_json());
    out.back()["default"] = v.name == first;
  }
  return out;
}

}  // namespace likeness::tasks
