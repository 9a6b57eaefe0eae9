// SPDX-License-Identifier: Apache-2.0
// Scores of a swapped clip, with pictures and a report for people.
#pragma once

#include "likeness/base/options.h"
#include "likeness/evaluate/evaluate.h"
#include "likeness/evaluate/report.h"
#include "likeness/tasks/task.h"

namespace likeness::tasks {

struct EvaluateTaskOptions {
  bool per_frame = true;
  int worst = 5;
  double goals_minutes = 0;
};
template <typename V>
void visit(EvaluateTaskOptions& o, V&& f) {
  f("per_frame", o.per_frame, OptionInfo{.help = "values of every frame in the JSON"});
  f("worst", o.worst,
    OptionInfo{
        .help = "how many of the worst frames to name", .unit = "frames", .min = 0, .max = 1000});
  f("goals_minutes", o.goals_minutes,
    OptionInfo{.help = "compare with what a model trained this long should reach; 0 = no goals",
               .unit = "min",
               .min = 0,
               .max = 1e5,
               .level = OptionLevel::kAdvanced});
}

/// What to write beside the numbers; empty = not.
struct EvaluateFiles {
  std::filesystem::path html, sheet, side_by_side;
};

class EvaluateTask : public Task {
 public:
  /// `facts` appear in the HTML report.
  EvaluateTask(evaluate::Inputs inputs, std::string identity, std::string performer,
               EvaluateFiles files, EvaluateTaskOptions options,
               std::filesystem::path train_log = {},
               std::vector<std::pair<std::string, std::string>> facts = {});
  std::string name() const override { return "evaluate"; }
  nlohmann::json options() const override;
  trust::Request request() const override;
  std::vector<trust::Input> inputs(project::Project& project) const override;
  std::vector<Chunk> plan(Run& run) override;
  void run(const Chunk& chunk, const std::filesystem::path& out, Run& run) override;
  /// The report is Evaluation::to_json().
  Result join(const std::vector<std::filesystem::path>& parts, Run& run) override;

 private:
  void side_by_side(const std::filesystem::path& temporary, Run& run) const;

  evaluate::Inputs videos_;
  std::string identity_, performer_;
  EvaluateFiles files_;
  EvaluateTaskOptions options_;
  std::filesystem::path train_log_;
  std::vector<std::pair<std::string, std::string>> facts_;
};

}  // namespace likeness::tasks
