// SPDX-License-Identifier: Apache-2.0
// Progress, cancellation and logging: what long work needs to talk to whoever started it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>

namespace likeness {

/// Level 1 asks for an orderly stop (finish the step, save); level 2 for stopping now.
class Cancel {
 public:
  void request() { level_.fetch_add(1); }
  int level() const { return level_.load(std::memory_order_relaxed); }
  bool requested() const { return level() > 0; }
  /// Throws kCancelled when a stop was asked for.
  void check() const;

 private:
  std::atomic<int> level_{0};
};

struct ProgressState {
  std::string stage;   ///< "extract ben-train.mp4"
  double done = 0;     ///< in `unit`
  double total = 0;    ///< 0 when unknown
  std::string unit;    ///< "frames", "steps", "s"
  std::string detail;  ///< "loss 0.031, 142 ms/step"
  double elapsed_s = 0;
  double eta_s = -1;  ///< -1 when unknown
};

/// Thread-safe. The listener is called at most every 100 ms, and always at stage begin and end.
class Progress {
 public:
  using Listener = std::function<void(const ProgressState&, bool stage_ends)>;
  explicit Progress(Listener listener = {}) : listener_(std::move(listener)) {}
  void begin(std::string stage, double total, std::string unit);
  void advance(double n = 1);
  void set(double done, std::string detail = "");
  void end();

 private:
  void report(bool force, bool ends);
  std::mutex mutex_;
  Listener listener_;
  ProgressState state_;
  std::chrono::steady_clock::time_point start_, last_;
};

/// Log lines go to stderr or to a sink set once by the program. Thread-safe.
enum class LogLevel { kDebug, kInfo, kWarning, kError };
using LogSink = std::function<void(LogLevel, const std::string&)>;
void set_log_sink(LogSink sink);
void log(LogLevel level, const std::string& text);
inline void log_info(const std::string& text) { log(LogLevel::kInfo, text); }
inline void log_warning(const std::string& text) { log(LogLevel::kWarning, text); }

}  // namespace likeness
