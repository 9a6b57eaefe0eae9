// SPDX-License-Identifier: Apache-2.0
// What a trained model says about itself, read from the file's header (no libtorch needed).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "likeness/project/project.h"

namespace likeness::tasks {

struct ModelInfo {
  std::string name, identity, performer;
  std::filesystem::path weights;  ///< models/NAME/model.safetensors
  int64_t step = 0;
  nlohmann::json metadata;  ///< all that train put into it
};

/// Throws kNotFound (and lists the models there are), kDamaged, kBadInput (not one of our models).
ModelInfo model_info(const project::Project& project, const std::string& name);
std::vector<std::string> model_names(const project::Project& project);

}  // namespace likeness::tasks
