// SPDX-License-Identifier: Apache-2.0
// The sound of a file as one run of samples, for analysis (not for making sound: that keeps its
// channels and rate).
#pragma once

#include <filesystem>
#include <vector>

namespace likeness::media {

/// First audio stream, mixed to mono at `rate_hz`. Sample 0 is at time 0 of the file's frames:
/// silence is put before a stream that starts later, and what lies before is cut. At most `max_s`
/// seconds. Empty when the file has no sound; damaged parts are left out. Throws kNotFound,
/// kBadInput.
std::vector<float> read_mono(const std::filesystem::path& path, int rate_hz, double max_s = 3600);

}  // namespace likeness::media
