// SPDX-License-Identifier: Apache-2.0
// Two facesets -> a model in models/NAME: checkpoints, log.jsonl, previews, model.safetensors +
// card.
#pragma once

#include "likeness/tasks/task.h"
#include "likeness/train/train_options.h"

namespace likeness::tasks {

struct TrainTaskOptions {
  train::TrainOptions train;
  int max_faces = 4000;
};
template <typename V>
void visit(TrainTaskOptions& o, V&& f) {
  visit(o.train, f);
  f("max_faces", o.max_faces,
    OptionInfo{
        .help = "most crops to use of each person, balanced over pose", .min = 16, .max = 1e6});
}

/// Trains until a target of the options is reached, over all runs of this model: the same command
/// again goes on from the newest checkpoint. Ctrl-C saves, exports what there is and ends with
/// stopped_by "cancel".
class TrainTask : public Task {
 public:
  TrainTask(std::string model, std::string identity, std::string performer,
            TrainTaskOptions options);
  std::string name() const override { return "train"; }
  nlohmann::json options() const override;
  trust::Request request() const override;
  std::vector<trust::Input> inputs(project::Project& project) const override;
  std::vector<std::string> locks() const override { return {"model-" + model_}; }
  std::vector<Chunk> plan(Run& run) override;
  void run(const Chunk& chunk, const std::filesystem::path& out, Run& run) override;
  Result join(const std::vector<std::filesystem::path>& parts, Run& run) override;

 private:
  std::string model_, identity_, performer_;
  TrainTaskOptions options_;
};

}  // namespace likeness::tasks
