// SPDX-License-Identifier: Apache-2.0
// Files encrypted at rest. A Seal is a set of keys that are open in this process, and the paths
// that must be written encrypted under them. While one lives, AtomicFile encrypts what it writes to
// such a path, and MappedFile and read_file decrypt what was sealed under its keys, into memory
// that is in no file and no core dump. Nothing above these three knows about it. Without the keys
// they throw kRefused. `trust` decides who gets a Seal.
//
// Format, little-endian: magic "LKSEALED", version u32 = 1, chunk size u32, salt (16), number of
// keys u32, label size u32, then the keys' ids (16 bytes each) and the label (UTF-8, not secret,
// but authenticated), then the chunks: AES-256-GCM, each with its 16-byte tag. The file's key is
// HMAC-SHA256(salt || header, key 1 || key 2 ...), so all keys are needed; chunk i's nonce is i
// (u64) and whether it is the last (u32): no chunk can be moved, dropped or added.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace likeness {

/// 32 bytes in OpenSSL's secure heap, wiped at the end.
class SecretKey {
 public:
  explicit SecretKey(std::span<const uint8_t> bytes);  ///< exactly 32; throws kInternal
  ~SecretKey();
  SecretKey(const SecretKey&) = delete;
  SecretKey& operator=(const SecretKey&) = delete;
  std::span<const uint8_t> bytes() const { return {data_, 32}; }

 private:
  uint8_t* data_ = nullptr;
};

struct SealKey {
  std::string id;  ///< 32 lower-case hex digits
  std::shared_ptr<const SecretKey> secret;
};

class Seal {
 public:
  /// 1 to 8 keys; `label` up to 4096 bytes says in clear what the files are.
  static std::shared_ptr<Seal> open(std::vector<SealKey> keys, std::string label);
  ~Seal();
  Seal(const Seal&) = delete;
  Seal& operator=(const Seal&) = delete;
  /// From now on identity material (is_identity_material) under `folder` is written sealed.
  void cover_folder(const std::filesystem::path& folder);
  /// The same for this file, and for the temporary names AtomicFile and others make of it.
  void cover_file(const std::filesystem::path& file);

 private:
  friend struct SealRing;
  Seal() = default;
  std::vector<SealKey> keys_;
  std::string label_;
  std::vector<std::filesystem::path> folders_, files_;
};

struct SealedInfo {
  std::vector<std::string> key_ids;
  std::string label;
  uint64_t plain_size = 0;
};
/// What a sealed file says about itself without any key; nothing when the file is not sealed.
/// Throws kNotFound, kDamaged.
std::optional<SealedInfo> sealed_info(const std::filesystem::path& path);
bool is_sealed(std::span<const uint8_t> bytes);
/// By the file's name, what a covered folder seals: facesets, weights, checkpoints, analyses with
/// embeddings (.part) and the pictures of a training (preview.png, step-N.png).
bool is_identity_material(const std::filesystem::path& path);

/// Bytes that lie in something else than a file of their own (a row of a database), encrypted as
/// the file `path` would be now; nothing when no open Seal covers it.
std::optional<std::string> seal_as_file(const std::filesystem::path& path, std::string_view plain);
/// The plain bytes; nothing when a key is not open in this process. Throws kDamaged.
std::optional<std::string> unseal_if_open(std::span<const uint8_t> sealed);

/// Encrypts bytes under keys, and back. Throws kDamaged when anything was changed.
std::string seal_bytes(std::string_view plain, const std::vector<SealKey>& keys,
                       const std::string& label);
std::string unseal_bytes(std::span<const uint8_t> sealed, const std::vector<SealKey>& keys);

namespace seal_detail {

/// Used by atomic_file.cpp only.
class Writer {
 public:
  Writer(std::vector<SealKey> keys, const std::string& label);
  ~Writer();
  /// Gives the bytes that are ready to be written, in order.
  std::string add(const void* data, size_t size);
  std::string finish();

 private:
  std::string chunk(bool last);
  struct State;
  std::unique_ptr<State> state_;
};
/// A writer when some Seal covers the path.
std::unique_ptr<Writer> writer_for(const std::filesystem::path& path);
/// Decrypts a whole sealed file into memory of its own (munmap it). Throws kRefused without keys.
std::pair<const uint8_t*, size_t> unseal_to_memory(std::span<const uint8_t> sealed,
                                                   const std::string& name);

}  // namespace seal_detail

}  // namespace likeness
