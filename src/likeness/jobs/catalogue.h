// SPDX-License-Identifier: Apache-2.0
// The jobs a studio can run: their options, arguments and presets as data, and how each is made and
// written as a command line. One row per task; forms, validation and commands come from it.
#pragma once

#include "likeness/jobs/queue.h"

namespace likeness::jobs {

/// {task: {schema, arguments, presets: {name: values}, summary, light}}. Both schemas are JSON
/// Schema; a property of `arguments` has "kind": media, subject, model, output, name ... for the
/// widget that picks it.
nlohmann::json task_catalogue();

/// Throws kUsage (unknown task, argument or option, value out of range), kNotFound.
Work make_work(project::Project& project, const std::string& task, const nlohmann::json& arguments,
               const nlohmann::json& options);

/// The same as a command for a shell, with only what differs from the defaults.
std::string command_line(project::Project& project, const std::string& task,
                         const nlohmann::json& arguments, const nlohmann::json& options);

/// One word for a POSIX shell.
std::string shell_quoted(const std::string& word);

}  // namespace likeness::jobs
