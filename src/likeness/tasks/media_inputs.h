// SPDX-License-Identifier: Apache-2.0
// From what a user names to files with hashes.
#pragma once

#include "likeness/tasks/task.h"

namespace likeness::tasks {

/// Footage is never overwritten: throws kUsage when `out` is one of the files that are read.
void refuse_overwriting(const std::filesystem::path& out,
                        const std::vector<std::filesystem::path>& read);

/// SHA-256 of a file; of a folder or pattern of images: of their names and contents. Throws
/// kNotFound.
std::string hash_media(const std::filesystem::path& path);

/// Files and patterns stay, folders become the media files in them. A named file that cannot be
/// read throws (as media::probe); a file in a folder that cannot be read is put into `skipped`
/// {path, why}.
std::vector<trust::Input> expand_media(const std::vector<std::filesystem::path>& given,
                                       nlohmann::json& skipped);

}  // namespace likeness::tasks
