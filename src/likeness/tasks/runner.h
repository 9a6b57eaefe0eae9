// SPDX-License-Identifier: Apache-2.0
// Runs a task: authorise -> plan -> run each chunk -> join -> trust::finish. A job row tells what
// happened; work/KEY keeps finished chunks until the job is done, so the same command goes on where
// it was stopped or killed. KEY is a hash of the task, its options, its inputs and the program's
// version.
#pragma once

#include <memory>

#include "likeness/tasks/task.h"

namespace likeness::tasks {

struct JobResult {
  int64_t job = 0;
  nlohmann::json report;  ///< the task's, plus "job" and "outputs": [{kind, path, sha256}]
  std::vector<trust::Finished> outputs;
};

/// Throws kRefused (consent), kIo (the same job or another on the same thing is running),
/// kCancelled, and whatever the task throws. Every error is written into the job row.
JobResult run_task(Task& task, project::Project& project, Progress& progress, const Cancel& cancel);

/// The name of the job's folder under work/.
std::string job_key(const Task& task, const std::vector<trust::Input>& inputs);

/// Advisory lock of a name in a project, held by this process until destroyed; a killed process
/// frees it.
class ProjectLock {
 public:
  /// Throws kIo at once when another process (or this one) holds it.
  ProjectLock(const project::Project& project, const std::string& name);
  ~ProjectLock();
  ProjectLock(const ProjectLock&) = delete;
  ProjectLock& operator=(const ProjectLock&) = delete;

 private:
  int fd_ = -1;
};

/// What the ids of this project's marks are derived with; drawn on first use.
std::string watermark_secret(project::Project& project);

/// Program version, part of every key.
/// In the work folder of a job with persons in it: their names, one a line.
inline constexpr const char* kPersonsOfJob = "persons";

const char* program_version();

}  // namespace likeness::tasks
