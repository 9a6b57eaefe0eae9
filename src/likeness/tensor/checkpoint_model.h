// SPDX-License-Identifier: Apache-2.0
// One file with all of a training run's state: a safetensors file whose metadata holds the numbers
// and a SHA-256 over everything else in it. Written atomically; checked on load.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <torch/torch.h>

namespace likeness::tensor {

struct Checkpoint {
  int64_t step = 0;
  nlohmann::json state = nlohmann::json::object();     ///< elapsed_s, rate_scale, recoveries, ...
  nlohmann::json options = nlohmann::json::object();   ///< TrainOptions
  nlohmann::json metadata = nlohmann::json::object();  ///< ModelExtras
  std::map<std::string, std::string> blobs;
  std::map<std::string, torch::Tensor>
      tensors;  ///< flat float32: master, first, second, average, gan_...
};

/// Throws kIo, kNoSpace; the file appears whole or not at all.
void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);
/// Throws kNotFound, kDamaged (torn, changed, not ours).
Checkpoint read_checkpoint(const std::filesystem::path& path);
/// The same from memory: the entry for fuzzing.
Checkpoint parse_checkpoint(std::span<const uint8_t> bytes, const std::string& name);

std::filesystem::path checkpoint_path(const std::filesystem::path& folder, int64_t step);
/// Step and path of the checkpoints in a folder, newest first. A missing folder has none.
std::vector<std::pair<int64_t, std::filesystem::path>> list_checkpoints(
    const std::filesystem::path& folder);
/// Removes all but the newest `keep` (at least one stays) and the newest of each of the last
/// `hourly` hours and `daily` days in which one was written. Hours and days are those of UTC, by
/// the time of the file.
void rotate_checkpoints(const std::filesystem::path& folder, int keep, int hourly = 0,
                        int daily = 0);

}  // namespace likeness::tensor
