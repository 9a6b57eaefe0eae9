// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/run.h"

#include <cstdio>

#include "likeness/base/error.h"

namespace likeness {

void Cancel::check() const {
  if (requested())
    throw Error(ErrorCode::kCancelled, "stopped on request",
                "run the same command again to go on from here");
}

void Progress::begin(std::string stage, double total, std::string unit) {
  std::lock_guard lock(mutex_);
  state_ = {};
  state_.stage = std::move(stage);
  state_.total = total;
  state_.unit = std::move(unit);
  start_ = std::chrono::steady_clock::now();
  report(true, false);
}
void Progress::advance(double n) {
  std::lock_guard lock(mutex_);
  state_.done += n;
  report(false, false);
}
void Progress::set(double done, std::string detail) {
  std::lock_guard lock(mutex_);
  state_.done = done;
  if (!detail.empty()) state_.detail = std::move(detail);
  report(false, false);
}
void Progress::end() {
  std::lock_guard lock(mutex_);
  report(true, true);
}
void Progress::report(bool force, bool ends) {
  auto now = std::chrono::steady_clock::now();
  if (!force && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  state_.elapsed_s = std::chrono::duration<double>(now - start_).count();
  state_.eta_s = state_.total > 0 && state_.done > 0 && state_.elapsed_s > 0.5
                     ? state_.elapsed_s * (state_.total - state_.done) / state_.done
                     : -1;
  if (listener_) listener_(state_, ends);
}

namespace {
std::mutex g_log_mutex;
LogSink& sink() {
  static LogSink s = [](LogLevel level, const std::string& text) {
    static const char* names[] = {"debug", "info", "warning", "error"};
    if (level != LogLevel::kDebug)
      std::fprintf(stderr, "%s: %s\n", names[static_cast<int>(level)], text.c_str());
  };
  return s;
}
}  // namespace
void set_log_sink(LogSink s) {
  std::lock_guard lock(g_log_mutex);
  sink() = std::move(s);
}
void log(LogLevel level, const std::string& text) {
  std::lock_guard lock(g_log_mutex);
  if (sink()) sink()(level, text);
}

}  // namespace likeness
