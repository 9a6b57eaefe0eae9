// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/keys.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <mutex>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "likeness/base/error.h"
#include "likeness/trust/jcs.h"
#include "likeness/trust/openssl_ptr.h"

namespace likeness::trust {
namespace fs = std::filesystem;
namespace {

// scrypt: 16 MB for each guess, within the limit of every reader of such files.
constexpr uint64_t kScryptN = 1 << 14, kScryptR = 8, kScryptP = 1;

using Pkey = OpenSslPtr<EVP_PKEY, EVP_PKEY_free>;
using Digest = OpenSslPtr<EVP_MD_CTX, EVP_MD_CTX_free>;
using Bio = OpenSslPtr<BIO, BIO_free_all>;

[[noreturn]] void openssl_failed(const std::string& what) {
  ERR_clear_error();
  throw Error(ErrorCode::kInternal, "OpenSSL could not " + what, "reinstall libssl3");
}

void use_secure_heap() {
  static std::once_flag once;
  // Without the right to lock memory it still wipes and keeps out of dumps.
  std::call_once(once, [] { CRYPTO_secure_malloc_init(1 << 16, 32); });
}

int give_passphrase(char* buffer, int size, int, void* user) {
  const auto& text = *static_cast<const std::string*>(user);
  if (text.empty() || static_cast<int>(text.size()) > size) return -1;
  std::copy(text.begin(), text.end(), buffer);
  return static_cast<int>(text.size());
}

/// PKCS#8 PEM of a key, encrypted when there is a passphrase.
std::string pem_of(EVP_PKEY* key) {
  std::string secret = passphrase();
  Bio out(BIO_new(BIO_s_secmem()));
  if (!out) openssl_failed("write a key");
  bool ok = false;
  if (secret.empty()) {
    ok = PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1;
  } else {
    auto salt = random_bytes(16), iv = random_bytes(16);
    X509_ALGOR* how = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt.data(), 16, iv.data(), kScryptN,
                                            kScryptR, kScryptP);
    PKCS8_PRIV_KEY_INFO* plain = EVP_PKEY2PKCS8(key);
    X509_SIG* sealed =
        how && plain ? PKCS8_set0_pbe(secret.data(), static_cast<int>(secret.size()), plain, how)
                     : nullptr;
    ok = sealed && PEM_write_bio_PKCS8(out.get(), sealed) == 1;
    if (!sealed && how) X509_ALGOR_free(how);
    X509_SIG_free(sealed);
    PKCS8_PRIV_KEY_INFO_free(plain);
    OPENSSL_cleanse(secret.data(), secret.size());
  }
  if (!ok) openssl_failed("write a key");
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<size_t>(size)};
}

}  // namespace

struct SigningKey::Key {
  Pkey pkey;
};

SigningKey SigningKey::generate() {
  use_secure_heap();
  EVP_PKEY* made = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  if (!made) openssl_failed("make an Ed25519 key");
  SigningKey out;
  out.key_ = std::make_shared<Key>(Key{Pkey(made)});
  return out;
}

