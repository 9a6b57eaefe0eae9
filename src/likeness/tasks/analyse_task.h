// SPDX-License-Identifier: Apache-2.0
// Finds the faces and tracks of clips and stores them, whoever they are: what the naming of people
// starts from. Makes nothing new, so its grant names nobody.
#pragma once

#include "likeness/face/video_analysis.h"
#include "likeness/tasks/task.h"

namespace likeness::tasks {

struct AnalyseTaskOptions {
  face::AnalysisOptions analysis;
  bool again = false;
};
template <typename V>
void visit(AnalyseTaskOptions& o, V&& f) {
  visit(o.analysis, f);
  f("again", o.again,
    OptionInfo{.help = "analyse clips anew that were analysed before",
               .level = OptionLevel::kAdvanced});
}

class AnalyseTask : public Task {
 public:
  AnalyseTask(std::vector<std::filesystem::path> clips, AnalyseTaskOptions options);
  std::string name() const override { return "analyse"; }
  nlohmann::json options() const override;
  trust::Request request() const override;
  std::vector<trust::Input> inputs(project::Project& project) const override;
  std::vector<Chunk> plan(Run& run) override;
  void run(const Chunk& chunk, const std::filesystem::path& out, Run& run) override;
  /// {files: [{path, media, frames, faces, tracks, info}]}
  Result join(const std::vector<std::filesystem::path>& parts, Run& run) override;

 private:
  std::vector<std::filesystem::path> clips_;
  AnalyseTaskOptions options_;
  mutable std::vector<trust::Input> files_;
};

}  // namespace likeness::tasks
