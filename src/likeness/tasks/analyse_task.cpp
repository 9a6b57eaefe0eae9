// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/analyse_task.h"

#include "likeness/base/atomic_file.h"
#include "likeness/tasks/analyse_media.h"
#include "likeness/tasks/media_inputs.h"

namespace likeness::tasks {
namespace fs = std::filesystem;

AnalyseTask::AnalyseTask(std::vector<fs::path> clips, AnalyseTaskOptions options)
    : clips_(std::move(clips)), options_(std::move(options)) {
  validate_options(options_);
}

nlohmann::json AnalyseTask::options() const { return options_to_json(options_); }

trust::Request AnalyseTask::request() const {
  return {.task = "analyse", .operation = trust::Operation::kAnalyse};
}

std::vector<trust::Input> AnalyseTask::inputs(project::Project&) const {
  if (files_.empty()) {
    nlohmann::json skipped = nlohmann::json::array();
    files_ = expand_media(clips_, skipped);
  }
  return files_;
}

std::vector<Chunk> AnalyseTask::plan(Run&) {
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < files_.size(); ++i)
    chunks.push_back({"analysis-" + std::to_string(i),
                      ".json",
                      "analyse " + files_[i].path.filename().string(),
                      {{"file", i}}});
  return chunks;
}

void AnalyseTask::run(const Chunk& chunk, const fs::path& out, Run& run) {
  const auto row = analyse_media(run, files_[chunk.what.at("file").get<size_t>()],
                                 options_.analysis, true, options_.again);
  write_file_atomic(out, nlohmann::json{{"media", row.id}}.dump());
}

Result AnalyseTask::join(const std::vector<fs::path>&, Run& run) {
  Result result;
  result.report["files"] = nlohmann::json::array();
  for (const auto& file : files_) {
    const auto row = run.project.media_by_hash(file.hash);
    if (!row) continue;
    result.report["files"].push_back({{"path", file.path.string()},
                                      {"media", row->id},
                                      {"frames", row->frames},
                                      {"faces", run.project.count_faces(row->id)},
                                      {"tracks", run.project.tracks(row->id).size()},
                                      {"info", row->info}});
  }
  return result;
}

}  // namespace likeness::tasks
