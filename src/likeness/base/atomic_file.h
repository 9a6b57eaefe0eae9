// SPDX-License-Identifier: Apache-2.0
// Atomic or absent: a file is written under a temporary name beside its final one, fsynced,
// renamed, and its folder fsynced. A reader never sees a part of it; `kill -9` leaves at most a
// *.tmp file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace likeness {

namespace seal_detail {
class Writer;
}

/// Encrypts when an open Seal covers the path (sealed_file.h); offsets and sizes are of the plain
/// bytes, and then only appending is possible.
class AtomicFile {
 public:
  /// Makes the parent folders. Throws kIo (read-only folder), kNoSpace.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();  ///< removes the temporary file unless committed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t size);
  void write_at(uint64_t offset, const void* data, size_t size);
  uint64_t size() const { return size_; }
  void commit();
  const std::filesystem::path& temporary_path() const { return temporary_; }

 private:
  void write_raw(uint64_t offset, const void* data, size_t size);
  std::filesystem::path path_, temporary_;
  int fd_ = -1;
  uint64_t size_ = 0, raw_size_ = 0;
  std::unique_ptr<seal_detail::Writer> seal_;
};

void write_file_atomic(const std::filesystem::path& path, std::string_view bytes);
/// For files that another library wrote under `temporary`: fsync, rename to `path`, fsync the
/// folder.
void commit_file(const std::filesystem::path& temporary, const std::filesystem::path& path);
/// A name beside `path` for such a library to write to; keeps the extension: out.mp4 ->
/// .out.<pid>.tmp.mp4
std::filesystem::path temporary_name(const std::filesystem::path& path);
/// Whole file; a sealed one decrypted. Throws kNotFound, kIo, kBadInput when larger than `limit`,
/// kRefused when it is sealed under a key that is not open.
std::string read_file(const std::filesystem::path& path, uint64_t limit = 1ull << 32);
/// Throws the Error that fits errno (ENOSPC -> kNoSpace, EACCES/EROFS -> kIo, ENOENT -> kNotFound).
[[noreturn]] void throw_errno(int error_number, const std::string& what);

/// Read-only memory map. Throws kNotFound, kIo; an empty file gives an empty span. A sealed file is
/// decrypted into memory; throws kRefused when it is sealed under a key that is not open.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  std::span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  void unseal(const std::filesystem::path& path);
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace likeness
