// SPDX-License-Identifier: Apache-2.0
// From what a user names to recordings and their texts.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace likeness::tasks {

/// Files stay, folders become the files with sound in them, by name. Throws kNotFound, kBadInput (a
/// folder without any).
std::vector<std::filesystem::path> list_recordings(const std::vector<std::filesystem::path>& given);

/// Texts by the recording's name without extension: from NAME.txt files and from metadata.csv in a
/// folder, or from such a .csv itself (id|text, a third column is not used). Empty for an empty
/// path. Throws kNotFound, kBadInput (not UTF-8, a line without "|", a text over 2000 bytes).
std::map<std::string, std::string> read_transcripts(const std::filesystem::path& path);

}  // namespace likeness::tasks
