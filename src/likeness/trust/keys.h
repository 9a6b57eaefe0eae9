// SPDX-License-Identifier: Apache-2.0
// Ed25519 keys: the studio's, made on first use, and one per person who signs a consent.
//
// Keys are PKCS#8 PEM files with mode 0600 in home_folder()/keys. With a passphrase
// (LIKENESS_PASSPHRASE_FILE names a file whose first line it is) they are written encrypted:
// scrypt, AES-256-CBC, readable by `openssl pkey`. Private keys lie in OpenSSL's secure heap:
// locked, not in core dumps, wiped. No function gives one out, and no message holds one.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "likeness/base/hash.h"

namespace likeness::trust {

using Signature = std::array<uint8_t, 64>;

/// Where keys, vault and ledger heads of this user lie: LIKENESS_HOME, else
/// $XDG_CONFIG_HOME/likeness, else ~/.config/likeness. Throws kMissing when there is no home.
std::filesystem::path home_folder();
/// Makes it (and a folder in it) with mode 0700. Throws kIo.
std::filesystem::path private_folder(const std::string& name);
/// Mode 0600 from the first moment, fsynced. `replace` false: gives false when the file is there
/// already (another process was first), and leaves it. Throws kIo, kNoSpace.
bool write_private_file(const std::filesystem::path& path, std::string_view bytes, bool replace);
/// Throws kRefused when others may read it, kNotFound.
std::string read_private_file(const std::filesystem::path& path, uint64_t limit = 1 << 20);
/// Overwrites, then removes. On copying file systems and SSDs the old blocks may survive: what was
/// encrypted by the key should have been wrapped by a passphrase where that matters.
void shred_file(const std::filesystem::path& path);
/// From LIKENESS_PASSPHRASE_FILE; empty when that is not set. Throws kNotFound.
std::string passphrase();

std::string base58(std::span<const uint8_t> bytes);
/// Nothing when a character is not base58btc or the text is longer than 200.
std::optional<std::vector<uint8_t>> base58_decode(std::string_view text);
std::vector<uint8_t> random_bytes(size_t count);
std::array<uint8_t, 32> sha256_bytes(std::string_view text);
std::string hmac_sha256_hex(std::string_view key, std::string_view text);

class PublicKey {
 public:
  /// "did:key:z6Mk...". Throws kBadInput.
  static PublicKey from_did(const std::string& did);
  explicit PublicKey(const std::array<uint8_t, 32>& bytes) : bytes_(bytes) {}
  std::string did() const;
  /// did:key:X#X, as Data Integrity proofs name it.
  std::string verification_method() const;
  /// First 16 hex digits of SHA-256 of the key: for places where the key itself would be too much.
  std::string thumbprint() const;
  bool verify(std::string_view message, std::span<const uint8_t> signature) const;
  const std::array<uint8_t, 32>& bytes() const { return bytes_; }
  bool operator==(const PublicKey&) const = default;

 private:
  std::array<uint8_t, 32> bytes_;
};

class SigningKey {
 public:
  static SigningKey generate();
  /// Throws kNotFound, kDamaged, kRefused (readable by others; wrong or missing passphrase).
  static SigningKey load(const std::filesystem::path& path);
  /// False when a key is there already (it stays).
  bool save(const std::filesystem::path& path) const;
  PublicKey public_key() const;
  Signature sign(std::string_view message) const;

 private:
  struct Key;
  std::shared_ptr<Key> key_;
};

/// The key of this installation, made on first use: home_folder()/keys/studio.pem.
SigningKey studio_key();
/// home_folder()/keys/subject-<id>.pem
std::filesystem::path subject_key_path(const std::string& id);

/// Studios whose counter-signature counts: this one, and those in home_folder()/studios.json.
std::vector<std::string> trusted_studios();
void trust_studio(const std::string& did);

}  // namespace likeness::trust