SigningKey SigningKey::load(const fs::path& path) {
  use_secure_heap();
  std::string text = read_private_file(path), secret = passphrase();
  const bool encrypted = text.find("ENCRYPTED") != std::string::npos;
  if (encrypted && secret.empty())
    throw Error(ErrorCode::kRefused, path.string() + " is protected by a passphrase",
                "set LIKENESS_PASSPHRASE_FILE to a file whose first line is the passphrase");
  Bio in(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  EVP_PKEY* read = PEM_read_bio_PrivateKey(in.get(), nullptr, give_passphrase, &secret);
  in.reset();
  OPENSSL_cleanse(text.data(), text.size());
  OPENSSL_cleanse(secret.data(), secret.size());
  ERR_clear_error();
  if (!read && encrypted)
    throw Error(ErrorCode::kRefused, "the passphrase does not open " + path.string(),
                "put the right one into the file that LIKENESS_PASSPHRASE_FILE names");
  if (!read || EVP_PKEY_get_id(read) != EVP_PKEY_ED25519) {
    EVP_PKEY_free(read);
    throw Error(ErrorCode::kDamaged, path.string() + " is not an Ed25519 key",
                "restore it from a copy; what it signed stays valid without it");
  }
  SigningKey out;
  out.key_ = std::make_shared<Key>(Key{Pkey(read)});
  return out;
}

bool SigningKey::save(const fs::path& path) const {
  std::string text = pem_of(key_->pkey.get());
  const bool written = write_private_file(path, text, false);
  OPENSSL_cleanse(text.data(), text.size());
  return written;
}

PublicKey SigningKey::public_key() const {
  std::array<uint8_t, 32> bytes;
  size_t size = bytes.size();
  if (EVP_PKEY_get_raw_public_key(key_->pkey.get(), bytes.data(), &size) != 1 || size != 32)
    openssl_failed("read a public key");
  return PublicKey(bytes);
}

Signature SigningKey::sign(std::string_view message) const {
  Signature out;
  size_t size = out.size();
  Digest ctx(EVP_MD_CTX_new());
  if (!ctx || EVP_DigestSignInit(ctx.get(), nullptr, nullptr, nullptr, key_->pkey.get()) != 1 ||
      EVP_DigestSign(ctx.get(), out.data(), &size, reinterpret_cast<const uint8_t*>(message.data()),
                     message.size()) != 1)
    openssl_failed("sign");
  return out;
}

PublicKey PublicKey::from_did(const std::string& did) {
  static const std::string kStart = "did:key:z";
  const auto bytes =
      did.rfind(kStart, 0) == 0 ? base58_decode(did.substr(kStart.size())) : std::nullopt;
  if (!bytes || bytes->size() != 34 || (*bytes)[0] != 0xed || (*bytes)[1] != 0x01)
    throw Error(ErrorCode::kBadInput, "'" + did.substr(0, 100) + "' is not an Ed25519 did:key",
                "it must begin with did:key:z6Mk");
  std::array<uint8_t, 32> key;
  std::copy(bytes->begin() + 2, bytes->end(), key.begin());
  return PublicKey(key);
}

std::string PublicKey::did() const {
  std::vector<uint8_t> bytes = {0xed, 0x01};  // multicodec ed25519-pub
  bytes.insert(bytes.end(), bytes_.begin(), bytes_.end());
  return "did:key:z" + base58(bytes);
}
std::string PublicKey::verification_method() const {
  const std::string id = did();
  return id + "#" + id.substr(8);
}
std::string PublicKey::thumbprint() const {
  return hex(sha256_bytes({reinterpret_cast<const char*>(bytes_.data()), 32})).substr(0, 16);
}

bool PublicKey::verify(std::string_view message, std::span<const uint8_t> signature) const {
  if (signature.size() != 64) return false;
  Pkey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_.data(), 32));
  Digest ctx(EVP_MD_CTX_new());
  const bool ok =
      key && ctx && EVP_DigestVerifyInit(ctx.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
      EVP_DigestVerify(ctx.get(), signature.data(), signature.size(),
                       reinterpret_cast<const uint8_t*>(message.data()), message.size()) == 1;
  ERR_clear_error();
  return ok;
}

SigningKey studio_key() {
  const fs::path path = private_folder("keys") / "studio.pem";
  std::error_code ec;
  if (!fs::exists(path, ec)) SigningKey::generate().save(path);  // or another process just did
  return SigningKey::load(path);
}

fs::path subject_key_path(const std::string& id) {
  return private_folder("keys") / ("subject-" + id + ".pem");
}

std::vector<std::string> trusted_studios() {
  std::vector<std::string> out = {studio_key().public_key().did()};
  const fs::path path = home_folder() / "studios.json";
  std::error_code ec;
  if (!fs::exists(path, ec)) return out;
  const auto j = parse_json(read_private_file(path), path.string());
  if (j.is_array())
    for (const auto& did : j)
      if (did.is_string()) out.push_back(PublicKey::from_did(did).did());
  return out;
}

void trust_studio(const std::string& did) {
  PublicKey::from_did(did);
  auto known = trusted_studios();
  if (std::find(known.begin(), known.end(), did) != known.end()) return;
  known.erase(known.begin());
  known.push_back(did);
  write_private_file(private_folder("") / "studios.json", nlohmann::json(known).dump(1) + "\n",
                     true);
}

}  // namespace likeness::trust
