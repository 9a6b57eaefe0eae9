// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/certificates.h"

#include <algorithm>
#include <cstdlib>

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509v3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/trust/openssl_ptr.h"
#include "likeness/trust/token_key.h"

namespace likeness::trust {
namespace fs = std::filesystem;
namespace {

using Bio = OpenSslPtr<BIO, BIO_free_all>;
using Key = OpenSslPtr<EVP_PKEY, EVP_PKEY_free>;
using Certificate = OpenSslPtr<X509, X509_free>;

constexpr const char* kClaimSigning = "1.3.6.1.4.1.62558.2.1";
constexpr long kDay = 24 * 60 * 60;
constexpr long kRootDays = 3650, kLeafDays = 730, kRenewDays = 30;

/// OpenSSL's own words name no secrets: only which operation failed.
[[noreturn]] void failed(const std::string& what) {
  const unsigned long e = ERR_peek_last_error();
  char text[256] = "";
  if (e) ERR_error_string_n(e, text, sizeof text);
  ERR_clear_error();
  throw Error(ErrorCode::kInternal, what + (e ? std::string(": ") + text : ""),
              "check that OpenSSL 3 works: openssl version -a");
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string pem_of(X509* certificate) {
  Bio out(BIO_new(BIO_s_mem()));
  if (!out || PEM_write_bio_X509(out.get(), certificate) != 1) failed("cannot write a certificate");
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<size_t>(size)};
}

std::string pem_of(EVP_PKEY* key, const std::string& passphrase) {
  Bio out(BIO_new(BIO_s_secmem()));
  const EVP_CIPHER* cipher = passphrase.empty() ? nullptr : EVP_aes_256_cbc();
  if (!out || PEM_write_bio_PKCS8PrivateKey(
                  out.get(), key, cipher, passphrase.empty() ? nullptr : passphrase.data(),
                  static_cast<int>(passphrase.size()), nullptr, nullptr) != 1)
    failed("cannot write a key");
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<size_t>(size)};
}

std::vector<Certificate> certificates_of(const std::string& pem) {
  std::vector<Certificate> out;
  Bio in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (X509* c = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) out.emplace_back(c);
  ERR_clear_error();
  return out;
}

/// The passphrase, given without asking on the terminal.
int give_passphrase(char* buffer, int size, int, void* passphrase) {
  const auto* text = static_cast<const std::string*>(passphrase);
  if (text->empty() || static_cast<int>(text->size()) > size) return -1;
  std::copy(text->begin(), text->end(), buffer);
  return static_cast<int>(text->size());
}

Key key_of(const std::string& pem, const fs::path& path, const std::string& passphrase) {
  Bio in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::string given = passphrase;
  Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, give_passphrase, &given));
  ERR_clear_error();
  if (key) return key;
  if (pem.find("ENCRYPTED") != std::string::npos)
    throw Error(ErrorCode::kMissing,
                passphrase.empty() ? "the signing key is protected by a passphrase"
                                   : "the passphrase does not open the signing key",
                "write the passphrase of " + path.string() +
                    " into a private file and set LIKENESS_PASSPHRASE_FILE to its name");
  throw Error(ErrorCode::kDamaged, path.string() + " holds no key that can be read",
              "restore it from a copy, or move the folder away to have new keys made");
}

/// From a provider (a token), by URI.
Key key_of_uri(const std::string& uri, const std::string& passphrase) {
  OpenSslPtr<UI_METHOD, UI_destroy_method> ui(UI_UTIL_wrap_read_pem_callback(give_passphrase, 0));
  std::string given = passphrase;
  OpenSslPtr<OSSL_STORE_CTX, OSSL_STORE_close> store(
      OSSL_STORE_open(uri.c_str(), ui.get(), &given, nullptr, nullptr));
  while (store && !OSSL_STORE_eof(store.get())) {
    OpenSslPtr<OSSL_STORE_INFO, OSSL_STORE_INFO_free> info(OSSL_STORE_load(store.get()));
    if (info && OSSL_STORE_INFO_get_type(info.get()) == OSSL_STORE_INFO_PKEY)
      return Key(OSSL_STORE_INFO_get1_PKEY(info.get()));
    if (!info && OSSL_STORE_error(store.get())) break;
  }
  ERR_clear_error();
  if (uri.rfind("pkcs11:", 0) == 0)
    if (Key key(key_of_token(uri, passphrase)); key) return key;
  // The URI may hold a PIN: it is not repeated.
  throw Error(
      ErrorCode::kMissing, "the signing key could not be opened through its URI",
      "check LIKENESS_SIGN_KEY and the token; for tokens OpenSSL needs its pkcs11 provider, or "
      "the package libengine-pkcs11-openssl");
}

