// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/error.h"

namespace likeness {
namespace {
struct Row {
  ErrorCode code;
  const char* name;
  int exit;
  int http;
};
constexpr Row kRows[] = {
    {ErrorCode::kUsage, "usage", 2, 400},
    {ErrorCode::kNotFound, "not_found", 3, 404},
    {ErrorCode::kBadInput, "bad_input", 4, 422},
    {ErrorCode::kDamaged, "damaged", 5, 422},
    {ErrorCode::kUnsupported, "unsupported", 6, 422},
    {ErrorCode::kRefused, "refused", 7, 403},
    {ErrorCode::kNoFace, "no_face", 8, 422},
    {ErrorCode::kNoSpace, "no_space", 9, 507},
    {ErrorCode::kIo, "io", 10, 500},
    {ErrorCode::kMissing, "missing", 11, 503},
    {ErrorCode::kCancelled, "cancelled", 130, 409},
    {ErrorCode::kInternal, "internal", 70, 500},
};
const Row& row(ErrorCode code) {
  for (const Row& r : kRows)
    if (r.code == code) return r;
  return kRows[std::size(kRows) - 1];
}
}  // namespace

const char* error_code_name(ErrorCode code) { return row(code).name; }
int exit_status(ErrorCode code) { return row(code).exit; }
int http_status(ErrorCode code) { return row(code).http; }

void require_failed(const char* expression, const char* file, int line) {
  throw Error(
      ErrorCode::kInternal,
      std::string("broken contract: ") + expression + " at " + file + ":" + std::to_string(line),
      "this is a defect of Likeness; please report it with the command you ran");
}

}  // namespace likeness
