// SPDX-License-Identifier: Apache-2.0
// What can be asked about voices without making anything.
#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

#include "likeness/project/project.h"

namespace likeness::tasks {

/// [{name, engine, language, rate_hz, licence, origin, title, works, problem?, default}]
nlohmann::json list_project_voices(const project::Project& project);

/// {cosine, verdict, different_speakers_this_alike, one_speaker_this_unlike, equal_error_rate,
/// calibrated_on, files: [{path, speech_s, notes}]}. Throws kMissing (no speaker encoder),
/// kBadInput (silent, hardly any speech), and what media::read_audio throws.
nlohmann::json compare_speakers(const std::filesystem::path& a, const std::filesystem::path& b);

}  // namespace likeness::tasks