std::string common_name(X509* certificate) {
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  return name;
}

std::string algorithm_of(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "ED25519")) return "ed25519";
  if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) return "ps256";
  if (EVP_PKEY_is_a(key, "EC")) switch (EVP_PKEY_get_bits(key)) {
      case 256:
        return "es256";
      case 384:
        return "es384";
      case 521:
        return "es512";
    }
  throw Error(ErrorCode::kUnsupported, "C2PA cannot sign with this kind of key",
              "use P-256, P-384, P-521, RSA or Ed25519");
}

/// What C2PA asks of a signer's certificate (specification 2.4, section 14.5.1).
void check_may_sign(X509* leaf, EVP_PKEY* key, const std::string& name) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::kRefused, "the certificate " + name + " may not sign: " + why,
                "use a C2PA claim-signing or e-mail certificate and its key, or unset "
                "LIKENESS_SIGN_CERT to use the local one");
  };
  if (X509_check_private_key(leaf, key) != 1) refuse("the key is not its key");
  if (X509_cmp_current_time(X509_get0_notAfter(leaf)) <= 0) refuse("it has expired");
  if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0) refuse("it is not valid yet");
  if (X509_check_ca(leaf) == 1) refuse("it is a certificate authority");
  if (!(X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE)) refuse("its key usage is another");
  OpenSslPtr<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> usage(static_cast<EXTENDED_KEY_USAGE*>(
      X509_get_ext_d2i(leaf, NID_ext_key_usage, nullptr, nullptr)));
  bool fits = false;
  for (int i = 0; usage && i < sk_ASN1_OBJECT_num(usage.get()); ++i) {
    char oid[80] = "";
    OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(usage.get(), i), 1);
    for (const char* good : {kClaimSigning, "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36"})
      fits = fits || std::string(oid) == good;
  }
  if (!fits) refuse("its extended key usage is neither claim signing, e-mail nor documents");
  ERR_clear_error();
}

void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  OpenSslPtr<X509_EXTENSION, X509_EXTENSION_free> e(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  if (!e || X509_add_ext(certificate, e.get(), -1) != 1) failed("cannot make a certificate");
}

/// Names nobody: a certificate travels with every file.
Certificate make_certificate(EVP_PKEY* key, const char* name, X509* issuer, EVP_PKEY* issuer_key,
                             long days) {
  Certificate c(X509_new());
  OpenSslPtr<BIGNUM, BN_free> serial(BN_new());
  if (!c || !serial || BN_rand(serial.get(), 126, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1 ||
      !BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(c.get())))
    failed("cannot make a certificate");
  X509_set_version(c.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(c.get()), -kDay);  // clocks differ
  X509_time_adj_ex(X509_getm_notAfter(c.get()), static_cast<int>(days), 0, nullptr);
  X509_NAME* subject = X509_get_subject_name(c.get());
  const auto field = [&](const char* type, const char* text) {
    X509_NAME_add_entry_by_txt(subject, type, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(text), -1, -1, 0);
  };
  field("O", "Likeness, local installation");
  field("CN", name);
  X509* from = issuer ? issuer : c.get();
  X509_set_issuer_name(c.get(), X509_get_subject_name(from));
  X509_set_pubkey(c.get(), key);
  add_extension(c.get(), from, NID_basic_constraints,
                issuer ? "critical,CA:FALSE" : "critical,CA:TRUE,pathlen:0");
  add_extension(c.get(), from, NID_key_usage,
                issuer ? "critical,digitalSignature" : "critical,keyCertSign,cRLSign");
  if (issuer)
    add_extension(c.get(), from, NID_ext_key_usage,
                  (std::string(kClaimSigning) + ",emailProtection").c_str());
  add_extension(c.get(), from, NID_subject_key_identifier, "hash");
  add_extension(c.get(), from, NID_authority_key_identifier, "keyid:always");
  if (X509_sign(c.get(), issuer_key, EVP_sha256()) == 0) failed("cannot sign a certificate");
  return c;
}

