// SPDX-License-Identifier: Apache-2.0
// Joining parts into a file that stands for itself; video.h has concatenate(), which keeps times.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace likeness::media {

/// As concatenate(), but the first frame is shown at 0 and the sound begins with it, to within one
/// packet of the sound: for a piece out of the middle of a film.
void concatenate_from_zero(const std::vector<std::filesystem::path>& parts,
                           const std::filesystem::path& out,
                           const std::filesystem::path& audio_source = {},
                           const std::map<std::string, std::string>& tags = {});

}  // namespace likeness::media
