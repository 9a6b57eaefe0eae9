// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/model_info.h"

#include <algorithm>

#include "likeness/base/error.h"
#include "likeness/base/sealed_file.h"
#include "likeness/tensor/safetensors.h"

namespace likeness::tasks {
namespace fs = std::filesystem;

namespace {

/// Of a person's model only the label can be read before the gate has opened it. The label is bound
/// to the contents: who changes it cannot open the file.
ModelInfo sealed_model_info(ModelInfo info, const std::string& label) {
  const auto j = nlohmann::json::parse(label, nullptr, false);
  if (j.is_object() && j.contains("subjects") && j["subjects"].is_array())
    for (const auto& s : j["subjects"]) {
      if (!s.is_object()) continue;
      const std::string role = s.value("role", ""), name = s.value("name", "");
      if (role == "identity") info.identity = name;
      if (role == "performer") info.performer = name;
    }
  if (info.identity.empty())
    throw Error(ErrorCode::kDamaged,
                info.weights.string() + " does not say whose likeness it makes",
                "train the model again; only models of this project can be used");
  info.metadata = {{"identity", info.identity}, {"performer", info.performer}, {"sealed", true}};
  return info;
}

}  // namespace

std::vector<std::string> model_names(const project::Project& project) {
  std::vector<std::string> out;
  std::error_code ec;
  for (const auto& f : fs::directory_iterator(project.folder() / "models", ec))
    if (fs::exists(f.path() / "model.safetensors", ec)) out.push_back(f.path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

ModelInfo model_info(const project::Project& project, const std::string& name) {
  ModelInfo info;
  info.name = name;
  info.weights = project.model_folder(name) / "model.safetensors";
  std::error_code ec;
  if (!fs::exists(info.weights, ec)) {
    std::string known;
    for (const auto& m : model_names(project)) known += (known.empty() ? "" : ", ") + m;
    throw Error(ErrorCode::kNotFound, "the project has no trained model '" + name + "'",
                known.empty() ? "train it with: likeness train PROJECT --model " + name +
                                    " --identity … --performer …"
                              : "known models: " + known);
  }
  if (const auto sealed = sealed_info(info.weights)) return sealed_model_info(info, sealed->label);
  const tensor::SafeTensors file(info.weights);
  auto field = [&](const char* key) {
    const auto it = file.metadata().find(key);
    return it == file.metadata().end() ? std::string() : it->second;
  };
  info.metadata = nlohmann::json::parse(field("metadata"), nullptr, false);
  if (!info.metadata.is_object() || !info.metadata.contains("identity") ||
      !info.metadata["identity"].is_string())
    throw Error(ErrorCode::kBadInput,
                info.weights.string() + " does not say whose likeness it makes",
                "train the model again; only models of this project can be used");
  info.identity = info.metadata["identity"];
  info.performer = info.metadata.value("performer", "");
  const std::string step = field("step");
  info.step = step.empty() || step.find_first_not_of("0123456789") != std::string::npos
                  ? 0
                  : std::atoll(step.c_str());
  return info;
}

}  // namespace likeness::tasks