/// Two first runs at once must not make two roots.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder) {
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
      throw_errno(errno, "cannot create " + folder.string());
    fd_ = ::open((folder / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) throw_errno(errno, "cannot lock " + folder.string());
    while (::flock(fd_, LOCK_EX) != 0)
      if (errno != EINTR) throw_errno(errno, "cannot lock " + folder.string());
  }
  ~FolderLock() { ::close(fd_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_ = -1;
};

void make_root(const fs::path& folder, const std::string& passphrase) {
  Key key(EVP_EC_gen("P-256"));
  if (!key) failed("cannot make a key");
  const auto root =
      make_certificate(key.get(), "Likeness local root", nullptr, key.get(), kRootDays);
  // The certificate last: where it is, its key is.
  write_private_file(folder / "root.key", pem_of(key.get(), passphrase), true);
  write_file_atomic(folder / "root.pem", pem_of(root.get()));
}

void make_leaf(const fs::path& folder, const std::string& passphrase) {
  const auto roots = certificates_of(read_file(folder / "root.pem", 1 << 20));
  if (roots.empty())
    throw Error(ErrorCode::kDamaged, (folder / "root.pem").string() + " holds no certificate",
                "restore it from a copy, or move the folder away to have new keys made");
  const Key root_key =
      key_of(read_private_file(folder / "root.key"), folder / "root.key", passphrase);
  Key key(EVP_EC_gen("P-256"));
  if (!key) failed("cannot make a key");
  const auto leaf = make_certificate(key.get(), "Likeness local signer", roots[0].get(),
                                     root_key.get(), kLeafDays);
  write_private_file(folder / "leaf.key", pem_of(key.get(), passphrase), true);
  write_file_atomic(folder / "leaf.pem", pem_of(leaf.get()) + pem_of(roots[0].get()));
}

/// There, whole, and good for a while.
bool leaf_is_good(const fs::path& folder) {
  std::error_code ec;
  if (!fs::exists(folder / "leaf.pem", ec) || !fs::exists(folder / "leaf.key", ec)) return false;
  const auto chain = certificates_of(read_file(folder / "leaf.pem", 1 << 20));
  if (chain.empty()) return false;
  time_t soon = ::time(nullptr) + kRenewDays * kDay;
  return X509_cmp_time(X509_get0_notAfter(chain[0].get()), &soon) > 0;
}

}  // namespace

SigningIdentity SigningIdentity::from_files(const fs::path& chain, const std::string& key,
                                            const std::string& passphrase) {
  SigningIdentity out;
  out.chain_pem_ = read_file(chain, 1 << 20);
  const auto certificates = certificates_of(out.chain_pem_);
  if (certificates.empty())
    throw Error(ErrorCode::kDamaged, chain.string() + " holds no certificate",
                "name a PEM file: the signer's certificate first, then its issuers");
  const size_t colon = key.find(':');
  const bool uri = colon != std::string::npos && colon > 1 && !fs::exists(key);
  Key own = uri ? key_of_uri(key, passphrase) : key_of(read_file(key, 1 << 20), key, passphrase);
  check_may_sign(certificates[0].get(), own.get(), chain.filename().string());
  out.algorithm_ = algorithm_of(own.get());
  out.subject_ = common_name(certificates[0].get());
  out.key_ = std::shared_ptr<EVP_PKEY>(own.release(), EVP_PKEY_free);
  return out;
}

