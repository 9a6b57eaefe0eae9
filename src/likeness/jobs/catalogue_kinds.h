// SPDX-License-Identifier: Apache-2.0
// What the files of the catalogue share: a row of it, and how its arguments are read.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "likeness/base/options.h"
#include "likeness/jobs/queue.h"
#include "likeness/tasks/presets.h"
#include "likeness/tasks/task.h"

namespace likeness::jobs {

struct Command {
  std::vector<std::string> words;  ///< after `likeness`
  void add(const std::string& flag, const std::string& value) {
    words.push_back(flag);
    words.push_back(value);
  }
};

struct Kind {
  std::string name, summary;
  nlohmann::json arguments, schema;
  Work (*make)(project::Project&, const nlohmann::json& arguments, const nlohmann::json& options);
  Command (*command)(project::Project&, const nlohmann::json& arguments);
  bool light = false;
};

/// Speaking, converting, enrolling and training voices.
std::vector<Kind> voice_kinds();
/// What has a form and no room: verifying, comparing, listening tests, care of facesets ...
std::vector<Kind> tool_kinds();

/// The files that were uploaded for a job go, each with its folder, when the job is done with them.
void remove_after(Work& work, std::vector<std::filesystem::path> files);

// Arguments. "kind" says which widget picks it; "internal" is an uploaded file, which is removed
// when the job is done.

nlohmann::json argument(const char* type, const char* kind, const char* help);
nlohmann::json arguments_schema(const nlohmann::json& properties, const nlohmann::json& required);
/// Throws kUsage (missing, no text).
std::string text_of(const nlohmann::json& arguments, const char* name, bool required = true);
/// The argument "media", numbers of clips. Throws kUsage, kNotFound.
std::vector<std::filesystem::path> clips_of(const project::Project& project,
                                            const nlohmann::json& arguments);
/// A file the server put into work/KIND. Throws kUsage.
std::filesystem::path uploaded_path(const project::Project& project, const std::string& text,
                                    const char* name, const std::string& kind);

template <typename O>
O resolve(const project::Project& project, const std::string& task, const nlohmann::json& given) {
  return tasks::resolve_options<O>(task, &project, given);
}

/// The gate is asked when the job is queued, and again when it runs.
Work work_of(project::Project& project, std::string title, std::shared_ptr<tasks::Task> task);

/// With "order": where the option was declared. JSON objects are sorted by name, forms are not.
template <typename O>
nlohmann::json schema_of() {
  O options;
  nlohmann::json schema = options_schema(options);
  int order = 0;
  visit(options, [&](const char* name, auto&, const OptionInfo&) {
    schema["properties"][name]["order"] = order++;
  });
  return schema;
}

}  // namespace likeness::jobs
