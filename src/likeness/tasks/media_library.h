// SPDX-License-Identifier: Apache-2.0
// The clips of a project by number, for whoever may not name paths.
#pragma once

#include <filesystem>
#include <optional>

#include "likeness/media/video.h"
#include "likeness/project/project.h"

namespace likeness::tasks {

/// Throws kNotFound.
project::MediaRow media_row(const project::Project& project, int64_t id);
/// Where the clip is now: its recorded path, or media/NAME when the project was moved. Throws
/// kNotFound.
std::filesystem::path media_file(const project::Project& project, const project::MediaRow& row);
/// True when the file lies in the project's media/ folder.
bool in_media_folder(const project::Project& project, const std::filesystem::path& path);

/// Makes a file known without analysing it; a known one keeps what is known. Throws what probing it
/// throws.
project::MediaRow register_media(project::Project& project, const std::filesystem::path& path);

/// 1..200 bytes, no path, no control characters, not hidden: "my clip (2).mp4". `name` may come
/// from anybody. Empty becomes "clip".
std::string safe_file_name(const std::string& name);
/// `folder`/NAME.EXT, or NAME-2.EXT ... when there is one already.
std::filesystem::path free_name(const std::filesystem::path& folder, const std::string& name);

/// Loudest sample of each of `points` equal parts of the sound, 0..1; empty without sound.
std::vector<float> waveform(const std::filesystem::path& path, int points);

/// Longest side for Frame::rgb8_scaled() so that the picture gets `width` wide.
int longest_for_width(int frame_width, int frame_height, int width);

}  // namespace likeness::tasks
