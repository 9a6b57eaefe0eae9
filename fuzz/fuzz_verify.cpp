// SPDX-License-Identifier: Apache-2.0
// `likeness verify` on damaged media: container, manifest store, claim, assertions, and the words
// made from them. The bytes go through a file, as in the program. The search for the mark is left
// out: it takes seconds; what it reads comes through media, whose probe is asked.
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include "fuzz.h"

#include "likeness/base/atomic_file.h"
#include "likeness/media/video.h"
#include "likeness/trust/verify.h"

namespace {

/// Own keys and manifests of who runs the fuzzer are not looked at.
const std::filesystem::path& folder() {
  static const std::filesystem::path path = [] {
    const auto p = std::filesystem::temp_directory_path() /
                   ("likeness-fuzz-verify-" + std::to_string(::getpid()));
    std::filesystem::create_directories(p);
    ::setenv("LIKENESS_HOME", (p / "home").c_str(), 1);
    return p;
  }();
  return path;
}

}  // namespace

LIKENESS_FUZZ_TARGET(bytes) {
  const auto file = folder() / "input";
  likeness::write_file_atomic(
      file, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  const auto v = likeness::trust::verify(file, {.projects = {}, .read_watermark = false});
  if (v.json.at("summary").get<std::string>().empty()) std::terminate();
  likeness::media::probe(file);
}
