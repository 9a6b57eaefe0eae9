// SPDX-License-Identifier: Apache-2.0
// One HTML file that shows how good a swap is: no scripts, no outside resources, light and dark.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/image.h"

namespace likeness::evaluate {

/// A value that a metric should reach.
struct Goal {
  std::string key;  ///< of the evaluation's JSON
  enum class Sense { kAtLeast, kAtMost, kEqual } sense = Sense::kAtLeast;
  double value = 0;
};
/// What issue 2 asks of a swap after `minutes` of training.
std::vector<Goal> default_goals(double minutes = 3);
/// Measured and reached; a metric that is null was not measured and never passes.
bool reached(const Goal& goal, const nlohmann::json& evaluation);

struct ReportPicture {
  std::string caption;
  Image8 image;
};

struct ReportInputs {
  std::string title;          ///< "ben's face, ava's performance"
  nlohmann::json evaluation;  ///< Evaluation::to_json()
  std::vector<Goal> goals;
  std::filesystem::path train_log;  ///< JSON lines with "step", losses, held-out metrics; optional
  std::vector<ReportPicture> pictures;
  std::vector<std::pair<std::string, std::string>>
      facts;         ///< "machine", "training", "command", ...
  std::string note;  ///< a sentence on top: who agreed, what is synthetic
};

/// The page. Throws kNotFound when train_log is named and missing; lines of it that are not JSON
/// are skipped.
std::string html_report(const ReportInputs& inputs);
void write_report(const std::filesystem::path& path, const ReportInputs& inputs);  ///< atomic

}  // namespace likeness::evaluate
