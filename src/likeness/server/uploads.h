// SPDX-License-Identifier: Apache-2.0
// Files on their way in: pieces go to work/uploads/ID of the project, and only a whole file that
// was probed is renamed to its place. What fails or is given up leaves nothing behind. Thread-safe.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "likeness/project/project.h"

namespace likeness::server {

inline constexpr size_t kUploadPiece = 8 << 20;

class Uploads {
 public:
  ~Uploads();
  /// Gives the id. Throws kBadInput (0 bytes), kNoSpace (the disk has less than `size` left),
  /// kUsage (too many at once).
  std::string begin(const std::string& project_id, const project::Project& project,
                    const std::string& name, int64_t size);
  /// Bytes at `offset`, which must be what was received so far (or less: a repeated piece). Gives
  /// how many there are now. Throws kUsage, kNotFound, kNoSpace.
  int64_t put(const std::string& project_id, const std::string& id, int64_t offset,
              std::string_view bytes);
  /// The whole file, under its safe name in a folder of its own that the caller moves or removes.
  /// Throws kUsage when something is missing.
  std::filesystem::path finish(const std::string& project_id, const std::string& id);
  /// After finish(), or to give up: removes what is left.
  void drop(const std::string& project_id, const std::string& id);

 private:
  struct Upload {
    std::string project, name;
    std::filesystem::path folder, file;
    int64_t size = 0, received = 0;
    int fd = -1;
    std::mutex mutex;
    ~Upload();
  };
  std::shared_ptr<Upload> find(const std::string& project_id, const std::string& id);
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Upload>> uploads_;
};

}  // namespace likeness::server
