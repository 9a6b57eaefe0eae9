// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/model_history.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/tasks/runner.h"

namespace likeness::tasks {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class ModelHistory : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("likeness-history-" + std::to_string(::getpid()));
    fs::remove_all(root_);
    project_ = std::make_unique<project::Project>(project::Project::create(root_));
    folder_ = project_->model_folder("m");
    fs::create_directories(folder_);
    project_->end_job(project_->begin_job("train", {{"model", "m"}, {"minutes", 5}}), "done", {});
    for (const char* step : {"step-00000010.checkpoint", "step-00000020.checkpoint"})
      write("" + std::string(step), step);
  }
  void TearDown() override {
    project_.reset();
    fs::remove_all(root_);
  }
  void write(const std::string& name, const std::string& text) {
    write_file_atomic(folder_ / name, text);
  }
  std::string text(const std::string& name) const { return read_file(folder_ / name, 1 << 20); }

  fs::path root_, folder_;
  std::unique_ptr<project::Project> project_;
};

TEST_F(ModelHistory, UndoOfARestoreBringsEverythingBack) {
  write("model.safetensors", "weights of 20");
  write("model.toml", "card of 20");
  write("log.jsonl", "{\"step\":10}\n{\"step\":20}\n");
  const json done = restore_checkpoint(*project_, "m", 10);
  EXPECT_EQ(done["trash"].size(), 2u);
  EXPECT_FALSE(fs::exists(folder_ / "step-00000020.checkpoint"));
  EXPECT_EQ(text("model.safetensors"), "weights of 20") << "until the export has written others";
  const json state = model_state(*project_, done["trash"][0]);
  EXPECT_EQ(state["model"], "m");
  EXPECT_EQ(state["options"], done["options"]);
  EXPECT_TRUE(model_state(*project_, done["trash"][1]).is_null());
  // What the export and the next steps do.
  write("model.safetensors", "weights of 10");
  write("model.toml", "card of 10");
  write("preview.png", "of 10");
  write("log.jsonl", "{\"step\":10}\n");
  for (const auto& id : done["trash"]) bring_back(*project_, id);
  EXPECT_EQ(text("model.safetensors"), "weights of 20");
  EXPECT_EQ(text("model.toml"), "card of 20");
  EXPECT_EQ(model_log(*project_, "m", 0, 100)["rows"].back()["step"], 20);
  EXPECT_EQ(model_checkpoints(*project_, "m").back().step, 20);
  EXPECT_FALSE(fs::exists(folder_ / "preview.png")) << "there was none";
  EXPECT_TRUE(project_->trash().empty());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 5);
}

/// A log is written on in place: what is kept must not grow with it.
TEST_F(ModelHistory, WhatIsKeptDoesNotChange) {
  write("log.jsonl", "{\"step\":20}\n");
  const json done = restore_checkpoint(*project_, "m", 10);
  FILE* log = std::fopen((folder_ / "log.jsonl").c_str(), "a");
  ASSERT_NE(log, nullptr);
  std::fputs("{\"step\":11}\n", log);
  std::fclose(log);
  bring_back(*project_, done["trash"][0]);
  EXPECT_EQ(text("log.jsonl"), "{\"step\":20}\n");
}

TEST_F(ModelHistory, NothingIsBroughtBackUnderATraining) {
  write("model.safetensors", "weights of 20");
  const json done = restore_checkpoint(*project_, "m", 10);
  write("model.safetensors", "weights of 10");
  {
    const ProjectLock training(*project_, "model-m");
    EXPECT_THROW(bring_back(*project_, done["trash"][0]), Error);
    EXPECT_EQ(text("model.safetensors"), "weights of 10");
  }
  bring_back(*project_, done["trash"][0]);
  EXPECT_EQ(text("model.safetensors"), "weights of 20");
  EXPECT_THROW(bring_back(*project_, done["trash"][0]), Error) << "once";
}

}  // namespace
}  // namespace likeness::tasks
