// SPDX-License-Identifier: Apache-2.0
// What the file system says about files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <sys/stat.h>

namespace likeness {

/// Sum of the files below a folder; 0 when it is not there.
uint64_t folder_bytes(const std::filesystem::path& folder);
/// When a file was last written, ISO 8601 UTC; empty when it is not there.
std::string modified_utc(const std::filesystem::path& path);
/// Changes whenever the file does (inode, size, time); empty when it is not there.
std::string file_stamp(const std::filesystem::path& path);
std::string file_stamp(const struct stat& facts);

}  // namespace likeness
