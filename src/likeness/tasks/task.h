// SPDX-License-Identifier: Apache-2.0
// What a user action is to the runner. One file per action beside this one.
//
// Rules: a task never writes a final file itself: chunks go to the path the runner gives, results
// are handed over as trust::Output under a temporary name, and the runner finishes them (proof of
// origin, ledger, rename). A chunk is a pure function of the task's options, inputs and earlier
// chunks, so it may run anywhere, any number of times. Everything throws likeness::Error.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/rng.h"
#include "likeness/base/run.h"
#include "likeness/project/project.h"
#include "likeness/trust/consent.h"
#include "likeness/trust/finish.h"

namespace likeness::tasks {

/// The one context object of a running task.
struct Run {
  project::Project& project;
  Progress& progress;
  const Cancel& cancel;
  const trust::Grant& grant;
  std::filesystem::path
      work;  ///< work/KEY of this job: chunk outputs and what else must survive a kill
  /// Id of the invisible mark in this job's video and pictures; drawn once per job and kept in
  /// `work`, so that all chunks, here or elsewhere, now or after a kill, carry the same.
  uint64_t watermark = 0;
  uint64_t seed = 1;
  /// Randomness that does not depend on chunks or threads.
  Rng rng(FrameIndex frame, std::string_view purpose) const { return Rng(seed, frame, purpose); }
};

/// One resumable piece. Chunks run in the order of the plan; a later one may read what earlier ones
/// wrote.
struct Chunk {
  std::string name;       ///< file name without extension, unique in the plan: "crops-003"
  std::string extension;  ///< ".mp4"
  std::string label;      ///< for people: "swap frames 480..719"
  nlohmann::json what;    ///< whatever run() needs
};

struct Result {
  nlohmann::json report;
  std::vector<trust::Output> outputs;
};

class Task {
 public:
  virtual ~Task() = default;
  virtual std::string name() const = 0;
  /// Every option that can change the result, resolved.
  virtual nlohmann::json options() const = 0;
  /// Whose likeness is used, how, and for what: what the consent gate is asked.
  virtual trust::Request request() const = 0;
  /// Files that go in; hashed into the key of the job.
  virtual std::vector<trust::Input> inputs(project::Project& project) const = 0;
  /// Things of the project only one job at a time may change: {"faceset-ben"}.
  virtual std::vector<std::string> locks() const { return {}; }
  virtual std::vector<Chunk> plan(Run& run) = 0;
  /// Writes `out` atomically. Not called when `out` is there already.
  virtual void run(const Chunk& chunk, const std::filesystem::path& out, Run& run) = 0;
  /// `parts` are the chunk outputs in plan order.
  virtual Result join(const std::vector<std::filesystem::path>& parts, Run& run) = 0;
};

}  // namespace likeness::tasks