SigningIdentity SigningIdentity::local(const fs::path& folder, const std::string& passphrase) {
  {
    const FolderLock lock(folder);
    std::error_code ec;
    if (!fs::exists(folder / "root.pem", ec)) make_root(folder, passphrase);
    if (!leaf_is_good(folder)) make_leaf(folder, passphrase);
  }
  return from_files(folder / "leaf.pem", (folder / "leaf.key").string(), passphrase);
}

SigningIdentity SigningIdentity::open() {
  const fs::path folder = home_folder() / "signing";
  std::string certificate = environment("LIKENESS_SIGN_CERT"),
              key = environment("LIKENESS_SIGN_KEY"),
              authority = environment("LIKENESS_TIME_AUTHORITY");
  std::error_code ec;
  if (const fs::path config = folder / "config.toml"; fs::exists(config, ec)) {
    try {
      const toml::table t = toml::parse(read_file(config, 1 << 20));
      if (certificate.empty()) certificate = t["certificate"].value_or(std::string());
      if (key.empty()) key = t["key"].value_or(std::string());
      if (authority.empty()) authority = t["time_authority"].value_or(std::string());
    } catch (const toml::parse_error& e) {
      throw Error(ErrorCode::kDamaged, config.string() + ": " + std::string(e.description()),
                  "correct the file; it may name certificate, key and time_authority");
    }
  }
  if (certificate.empty() != key.empty())
    throw Error(ErrorCode::kUsage, "a certificate was named without its key, or a key alone",
                "set both LIKENESS_SIGN_CERT and LIKENESS_SIGN_KEY, or none");
  SigningIdentity out = certificate.empty() ? local(private_folder("signing"), passphrase())
                                            : from_files(certificate, key, passphrase());
  out.time_authority_ = authority;
  return out;
}

std::vector<uint8_t> SigningIdentity::sign(std::span<const uint8_t> data) const {
  OpenSslPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  const EVP_MD* digest = algorithm_ == "ed25519" ? nullptr
                         : algorithm_ == "es384" ? EVP_sha384()
                         : algorithm_ == "es512" ? EVP_sha512()
                                                 : EVP_sha256();
  EVP_PKEY_CTX* parameters = nullptr;
  if (!context || EVP_DigestSignInit(context.get(), &parameters, digest, nullptr, key_.get()) != 1)
    failed("cannot sign");
  if (algorithm_ == "ps256" &&
      (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) != 1))
    failed("cannot sign");
  size_t size = 0;
  if (EVP_DigestSign(context.get(), nullptr, &size, data.data(), data.size()) != 1)
    failed("cannot sign");
  std::vector<uint8_t> out(size);
  if (EVP_DigestSign(context.get(), out.data(), &size, data.data(), data.size()) != 1)
    failed("cannot sign");
  out.resize(size);
  if (algorithm_.rfind("es", 0) != 0) return out;
  const int half = algorithm_ == "es256" ? 32 : algorithm_ == "es384" ? 48 : 66;
  const unsigned char* der = out.data();
  OpenSslPtr<ECDSA_SIG, ECDSA_SIG_free> parts(
      d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(out.size())));
  std::vector<uint8_t> raw(static_cast<size_t>(2 * half));
  if (!parts || BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), raw.data(), half) != half ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), raw.data() + half, half) != half)
    failed("cannot sign");
  return raw;
}

std::string trusted_roots_pem() {
  std::string out;
  std::error_code ec;
  const fs::path home = home_folder();
  const auto add = [&](const fs::path& path) {
    for (const auto& c : certificates_of(read_file(path, 16 << 20))) out += pem_of(c.get());
  };
  if (fs::exists(home / "signing/root.pem", ec)) add(home / "signing/root.pem");
  std::vector<fs::path> files;
  for (const auto& f : fs::directory_iterator(home / "trust", ec))
    if (f.path().extension() == ".pem") files.push_back(f.path());
  std::sort(files.begin(), files.end());
  for (const auto& f : files) add(f);
  return out;
}

}  // namespace likeness::trust
