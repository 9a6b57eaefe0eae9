// SPDX-License-Identifier: Apache-2.0
// Runs the real program and looks at what it says and leaves behind.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/types.h>

#include "likeness/base/image.h"

namespace likeness::tests {

struct Outcome {
  int status = 0;  ///< exit status; 128 + signal when killed
  std::string out, err;
  nlohmann::json json() const;  ///< stdout; a test failure when it is not JSON
};

struct RunOptions {
  std::vector<std::string> environment;  ///< "NAME=value"
  double kill_after_s = -1;              ///< SIGKILL then; < 0 never
  std::function<bool()> interrupt_when;  ///< SIGINT once this holds
  int64_t file_size_limit = -1;          ///< RLIMIT_FSIZE in bytes
  std::string stdout_to;                 ///< a file instead of a pipe
  std::string stdin_from = "/dev/null";
};

/// `likeness ARGS...` in `folder`. Never throws; a run longer than 10 minutes is killed.
Outcome run(const std::filesystem::path& folder, const std::vector<std::string>& args,
            const RunOptions& options = {});

/// A fresh folder for each test, removed at the end.
class ProgramTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
  Outcome likeness(const std::vector<std::string>& args, const RunOptions& options = {}) const {
    return run(folder_, args, options);
  }
  /// Runs with --json, expects status 0 and gives stdout.
  nlohmann::json ok(std::vector<std::string> args, const RunOptions& options = {}) const;
  /// Expects this error code, its exit status, an `error:` and a `hint:` line, and `word` in the
  /// message.
  void fails(std::vector<std::string> args, const std::string& code, const std::string& word,
             const RunOptions& options = {}) const;
  /// `frames` frames of a built-in performer's clip from `first` on, written once per process;
  /// "ben-train".
  std::filesystem::path clip(const std::string& name, int first, int frames) const;
  std::filesystem::path folder_;
};

/// Where the built-in clips lie, and whether the models are there (else tests skip and say so).
std::filesystem::path performers();
bool models_installed();
#define NEEDS_MODELS()                        \
  if (!::likeness::tests::models_installed()) \
  GTEST_SKIP() << "the face models are not installed: run scripts/install-models"

/// The bytes that are on the disk, also of a sealed file.
std::string raw_bytes(const std::filesystem::path& path);
void write_raw(const std::filesystem::path& path, const std::string& bytes);
/// Frames of a video, decoded.
std::vector<Image8> frames_of(const std::filesystem::path& video);
/// Temporary files left behind anywhere under `folder`.
std::vector<std::string> leftovers(const std::filesystem::path& folder);

}  // namespace likeness::tests
