// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/certificate.h"

#include <algorithm>
#include <ctime>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/run.h"
#include "likeness/trust/keys.h"
#include "likeness/trust/openssl_ptr.h"

namespace likeness::server {
namespace fs = std::filesystem;
namespace {

using trust::OpenSslPtr;
using Bio = OpenSslPtr<BIO, BIO_free_all>;
using Pkey = OpenSslPtr<EVP_PKEY, EVP_PKEY_free>;
using X509Ptr = OpenSslPtr<X509, X509_free>;
using Names = OpenSslPtr<GENERAL_NAMES, GENERAL_NAMES_free>;

constexpr long kDays = 365, kDay = 24 * 3600;

[[noreturn]] void failed(const char* what) {
  ERR_clear_error();
  throw Error(ErrorCode::kInternal, std::string("OpenSSL could not ") + what, "reinstall libssl3");
}

bool is_address(const std::string& name) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

Bio reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string contents(BIO* bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  return {text, static_cast<size_t>(size)};
}

std::string fingerprint_of(X509* certificate) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), bytes, &size) != 1) failed("hash a certificate");
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    if (i > 0) out += ':';
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> out;
  const Names all(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type == GEN_DNS) {
      out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                       static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
    } else if (name->type == GEN_IPADD) {
      const int size = ASN1_STRING_length(name->d.iPAddress);
      char text[INET6_ADDRSTRLEN] = {};
      if ((size == 4 || size == 16) &&
          ::inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress),
                      text, sizeof text))
        out.emplace_back(text);
    }
  }
  return out;
}

Certificate parse(std::string chain, std::string key, const std::string& chain_name,
                  const std::string& key_name) {
  Certificate out{.chain_pem = std::move(chain), .key_pem = std::move(key)};
  const X509Ptr first(PEM_read_bio_X509(reader(out.chain_pem).get(), nullptr, nullptr, nullptr));
  // An empty passphrase, or OpenSSL would ask on the terminal.
  char none[] = "";
  const Pkey pkey(PEM_read_bio_PrivateKey(reader(out.key_pem).get(), nullptr, nullptr, none));
  ERR_clear_error();
  if (!first)
    throw Error(ErrorCode::kBadInput, chain_name + " is not a certificate in PEM form",
                "it begins with -----BEGIN CERTIFICATE-----");
  if (!pkey)
    throw Error(ErrorCode::kBadInput, key_name + " is not a private key in PEM form",
                "it begins with -----BEGIN PRIVATE KEY----- and has no passphrase");
  const bool belongs = X509_check_private_key(first.get(), pkey.get()) == 1;
  ERR_clear_error();
  if (!belongs)
    throw Error(ErrorCode::kBadInput, key_name + " is not the key of " + chain_name,
                "give the two files that were made together");
  tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(first.get()), &end) != 1) failed("read a date");
  out.ends = ::timegm(&end);
  out.fingerprint = fingerprint_of(first.get());
  out.names = names_of(first.get());
  return out;
}

void add_extension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const OpenSslPtr<X509_EXTENSION, X509_EXTENSION_free> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1)
    failed("make a certificate");
}

Certificate make(const std::vector<std::string>& names) {
  const Pkey key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  const X509Ptr certificate(X509_new());
  if (!key || !certificate) failed("make a key");
  const auto serial = trust::random_bytes(16);
  const OpenSslPtr<BIGNUM, BN_free> number(BN_bin2bn(serial.data(), 16, nullptr));
  X509_set_version(certificate.get(), 2);
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get()));
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kDay);  // clocks differ
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kDays * kDay);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>("Likeness studio"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  std::string all;
  for (const auto& n : names)
    all += (all.empty() ? "" : ",") + std::string(is_address(n) ? "IP:" : "DNS:") + n;
  add_extension(certificate.get(), NID_subject_alt_name, all);
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(certificate.get(), NID_ext_key_usage, "serverAuth");
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) failed("sign a certificate");
  const Bio pem(BIO_new(BIO_s_mem())), secret(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509(pem.get(), certificate.get()) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1)
    failed("write a certificate");
  return parse(contents(pem.get()), contents(secret.get()), "the certificate", "the key");
}

}  // namespace

Certificate read_certificate(const fs::path& chain, const fs::path& key) {
  Certificate out =
      parse(read_file(chain, 1 << 20), trust::read_private_file(key), chain.string(), key.string());
  if (out.ends <= std::time(nullptr))
    throw Error(ErrorCode::kUsage, chain.string() + " has ended",
                "renew it, or let the studio make one with --tls-self-signed");
  return out;
}

Certificate own_certificate(const fs::path& folder, const std::vector<std::string>& names) {
  const fs::path file = folder / "studio-tls.pem";  // key and certificate in one, so in one moment
  try {
    const std::string both = trust::read_private_file(file);
    Certificate kept = parse(both, both, file.string(), file.string());
    const bool has_all = std::all_of(names.begin(), names.end(), [&](const std::string& n) {
      return std::find(kept.names.begin(), kept.names.end(), n) != kept.names.end();
    });
    if (has_all && kept.ends - std::time(nullptr) > 7 * kDay) return kept;
    log_info("the certificate is made anew: its fingerprint changes");
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kNotFound)
      log_warning(std::string("a new certificate: ") + e.what());
  }
  Certificate made = make(names);
  trust::write_private_file(file, made.key_pem + made.chain_pem, true);
  return made;
}

}  // namespace likeness::server
