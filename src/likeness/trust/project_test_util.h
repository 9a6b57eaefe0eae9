// SPDX-License-Identifier: Apache-2.0
// For tests: a project with its own home, and the synthetic subject "ben" in it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/project/project.h"

namespace likeness::trust {

class ProjectFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("likeness-project-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    if (const char* was = std::getenv("LIKENESS_HOME")) home_before_ = was;
    ::setenv("LIKENESS_HOME", (folder_ / "home").c_str(), 1);
    project_ = std::make_unique<project::Project>(project::Project::create(folder_ / "film"));
    project_->add_subject({.name = "ben"});
  }
  void TearDown() override {
    project_.reset();
    std::filesystem::remove_all(folder_);
    if (home_before_.empty())
      ::unsetenv("LIKENESS_HOME");
    else
      ::setenv("LIKENESS_HOME", home_before_.c_str(), 1);
  }
  std::filesystem::path folder_;
  std::unique_ptr<project::Project> project_;

 private:
  std::string home_before_;
};

}  // namespace likeness::trust
