// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace likeness {

/// Two lower-case digits a byte.
std::string hex(std::span<const uint8_t> bytes);
/// Nothing when it is not an even number of lower-case digits.
std::optional<std::vector<uint8_t>> hex_decode(std::string_view text);

/// Lower-case hex SHA-256.
std::string sha256(std::span<const uint8_t> bytes);
std::string sha256(std::string_view text);
/// Throws kNotFound / kIo.
std::string sha256_file(const std::filesystem::path& path);

/// Incremental SHA-256 for data that does not fit in memory.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(const void* data, size_t size);
  std::string hex();  ///< ends the digest; call once

 private:
  void* context_;
};

}  // namespace likeness
