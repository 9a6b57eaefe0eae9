// SPDX-License-Identifier: Apache-2.0
// Whether the words of a consent are said in a video, where a speech recogniser is installed.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace likeness::tasks {

struct HeardPhrase {
  bool listened = false;
  std::string why;        ///< why nobody listened
  int right = 0, of = 0;  ///< words heard in their order
  std::string heard;      ///< the end of what was understood, where the phrase is
  bool ok() const;
  nlohmann::json to_json() const;
};

/// Of six words at least this many, in their order. The recogniser knows the script and the 256
/// words that any request may ask for. Measured: docs/guide/consent.md.
inline constexpr int kLeastRightWords = 4;

/// Never throws for want of a recogniser: then `listened` is false.
HeardPhrase hear_phrase(const std::filesystem::path& video, const std::string& phrase,
                        const std::string& script);

}  // namespace likeness::tasks
