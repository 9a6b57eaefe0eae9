// SPDX-License-Identifier: Apache-2.0
// What can be asked about voices without making anything.
#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

#include "likeness/base/run.h"
#include "likeness/project/project.h"

namespace likeness::tasks {

/// [{name, engine, language, rate_hz, licence, origin, title, works, problem?, default}], then the
/// subjects whose voice is enrolled: engine "enrolled", works = trained, and {kind, minutes, clips,
/// clips_with_text, trained, quality: {level: little, enough or good, more_s, recordings,
/// f0_median_hz, notes: [{recording, rule, text}]}}; minutes and quality are null where they cannot
/// be read (revoked, no key here).
nlohmann::json list_project_voices(const project::Project& project);

/// {cosine, verdict, different_speakers_this_alike, one_speaker_this_unlike, equal_error_rate,
/// calibrated_on, files: [{path, speech_s, notes}]}. Throws kMissing (no speaker encoder),
/// kBadInput (silent, hardly any speech), and what media::read_audio throws.
nlohmann::json compare_speakers(const std::filesystem::path& a, const std::filesystem::path& b);

struct AbxRequest {
  std::filesystem::path a, b;       ///< folders; recordings of the same name belong together
  std::filesystem::path reference;  ///< or empty
  std::string mode = "same";        ///< same (X is A or B), prefer (which is more natural)
  int rounds = 1;
  std::filesystem::path out;   ///< .html
  std::string a_name, b_name;  ///< shown at the end; empty: the folders' names
};
/// Writes a page, whole in itself, for a blind listening test in a browser: random order and
/// places, hidden names, keys, counts with a binomial p value, saved as JSON. All sounds are made
/// equally loud. With `reference` the question is which of A and B is more like it. Gives {output,
/// mode, a, b, sentences, trials, only_in_one, bytes}. Throws kNotFound (no folder), kBadInput (no
/// common name, too large), kUsage.
nlohmann::json make_abx_page(const AbxRequest& request, Progress& progress, const Cancel& cancel);

}  // namespace likeness::tasks
