// SPDX-License-Identifier: Apache-2.0
// Footage -> faces and tracks in the project -> crops of one subject in its faceset.
#pragma once

#include "likeness/face/video_analysis.h"
#include "likeness/tasks/task.h"

namespace likeness::tasks {

struct ExtractOptions {
  face::AnalysisOptions analysis;
  std::string crop = "whole";
  int size_px = 256;
  int every = 1;
  int max_crops = 10000;
  double near_duplicate = 0;
  bool all_people = false;
  bool again = false;
};
template <typename V>
void visit(ExtractOptions& o, V&& f) {
  visit(o.analysis, f);
  f("crop", o.crop,
    OptionInfo{.help = "how much of the head a crop shows",
               .choices = {"half", "full", "whole", "head"}});
  f("size_px", o.size_px,
    OptionInfo{.help = "side of the crops", .unit = "px", .min = 64, .max = 1024});
  f("every", o.every,
    OptionInfo{
        .help = "keep the faces of every n-th frame", .unit = "frames", .min = 1, .max = 10000});
  f("max_crops", o.max_crops,
    OptionInfo{.help = "most crops of one call; of longer footage frames are left out evenly (0 = "
                       "no limit; needs 50 KB of memory each)",
               .min = 0,
               .max = 1000000});
  f("near_duplicate", o.near_duplicate,
    OptionInfo{.help =
                   "exclude crops that differ less than this from a kept one (0 = keep all; 0.02 "
                   "drops still passages)",
               .min = 0,
               .max = 1});
  f("all_people", o.all_people, OptionInfo{.help = "keep every face, not only the subject's"});
  f("again", o.again,
    OptionInfo{.help = "analyse clips anew that were analysed before",
               .level = OptionLevel::kAdvanced});
}

class ExtractTask : public Task {
 public:
  /// `inputs`: videos, photos, image sequences, or folders of those.
  ExtractTask(std::vector<std::filesystem::path> inputs, std::string subject,
              ExtractOptions options);
  std::string name() const override { return "extract"; }
  nlohmann::json options() const override;
  trust::Request request() const override;
  std::vector<trust::Input> inputs(project::Project& project) const override;
  std::vector<std::string> locks() const override { return {"faceset-" + subject_}; }
  std::vector<Chunk> plan(Run& run) override;
  void run(const Chunk& chunk, const std::filesystem::path& out, Run& run) override;
  Result join(const std::vector<std::filesystem::path>& parts, Run& run) override;

 private:
  void analyse(const Chunk& chunk, const std::filesystem::path& out, Run& run);
  void decide(const std::filesystem::path& out, Run& run);
  void crop(const Chunk& chunk, const std::filesystem::path& out, Run& run);

  std::vector<std::filesystem::path> given_;
  std::string subject_;
  ExtractOptions options_;
  mutable std::vector<trust::Input> files_;
  mutable nlohmann::json skipped_ = nlohmann::json::array();
};

}  // namespace likeness::tasks
