// SPDX-License-Identifier: Apache-2.0
// The one error type of Likeness. Libraries throw it; only `cli` and `server` turn it into an exit
// or HTTP status. `what` says what happened, `hint` what to do next.
#pragma once

#include <exception>
#include <string>

namespace likeness {

enum class ErrorCode {
  kUsage,        ///< the request itself is wrong (unknown flag, value out of range)
  kNotFound,     ///< a file, project, subject or model that was named does not exist
  kBadInput,     ///< a file that is not what it should be (text named .mp4, 0 bytes)
  kDamaged,      ///< a file of ours or of the user that is broken or truncated
  kUnsupported,  ///< valid, but not something this program can do
  kRefused,      ///< consent or content gate said no
  kNoFace,       ///< nothing usable in the footage
  kNoSpace,      ///< disk or memory is full
  kIo,           ///< permission, read-only folder, device error
  kMissing,      ///< a dependency or model file is not installed
  kCancelled,    ///< the user stopped it; everything up to here is saved
  kInternal      ///< a bug of ours
};

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string what, std::string hint = "")
      : code_(code), what_(std::move(what)), hint_(std::move(hint)) {}
  const char* what() const noexcept override { return what_.c_str(); }
  ErrorCode code() const { return code_; }
  const std::string& hint() const { return hint_; }

 private:
  ErrorCode code_;
  std::string what_;
  std::string hint_;
};

/// Stable word for JSON ("not_found").
const char* error_code_name(ErrorCode code);
/// Process exit status: 0 is success, 2 usage, 3.. one per code, 130 cancelled.
int exit_status(ErrorCode code);
/// HTTP status: 400, 404, 422, 403, 507, 500 ...
int http_status(ErrorCode code);

/// Contract check that stays on in release builds; throws kInternal with file and line.
[[noreturn]] void require_failed(const char* expression, const char* file, int line);
#define LIKENESS_REQUIRE(expression) \
  ((expression) ? (void)0 : ::likeness::require_failed(#expression, __FILE__, __LINE__))

}  // namespace likeness
