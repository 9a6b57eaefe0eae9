// SPDX-License-Identifier: Apache-2.0
// The one live stream of this studio: somebody speaks in another's voice. While it runs no job that
// computes begins. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <nlohmann/json.hpp>

#include "likeness/jobs/queue.h"
#include "likeness/project/project.h"

namespace likeness::server {

struct LiveRequest {
  std::shared_ptr<project::Project> project;
  std::string voice;
  bool rehearsal = false;  ///< heard, not kept
  nlohmann::json options = nlohmann::json::object();
  int in = -1, out = -1;  ///< sockets of raw sound, mono, 24 kHz, 16 bit, little endian
  /// {"type": "ready"}, then {"type": "stats", ...} every second; called by the stream's thread.
  std::function<void(nlohmann::json)> tell;
};
/// Runs until `in` ends; gives the report.
using LiveWork = std::function<nlohmann::json(const LiveRequest&)>;

class Live {
 public:
  Live(jobs::Queue& queue, LiveWork work) : queue_(queue), work_(std::move(work)) {}
  ~Live() { finish(); }
  /// Owns the two descriptors from now on. `tell` gets {"type": "done", "report"} or {"type":
  /// "error", "error"} last. `ended` runs after that. Throws kIo (another stream, or a job
  /// computes), kUnsupported (no networks in this build); the descriptors are closed then too.
  void begin(const std::string& project_id, LiveRequest request, std::function<void()> ended);
  /// The stream hears nothing more: what was said is finished and kept. Only one of this project,
  /// or any when it is empty. Does not wait.
  void stop(const std::string& project_id = "");
  /// stop(), and waits; a listener who does not listen holds it up no longer.
  void finish();
  /// {project, voice, rehearsal}, or null.
  nlohmann::json now() const;

 private:
  jobs::Queue& queue_;
  const LiveWork work_;
  mutable std::mutex mutex_;
  bool running_ = false;
  std::string project_;
  LiveRequest request_;
  std::thread thread_;
};

}  // namespace likeness::server
