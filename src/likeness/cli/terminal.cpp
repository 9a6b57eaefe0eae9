// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/terminal.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "likeness/base/text.h"

namespace likeness::cli {
namespace {

std::mutex g_mutex;
bool g_bar_shown = false;

int terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

std::string rate_text(const ProgressState& s) {
  if (s.elapsed_s < 0.2 || s.done <= 0 || s.unit.empty()) return "";
  const double rate = s.done / s.elapsed_s;
  char text[64];
  std::snprintf(text, sizeof text, rate >= 10 ? "%.0f %s/s" : "%.2g %s/s", rate, s.unit.c_str());
  return text;
}

/// "45 %  540/1200 frames  62 frames/s  ETA 0:11  loss 0.03"
std::string numbers(const ProgressState& s, bool ends) {
  char text[160];
  std::string out;
  if (s.total > 0) {
    std::snprintf(text, sizeof text, "%3.0f %%  %.0f/%.0f %s",
                  std::min(100.0, 100 * s.done / s.total), s.done, s.total, s.unit.c_str());
    out = text;
  } else {
    std::snprintf(text, sizeof text, "%.0f %s", s.done, s.unit.c_str());
    out = text;
  }
  if (const std::string rate = rate_text(s); !rate.empty()) out += "  " + rate;
  if (ends)
    out += "  " + clock_text(s.elapsed_s);
  else if (s.eta_s >= 0)
    out += "  ETA " + clock_text(s.eta_s);
  if (!s.detail.empty()) out += "  " + s.detail;
  return out;
}

void show_bar(const ProgressState& s, bool ends) {
  const int width = terminal_width();
  std::string bar;
  if (s.total > 0) {
    constexpr int kCells = 24;
    const int full = static_cast<int>(kCells * std::clamp(s.done / s.total, 0.0, 1.0));
    bar = " [" + std::string(static_cast<size_t>(full), '#') +
          std::string(static_cast<size_t>(kCells - full), '.') + "]";
  }
  std::string line = s.stage + bar + " " + numbers(s, ends);
  if (static_cast<int>(line.size()) >= width) line.resize(static_cast<size_t>(width - 1));
  std::fprintf(stderr, "\r\033[K%s%s", line.c_str(), ends ? "\n" : "");
  g_bar_shown = !ends;
}

Cancel* g_cancel = nullptr;
void on_signal(int) {
  // Only what is safe in a handler: an atomic, write and _exit.
  if (g_cancel->requested()) {
    ::_exit(130);
  }
  g_cancel->request();
  const char text[] = "\nstopping: what is done is being saved; once more to stop at once\n";
  if (::write(STDERR_FILENO, text, sizeof text - 1) < 0) return;
}

}  // namespace

Progress::Listener progress_listener(bool quiet) {
  if (quiet) return {};
  if (::isatty(STDERR_FILENO))
    return [](const ProgressState& s, bool ends) {
      std::lock_guard lock(g_mutex);
      show_bar(s, ends);
    };
  return
      [last = std::chrono::steady_clock::time_point{}](const ProgressState& s, bool ends) mutable {
        const auto now = std::chrono::steady_clock::now();
        if (!ends && (s.done <= 0 || now - last < std::chrono::seconds(5))) return;
        last = now;
        std::lock_guard lock(g_mutex);
        std::fprintf(stderr, "%s: %s\n", s.stage.c_str(), numbers(s, ends).c_str());
      };
}

void install_log_sink(bool quiet) {
  set_log_sink([quiet](LogLevel level, const std::string& text) {
    static const char* names[] = {"debug", "info", "warning", "error"};
    if (level == LogLevel::kDebug || (quiet && level == LogLevel::kInfo)) return;
    std::lock_guard lock(g_mutex);
    std::fprintf(stderr, "%s%s: %s\n", g_bar_shown ? "\r\033[K" : "",
                 names[static_cast<int>(level)], text.c_str());
  });
}

void install_signals(Cancel& cancel) {
  g_cancel = &cancel;
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace likeness::cli
