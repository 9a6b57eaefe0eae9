// SPDX-License-Identifier: Apache-2.0
// What can be asked about voices without making anything.
#pragma once

#include <nlohmann/json.hpp>

#include "likeness/project/project.h"

namespace likeness::tasks {

/// [{name, engine, language, rate_hz, licence, origin, title, works, problem?, default}]
nlohmann::json list_project_voices(const project::Project& project);

}  // namespace likeness::tasks
