// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/crash_report.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <typeinfo>

#include <cxxabi.h>
#include <execinfo.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/file_facts.h"

namespace likeness {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMostReports = 20, kNotes = 8, kNoteBytes = 512;
constexpr int kFrames = 64, kPatience_s = 20;
constexpr std::array kSignals = {std::pair{SIGSEGV, "SIGSEGV"}, std::pair{SIGBUS, "SIGBUS"},
                                 std::pair{SIGFPE, "SIGFPE"}, std::pair{SIGILL, "SIGILL"},
                                 std::pair{SIGABRT, "SIGABRT"}};

// All that the handler reads. Written by install and by notes; a note that is torn by a crash at
// the same moment is at worst a wrong word: its last byte is always 0.
struct Prepared {
  char folder[4096] = "";
  char about[16384] = "";
  char reason[1024] = "";  ///< of std::terminate
  char notes[kNotes][kNoteBytes] = {};
  std::atomic<bool> taken[kNotes] = {};
  char stack[1 << 16];  ///< of the handler: a stack overflow leaves none
};
Prepared g_prepared;
std::atomic<bool> g_crashing{false};

void copy_text(char* to, size_t size, const std::string& text) {
  const size_t n = std::min(size - 1, text.size());
  std::memcpy(to, text.data(), n);
  to[n] = 0;
}

// From here on to on_crash(): only what is async-signal-safe.

void put(int fd, const char* text) {
  for (size_t left = std::strlen(text); left > 0;) {
    const ssize_t n = ::write(fd, text, left);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nobody to tell
    text += n;
    left -= static_cast<size_t>(n);
  }
}

/// `digits`: at least so many, with zeros before.
char* number(char* to, uint64_t value, int digits = 1, unsigned base = 10) {
  char reversed[24];
  int n = 0;
  for (; value > 0 || n < digits; value /= base) reversed[n++] = "0123456789abcdef"[value % base];
  while (n > 0) *to++ = reversed[--n];
  *to = 0;
  return to;
}
char* append(char* to, const char* text) {
  while (*text) *to++ = *text++;
  *to = 0;
  return to;
}

/// 20260131T235959Z. gmtime() takes locks; the days are counted as by Howard Hinnant,
/// "chrono-compatible low-level date algorithms" (civil_from_days).
char* time_text(char* to, time_t seconds) {
  const int64_t days = seconds / 86400, rest = seconds % 86400;
  const int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097,
                yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
                doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153,
                day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9,
                year = yoe + era * 400 + (month <= 2);
  to = number(to, static_cast<uint64_t>(year), 4);
  to = number(to, static_cast<uint64_t>(month), 2);
  to = number(to, static_cast<uint64_t>(day), 2);
  to = append(to, "T");
  to = number(to, static_cast<uint64_t>(rest / 3600), 2);
  to = number(to, static_cast<uint64_t>(rest / 60 % 60), 2);
  to = number(to, static_cast<uint64_t>(rest % 60), 2);
  return append(to, "Z");
}

/// Of a path; `path` is as before afterwards.
void make_folders(char* path) {
  for (char* at = path + 1; *at; ++at)
    if (*at == '/') {
      *at = 0;
      ::mkdir(path, 0700);
      *at = '/';
    }
}

const char* signal_name(int signal) {
  for (const auto& [value, name] : kSignals)
    if (value == signal) return name;
  return "a signal";
}

/// The instruction that was interrupted; null where it is not known how to read it.
void* interrupted_at(const void* context) {
  const auto* c = static_cast<const ucontext_t*>(context);
#if defined(__x86_64__)
  return c ? reinterpret_cast<void*>(c->uc_mcontext.gregs[REG_RIP]) : nullptr;
#elif defined(__aarch64__)
  return c ? reinterpret_cast<void*>(c->uc_mcontext.pc) : nullptr;
#else
  (void)c;
  return nullptr;
#endif
}

void write_report(int fd, const char* when, int signal, const siginfo_t* info,
                  const void* context) {
  char line[128];
  put(fd, "Likeness crash report\ntime: ");
  put(fd, when);
  put(fd, "\nwhat: ");
  put(fd, signal_name(signal));
  if (info && info->si_code <= 0) {  // sent, not made by an instruction
    number(append(line, ", sent by process "), static_cast<uint64_t>(info->si_pid));
    put(fd, line);
  } else if (info && (signal == SIGSEGV || signal == SIGBUS)) {
    number(append(line, " at address 0x"), reinterpret_cast<uintptr_t>(info->si_addr), 1, 16);
    put(fd, line);
  }
  if (g_prepared.reason[0]) {
    put(fd, "\nwhy: ");
    put(fd, g_prepared.reason);
  }
  char thread[32] = "";
  if (::prctl(PR_GET_NAME, thread) == 0) {
    put(fd, "\nthread: ");
    put(fd, thread);
  }
  put(fd, "\n");
  put(fd, g_prepared.about);
  for (size_t i = 0; i < kNotes; ++i)
    if (g_prepared.taken[i] && g_prepared.notes[i][0]) {
      put(fd, "doing: ");
      put(fd, g_prepared.notes[i]);
      put(fd, "\n");
    }
  put(fd,
      "\nWhere (module(function+offset)[address]; addr2line -fCe MODULE OFFSET names the "
      "function):\n");
  // The unwinder may wait for a lock that the crashed thread holds: then the report ends here.
  ::signal(SIGALRM, SIG_DFL);
  ::alarm(kPatience_s);
  // Code that was made while the program ran cannot be unwound: at least this is known.
  void* frames[kFrames];
  frames[0] = interrupted_at(context);
  put(fd, "interrupted: ");
  ::backtrace_symbols_fd(frames, 1, fd);
  ::backtrace_symbols_fd(frames, ::backtrace(frames, kFrames), fd);
}

void on_crash(int signal, siginfo_t* info, void* context) {
  if (g_crashing.exchange(true))
    for (;;) ::pause();  // another thread writes the report, and ends the process
  char when[32], path[4096 + 128];
  time_text(when, ::time(nullptr));
  char* end = append(path, g_prepared.folder);
  end = append(append(append(end, "/crash-"), when), "-");
  append(number(end, static_cast<uint64_t>(::getpid())), ".txt");
  make_folders(path);
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) {
    write_report(fd, when, signal, info, context);
    ::close(fd);
  }
  put(STDERR_FILENO, "\nerror: likeness crashed (");
  put(STDERR_FILENO, signal_name(signal));
  put(STDERR_FILENO, fd >= 0 ? "); a report is in " : "); a report could not be written to ");
  put(STDERR_FILENO, path);
  put(STDERR_FILENO,
      "\nhint: run the same command again, it goes on where it was; if it crashes again, please "
      "report it with this file\n");
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  ::sigaction(signal, &usual, nullptr);
  ::raise(signal);  // delivered when this returns
}

