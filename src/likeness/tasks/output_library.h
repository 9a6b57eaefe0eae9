// SPDX-License-Identifier: Apache-2.0
// What a project has made: the files of its outputs folder, with what the ledger says about them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/project/project.h"

namespace likeness::tasks {

struct OutputRow {
  std::string id;  ///< 16 hex digits of the path's hash: the same as long as the name is
  std::filesystem::path path;
  std::string name, kind;  ///< kind: video, image, audio, report, sequence
  uint64_t bytes = 0;
  std::string made_at;  ///< by the ledger, else the file's time
  int64_t job = 0;      ///< of the ledger, 0 when it does not know the file
  bool in_ledger = false;
  std::vector<std::string> inputs;  ///< hashes of what it was made from
  std::vector<std::string> models;  ///< names of models that went in
};

/// Newest first. Files elsewhere (-o) are not listed.
std::vector<OutputRow> list_outputs(const project::Project& project);
/// One of them, without what only the ledger knows: asked for at every frame and byte range. Throws
/// kNotFound.
OutputRow output_row(const project::Project& project, const std::string& id);

/// The whole ledger with what its verification says, for a file of its own: {format, project,
/// exported_at, ok, problems, head, studios, lines}.
nlohmann::json export_ledger(const project::Project& project);

}  // namespace likeness::tasks
