// SPDX-License-Identifier: Apache-2.0
// What lies in a model's folder besides its weights: log, previews, checkpoints; and the way back.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/project/project.h"

namespace likeness::tasks {

/// A model with all its history to the trash. Throws kIo (it is being trained), and as
/// move_to_trash().
project::TrashEntry discard_model(project::Project& project, const std::string& model);

/// Names of all folders in models/, finished or not.
std::vector<std::string> model_folders(const project::Project& project);
/// {name, identity, performer, step, elapsed_s, state, held_out, preview, bytes, sealed, exported}.
/// state: new (nothing saved yet), partial (a checkpoint but no weights), ready. Throws kNotFound.
nlohmann::json model_overview(const project::Project& project, const std::string& model);

struct HistoryEntry {
  int64_t step = 0;
  std::filesystem::path path;
  std::string at;  ///< UTC
};
std::vector<HistoryEntry> model_previews(const project::Project& project, const std::string& model);
/// PNG. A person's previews are sealed and open to a grant for training only. Throws kRefused,
/// kNotFound.
std::string preview_bytes(const project::Project& project, const std::string& model,
                          const std::filesystem::path& picture);
std::vector<HistoryEntry> model_checkpoints(const project::Project& project,
                                            const std::string& model);  ///< oldest first
/// Rows of log.jsonl from `from_step` on, at most `most`, thinned evenly; held-out rows are all
/// kept.
nlohmann::json model_log(const project::Project& project, const std::string& model,
                         int64_t from_step, size_t most);

/// Moves the checkpoints after `step` to the trash, so that training goes on from there, and keeps
/// what the coming export and the next steps replace (weights, card, log, newest preview) in an
/// entry of the trash too: the first of the ids. Gives {step, trash: [ids], options: of the train
/// task whose export then fits the checkpoint}. Throws kNotFound (no such checkpoint; the model was
/// trained before options were kept), kIo (it is being trained).
nlohmann::json restore_checkpoint(project::Project& project, const std::string& model,
                                  int64_t step);

/// Of an entry that restore_checkpoint() made: {model, options} of the export. Null for others.
nlohmann::json model_state(const project::Project& project, const std::string& trash_id);
/// As Project::restore(); the weights, card, log and preview of a model that was set back take the
/// place of those that are there. Throws kIo too (the model is being trained).
project::TrashEntry bring_back(project::Project& project, const std::string& trash_id);

}  // namespace likeness::tasks
