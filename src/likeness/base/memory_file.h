// SPDX-License-Identifier: Apache-2.0
// Plain bytes that other libraries can open by a path and that never are in a file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace likeness {

class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes);  ///< throws kIo, kNoSpace
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  /// Of this process only; may be opened for reading and for writing.
  std::filesystem::path path() const;
  std::string bytes() const;  ///< as they are now

 private:
  int fd_;
};

}  // namespace likeness
