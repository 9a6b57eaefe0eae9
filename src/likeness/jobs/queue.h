// SPDX-License-Identifier: Apache-2.0
// The queue of jobs of the projects that are open in this process. It lives in the projects'
// databases: after a kill, what was running is queued again and goes on (tasks resume by design).
//
// One job that computes runs at a time, and beside it one light one (a consent that is checked).
// States: queued, running, paused, done, failed, cancelled, interrupted (the program ended under it
// three times: it is not started again by itself). Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/error.h"
#include "likeness/base/run.h"
#include "likeness/project/project.h"
#include "likeness/tasks/runner.h"

namespace likeness::jobs {

/// What a job does, made from what the user asked for.
struct Work {
  std::string title;   ///< "Swap take.mp4 with ben-on-ava"
  bool light = false;  ///< may run beside a heavy one
  /// Asks the consent gate; throws kRefused. Called when the job is queued, so that a refusal is
  /// seen at once; the runner asks again.
  std::function<void()> authorise;
  /// Gives the result. A result with "stopped_by": "cancel" is one that ended early but whole.
  std::function<nlohmann::json(Progress&, const Cancel&)> run;
};
/// Throws kUsage, kNotFound ... when the job cannot be.
using MakeWork =
    std::function<Work(project::Project& project, const std::string& task,
                       const nlohmann::json& arguments, const nlohmann::json& options)>;

struct QueueListener {
  /// A job changed; called at most four times a second for progress alone.
  std::function<void(const std::string& project, const nlohmann::json& job)> changed;
  std::function<void(const std::string& project, int64_t job, LogLevel level,
                     const std::string& text)>
      logged;
};

/// debug, info, warning or error.
const char* log_level_name(LogLevel level);

class Queue {
 public:
  Queue(MakeWork make, QueueListener listener);
  ~Queue();  ///< stop()
  /// Takes the project's queue over; jobs of a dead process go on. Throws kIo when another studio
  /// has it.
  void open(const std::string& id, std::shared_ptr<project::Project> project);
  /// Asks the running jobs to save and end, waits for them, and keeps them queued.
  void stop();
  /// Asks, without waiting.
  void request_stop();

  /// All give the job as JSON: {id, task, title, arguments, options, state, progress, created_at,
  /// started_at, ended_at, error, result, attempt, crashes, report}. Throw kNotFound, kUsage (not
  /// in this state). A draft is paused from the start: it waits until it is resumed.
  nlohmann::json add(const std::string& project, const std::string& task,
                     const nlohmann::json& arguments, const nlohmann::json& options,
                     bool draft = false);
  nlohmann::json jobs(
      const std::string& project) const;  ///< unfinished in order, then newest first
  /// Other arguments and options for a job that waits, or that ended without success and can be
  /// tried again; checked like those of a new one.
  nlohmann::json edit(const std::string& project, int64_t job, const nlohmann::json& arguments,
                      const nlohmann::json& options);
  nlohmann::json cancel(const std::string& project, int64_t job);
  nlohmann::json pause(const std::string& project, int64_t job);
  nlohmann::json resume(const std::string& project, int64_t job);
  nlohmann::json retry(const std::string& project, int64_t job);
  /// The unfinished jobs in a new order; ids not named keep their order behind.
  nlohmann::json order(const std::string& project, const std::vector<int64_t>& ids);
  void remove(const std::string& project, int64_t job);
  /// The text of the crash report of a job under which the program ended. Throws kNotFound.
  std::string report(const std::string& project, int64_t job) const;
  /// {lines: [{t, level, text}], next}
  nlohmann::json log(const std::string& project, int64_t job, size_t from) const;

  /// A log line of the library: it belongs to the job of this thread, else to the heavy one.
  void on_log(LogLevel level, const std::string& text);
  /// Something else needs the machine (a live stream): until release() no job that computes begins.
  /// Throws kIo when one computes now.
  void hold();
  void release();
  /// The job that computes now: {project, id, task, arguments}, or null.
  nlohmann::json running() const;

 private:
  enum class Stop { kNone, kPause, kCancel, kShutdown };
  struct Entry {
    std::string project;
    project::QueueRow row;
    bool light = false;
    std::unique_ptr<Cancel> cancel;
    Stop stop = Stop::kNone;
    ProgressState progress;
    bool has_progress = false;
    std::chrono::steady_clock::time_point told;
  };
  struct Open {
    std::shared_ptr<project::Project> project;
    std::unique_ptr<tasks::ProjectLock> lock;
  };
  using Key = std::pair<std::string, int64_t>;

  void runner(bool light);
  void run(Key key);
  std::optional<Key> next_locked(bool light) const;
  void finish(Key key, const nlohmann::json* result, const Error* error);
  void progress(Key key, const ProgressState& state, bool ends);
  Entry& entry_locked(const std::string& project, int64_t job);
  const Entry& entry_locked(const std::string& project, int64_t job) const;
  Open& open_locked(const std::string& project);
  const Open& open_locked(const std::string& project) const;
  nlohmann::json json_locked(const Entry& entry) const;
  void save_locked(Entry& entry, const std::string& state);
  std::filesystem::path log_path_locked(const std::string& project, int64_t job) const;
  nlohmann::json stop_one(const std::string& project, int64_t job, Stop why);
  nlohmann::json again(const std::string& project, int64_t job,
                       const std::vector<std::string>& from, bool new_attempt);

  MakeWork make_;
  QueueListener listener_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false, held_ = false;
  std::map<std::string, Open> projects_;
  std::map<Key, Entry> entries_;
  std::optional<Key> heavy_;  ///< the one that computes now
  std::thread heavy_thread_, light_thread_;
  mutable std::mutex log_mutex_;
};

}  // namespace likeness::jobs