/// Not in a signal handler. What an Error says may hold what a person wrote or said: only its kind
/// is kept.
void on_terminate() {
  std::string reason = "std::terminate without an exception";
  if (const auto thrown = std::current_exception()) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    int status = 0;
    char* name = type ? abi::__cxa_demangle(type->name(), nullptr, nullptr, &status) : nullptr;
    reason = "an exception that nobody caught: " + std::string(name ? name : "of unknown type");
    std::free(name);
    try {
      std::rethrow_exception(thrown);
    } catch (const Error& e) {
      reason += std::string(" (") + error_code_name(e.code()) + ")";
    } catch (const std::exception& e) {
      reason += std::string(": ") + e.what();
    } catch (...) {  // NOLINT(bugprone-empty-catch): its type is all there is to say
    }
  }
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  copy_text(g_prepared.reason, sizeof g_prepared.reason, reason);
  std::abort();
}

bool contains_any(const std::string& text, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const char* w) { return text.find(w) != std::string::npos; });
}

}  // namespace

std::string public_command(const std::vector<std::string>& words) {
  std::string out;
  bool secret = false;
  for (const std::string& word : words) {
    const bool flag = word.rfind("--", 0) == 0;
    const size_t equals = flag ? word.find('=') : std::string::npos;
    const std::string name = word.substr(0, equals);
    const bool names_secret =
        flag && contains_any(name, {"password", "phrase", "token", "secret", "key"});
    out += out.empty() ? "" : " ";
    if (secret && !flag)
      out += "(left out)";
    else if (names_secret && equals != std::string::npos)
      out += name + "=(left out)";
    else if (word.size() > 200 || contains_any(word, {" ", "\t", "\n"}))
      out += flag && equals != std::string::npos ? name + "=(text)" : "(text)";
    else
      out += word;
    secret = names_secret && equals == std::string::npos;
  }
  return out;
}

void install_crash_report(const fs::path& folder, const std::string& about) {
#ifndef LIKENESS_OTHER_HANDLERS
  copy_text(g_prepared.folder, sizeof g_prepared.folder, fs::absolute(folder).string());
  copy_text(g_prepared.about, sizeof g_prepared.about, about);
  void* frame = nullptr;
  ::backtrace(&frame, 1);  // loads the unwinder now: loading it takes memory
  const stack_t stack{.ss_sp = g_prepared.stack, .ss_flags = 0, .ss_size = sizeof g_prepared.stack};
  ::sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_sigaction = on_crash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  sigdelset(&action.sa_mask, SIGALRM);
  for (const auto& [signal, name] : kSignals) ::sigaction(signal, &action, nullptr);
  std::set_terminate(on_terminate);
  const auto reports = crash_reports();
  std::error_code ec;
  for (size_t i = kMostReports; i < reports.size(); ++i) fs::remove(reports[i], ec);
#else
  (void)folder, (void)about, (void)on_terminate, (void)on_crash, (void)kMostReports;
#endif
}

CrashNote::CrashNote(const std::string& text) {
  for (size_t i = 0; i < kNotes; ++i)
    if (!g_prepared.taken[i].exchange(true)) {
      copy_text(g_prepared.notes[i], kNoteBytes, text);
      slot_ = static_cast<int>(i);
      return;
    }
}
CrashNote::~CrashNote() {
  if (slot_ < 0) return;
  g_prepared.notes[slot_][0] = 0;
  g_prepared.taken[slot_] = false;
}

std::vector<fs::path> crash_reports() {
  std::vector<fs::path> out;
  std::error_code ec;
  if (!g_prepared.folder[0]) return out;
  for (const auto& f : fs::directory_iterator(g_prepared.folder, ec)) {
    const std::string name = f.path().filename().string();
    if (name.rfind("crash-", 0) == 0 && f.path().extension() == ".txt") out.push_back(f.path());
  }
  std::sort(out.rbegin(), out.rend());  // the names begin with the time
  return out;
}

fs::path crash_report_of(const std::string& note, const std::string& since_utc) {
  const std::string line = "\ndoing: " + note.substr(0, kNoteBytes - 1) + "\n";
  for (const fs::path& path : crash_reports()) {
    if (modified_utc(path) < since_utc) break;
    if (read_file(path, 1 << 20).find(line) != std::string::npos) return path;
  }
  return {};
}

}  // namespace likeness
