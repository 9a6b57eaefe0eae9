// SPDX-License-Identifier: Apache-2.0
// What this machine has for Likeness, and what is missing with the command that fixes it.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace likeness::tasks {

/// {"ok": no required thing is missing, "checks": [{name, status: ok|note|missing, value, fix?}],
///  "machine": {cpu, cores, threads, bf16, memory_gb, ...}}. Encoders are tried, not only looked
///  up.
nlohmann::json doctor();

/// The part of it that takes no time, as lines "name: value": for a crash report.
std::string system_text();

/// What libtorch says about itself; nothing in a build without it.
struct TorchInfo {
  std::string version;
  int threads = 0;
  bool cuda_build = false;
  std::string gpu;  ///< name of the first one, empty when none
  bool mkldnn = false;
};
std::optional<TorchInfo> torch_info();

}  // namespace likeness::tasks
