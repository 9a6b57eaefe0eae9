// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "likeness/face/face.h"

namespace likeness::face {

std::filesystem::path models_folder() {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (const char* named = std::getenv("LIKENESS_MODELS"); named && *named) return named;
  const fs::path source_tree = fs::path(__FILE__).parent_path() / "../../..";
  const fs::path beside = (source_tree / ".cache/models").lexically_normal();
  if (fs::is_directory(beside, ignored)) return beside;
  const fs::path system = "/usr/share/likeness/models";
  if (fs::is_directory(system, ignored)) return system;
  if (const char* home = std::getenv("HOME"); home && *home) {
    const fs::path own = fs::path(home) / ".cache/likeness/models";
    if (fs::is_directory(own, ignored)) return own;
  }
  return beside;  // where scripts/install-models would put them
}

}  // namespace likeness::face
