// SPDX-License-Identifier: Apache-2.0
// Looking at a faceset and pruning it. Nothing here deletes: a filtered crop is excluded and can be
// restored, a deleted faceset lies in the trash. Changes take the faceset's lock (kIo when a job
// has it).
#pragma once

#include <filesystem>

#include "likeness/faceset/faceset_options.h"
#include "likeness/project/project.h"

namespace likeness::tasks {

/// [{subject, crops, excluded, crop, size_px, bytes, sources, error?}]
nlohmann::json faceset_list(const project::Project& project);

/// Counts, and mean/min/max of what the crops are like. Writes the contact sheet when `sheet` is
/// not empty.
nlohmann::json faceset_show(const project::Project& project, const std::string& subject,
                            const std::filesystem::path& sheet, int columns = 16,
                            int thumb_px = 96);

/// {"key", "order": [{id, value?, source, frame}]}; with `write` the file itself is put in this
/// order.
nlohmann::json faceset_sort(const project::Project& project, const std::string& subject,
                            const std::string& key, bool descending, bool write,
                            const std::filesystem::path& sheet);

/// Excludes what the rules do not let pass; with `dry_run` only tells.
nlohmann::json faceset_filter(const project::Project& project, const std::string& subject,
                              const faceset::Filter& rules, bool dry_run);

/// Excludes (or brings back) crops by id; no ids = all excluded ones are brought back.
nlohmann::json faceset_exclude(const project::Project& project, const std::string& subject,
                               const std::vector<std::string>& ids);
nlohmann::json faceset_restore(const project::Project& project, const std::string& subject,
                               const std::vector<std::string>& ids);

/// Leaves excluded crops out of the file for good.
nlohmann::json faceset_compact(const project::Project& project, const std::string& subject);

nlohmann::json faceset_export(const project::Project& project, const std::string& subject,
                              const std::filesystem::path& folder, const std::string& format);

/// The whole faceset to the trash.
nlohmann::json faceset_delete(project::Project& project, const std::string& subject);

}  // namespace likeness::tasks
