// SPDX-License-Identifier: Apache-2.0
// "What is this file?" for people: files, sequences and folders, in words, as JSON and as a page.
// Makes nothing and needs no grant.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "likeness/base/run.h"
#include "likeness/trust/verify.h"

namespace likeness::tasks {

struct VerifyRequest {
  std::vector<std::filesystem::path> files;
  std::vector<std::filesystem::path> projects;  ///< besides the one a file lies in
  bool read_watermark = true;
};

struct VerifyReport {
  std::vector<trust::Verification> files;
  int exit_status = 0;  ///< the worst of the files': 22, else 21, else 20, else 0
  /// {files: [...], exit_status}
  nlohmann::json to_json() const;
  std::string to_text() const;
  /// One self-contained page; every text of a manifest is escaped.
  std::string to_html() const;
};

/// Throws kUsage (no file), kNotFound, kIo. A damaged file is a verdict.
VerifyReport verify_files(const VerifyRequest& request, Progress& progress, const Cancel& cancel);

}  // namespace likeness::tasks
