// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/vault.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "likeness/base/error.h"
#include "likeness/project/project.h"
#include "likeness/trust/jcs.h"
#include "likeness/trust/keys.h"

namespace likeness::trust {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kScryptN = 1 << 15, kScryptR = 8, kScryptP = 1;
constexpr const char* kWrapId = "00000000000000000000000000000000";  // of the passphrase's key

fs::path key_path(const std::string& id) {
  const auto bytes = hex_decode(id);
  if (!bytes || bytes->size() != 16)
    throw Error(ErrorCode::kBadInput, "'" + id.substr(0, 40) + "' is not the name of a key",
                "the ledger names keys by 32 hex digits");
  return private_folder("vault") / (id + ".json");
}
fs::path tombstone_path(const std::string& id) {
  return key_path(id).replace_extension(".destroyed");
}

[[noreturn]] void refused(const std::string& rule, const std::string& why,
                          const std::string& hint) {
  throw Error(ErrorCode::kRefused, "identity material stays closed (" + rule + "): " + why, hint);
}

SealKey wrapping_key(const std::string& secret, std::span<const uint8_t> salt) {
  std::array<uint8_t, 32> key;
  if (EVP_PBE_scrypt(secret.data(), secret.size(), salt.data(), salt.size(), kScryptN, kScryptR,
                     kScryptP, 64 << 20, key.data(), key.size()) != 1)
    throw Error(ErrorCode::kInternal, "OpenSSL cannot compute scrypt", "reinstall libssl3");
  SealKey out{kWrapId, std::make_shared<SecretKey>(key)};
  OPENSSL_cleanse(key.data(), key.size());
  return out;
}

/// {"form": "plain", "data": hex} or {"form": "scrypt", "salt": hex, "data": hex of sealed bytes}
nlohmann::json wrap(std::span<const uint8_t> key, const std::string& secret) {
  if (secret.empty()) return {{"form", "plain"}, {"data", hex(key)}};
  const auto salt = random_bytes(16);
  const std::string sealed = seal_bytes({reinterpret_cast<const char*>(key.data()), key.size()},
                                        {wrapping_key(secret, salt)}, "vault key");
  return {{"form", "scrypt"},
          {"salt", hex(salt)},
          {"data", hex({reinterpret_cast<const uint8_t*>(sealed.data()), sealed.size()})}};
}

std::vector<uint8_t> unwrap(const nlohmann::json& j, const std::string& id) {
  auto field = [&](const char* name) {
    const auto bytes = j.contains(name) && j[name].is_string()
                           ? hex_decode(j[name].get_ref<const std::string&>())
                           : std::nullopt;
    if (!bytes)
      throw Error(ErrorCode::kDamaged, "the key " + id + " in the vault is damaged",
                  "restore it from a copy of " + private_folder("vault").string());
    return *bytes;
  };
  auto data = field("data");
  if (j.contains("form") && j["form"] == "scrypt") {
    std::string secret = passphrase();
    if (secret.empty())
      refused("consent-key-locked", "its key is protected by a passphrase",
              "set LIKENESS_PASSPHRASE_FILE to a file whose first line is the passphrase");
    try {
      std::string plain = unseal_bytes(data, {wrapping_key(secret, field("salt"))});
      data.assign(plain.begin(), plain.end());
      OPENSSL_cleanse(plain.data(), plain.size());
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kDamaged) throw;
      refused("consent-key-locked", "the passphrase does not open its key",
              "put the right one into the file that LIKENESS_PASSPHRASE_FILE names");
    }
    OPENSSL_cleanse(secret.data(), secret.size());
  }
  if (data.size() != 32)
    throw Error(ErrorCode::kDamaged, "the key " + id + " in the vault is damaged",
                "restore it from a copy of " + private_folder("vault").string());
  return data;
}

}  // namespace

std::string vault_make_key(const std::string& project, const std::string& subject) {
  std::string id = hex(random_bytes(16));
  auto key = random_bytes(32);
  nlohmann::json j = wrap(key, passphrase());
  OPENSSL_cleanse(key.data(), key.size());
  j.update(
      {{"id", id}, {"project", project}, {"subject", subject}, {"made_at", project::now_utc()}});
  write_private_file(key_path(id), j.dump() + "\n", false);
  return id;
}

bool vault_has(const std::string& id) {
  std::error_code ec;
  return fs::exists(key_path(id), ec);
}

SealKey vault_key(const std::string& id, const std::string& subject) {
  std::error_code ec;
  if (fs::exists(tombstone_path(id), ec))
    refused("consent-key-destroyed", "the key of '" + subject + "' was destroyed by a revocation",
            "nobody can open this material again; with a new consent, extract anew");
  if (!vault_has(id))
    refused("consent-key-missing", "the key of '" + subject + "' is not on this machine",
            "export the consent with --full where it was recorded, and import it here");
  const auto j = parse_json(read_private_file(key_path(id)), "vault key " + id);
  if (!j.is_object() || j.value("id", "") != id || j.value("subject", "") != subject)
    refused("consent-key-other-subject", "the key " + id + " is not the key of '" + subject + "'",
            "restore the project's ledger from a copy");
  auto bytes = unwrap(j, id);
  SealKey out{id, std::make_shared<SecretKey>(bytes)};
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return out;
}

void vault_destroy(const std::string& id) {
  write_private_file(tombstone_path(id), project::now_utc() + "\n", true);
  shred_file(key_path(id));
}

nlohmann::json vault_export_key(const std::string& id) {
  auto j = parse_json(read_private_file(key_path(id)), "vault key " + id);
  const std::string secret = passphrase();
  if (secret.empty())
    throw Error(ErrorCode::kUsage, "a key leaves this machine only under a passphrase",
                "set LIKENESS_PASSPHRASE_FILE to a file whose first line is the passphrase");
  auto bytes = unwrap(j, id);
  j.erase("salt");
  j.update(wrap(bytes, secret));
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return j;
}

void vault_import_key(const nlohmann::json& stored) {
  if (!stored.is_object() || !stored.contains("id") || !stored["id"].is_string() ||
      !stored.contains("subject") || !stored["subject"].is_string())
    throw Error(ErrorCode::kBadInput, "the bundle's key is not a key", "export the consent again");
  const std::string id = stored["id"];
  std::error_code ec;
  if (fs::exists(tombstone_path(id), ec))
    refused("consent-key-destroyed", "this key was destroyed here by a revocation",
            "a revoked consent cannot come back; record a new one");
  auto bytes = unwrap(stored, id);  // the passphrase must fit now
  OPENSSL_cleanse(bytes.data(), bytes.size());
  write_private_file(key_path(id), stored.dump() + "\n", false);
}

}  // namespace likeness::trust
