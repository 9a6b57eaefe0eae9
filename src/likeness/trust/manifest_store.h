// SPDX-License-Identifier: Apache-2.0
// Manifests by the id in the watermark: what identifies a copy whose manifest was stripped. One
// folder in the project, one in the user's home: ID/UUID.c2pa with UUID.json beside it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace likeness::trust {

struct StoredManifest {
  std::filesystem::path path;  ///< the .c2pa file
  nlohmann::json about;  ///< label, kind, operation, made_at, mime, sha256 of the finished file
};

class ManifestStore {
 public:
  explicit ManifestStore(std::filesystem::path folder) : folder_(std::move(folder)) {}
  static ManifestStore of_user();  ///< home_folder()/manifests
  static ManifestStore of_project(const std::filesystem::path& project);

  /// Throws kIo, kNoSpace.
  void put(uint64_t watermark, const std::string& label, const std::string& manifest,
           const nlohmann::json& about) const;
  /// Newest first; entries that cannot be read are left out.
  std::vector<StoredManifest> find(uint64_t watermark) const;
  /// By the 32-bit id of a still (still_id() of the whole one).
  std::vector<StoredManifest> find_short(uint32_t watermark) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace likeness::trust
