// SPDX-License-Identifier: Apache-2.0
// The whole program on the built-in performers: extract, train, swap, evaluate, report.
#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

#include "likeness/base/run.h"
#include "likeness/tasks/train.h"

namespace likeness::tasks {

/// Where the built-in footage lies: LIKENESS_ASSETS, beside the source tree, or
/// /usr/share/likeness. Throws kMissing.
std::filesystem::path performers_folder();

/// Puts swap.mp4, side-by-side.mp4, contact-sheet.png, report.html, report.json and the project
/// into `out`. Run again it goes on where it was. The JSON has "evaluation" (as `likeness evaluate
/// --json`), "seconds" of each step, and the files.
nlohmann::json run_demo(const std::filesystem::path& out, const TrainTaskOptions& options,
                        Progress& progress, const Cancel& cancel);

}  // namespace likeness::tasks
