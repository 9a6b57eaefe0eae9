// SPDX-License-Identifier: Apache-2.0
// What is left of a crash: a text file with the time, what was asked for, what was being done, the
// machine, and where in the program it happened. Nothing of the memory: keys are in it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

/// AddressSanitizer has handlers of its own.
#if defined(__SANITIZE_ADDRESS__)
#define LIKENESS_OTHER_HANDLERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LIKENESS_OTHER_HANDLERS 1
#endif
#endif

namespace likeness {

/// From now on a fatal signal and std::terminate leave FOLDER/crash-TIME-PID.txt (mode 0600) and
/// say on stderr where it is; then the process ends as it would have. `about` is written as it is.
/// Everything is prepared here, since a handler may not ask for memory. The newest 20 reports are
/// kept. Does nothing under AddressSanitizer (LIKENESS_OTHER_HANDLERS).
void install_crash_report(const std::filesystem::path& folder, const std::string& about);

/// A command as it may be shown: words with spaces or of more than 200 bytes (texts, phrases) and
/// values of options whose names speak of secrets are left out.
std::string public_command(const std::vector<std::string>& words);

/// While it lives, reports say what is being done. At most eight at a time count; cut at 500 bytes.
class CrashNote {
 public:
  explicit CrashNote(const std::string& text);
  ~CrashNote();
  CrashNote(const CrashNote&) = delete;
  CrashNote& operator=(const CrashNote&) = delete;

 private:
  int slot_ = -1;
};

/// Of the folder that was installed, newest first; empty before.
std::vector<std::filesystem::path> crash_reports();
/// The newest report since `since_utc` (ISO 8601) that was written while `note` was alive; empty
/// path: none.
std::filesystem::path crash_report_of(const std::string& note, const std::string& since_utc);

}  // namespace likeness
