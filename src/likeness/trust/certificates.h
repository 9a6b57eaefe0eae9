// SPDX-License-Identifier: Apache-2.0
// With what the outputs of this installation are signed.
//
// Own certificate: LIKENESS_SIGN_CERT (PEM chain, leaf first) and LIKENESS_SIGN_KEY (PEM file or a
// store URI such as pkcs11:…, opened through OpenSSL's providers), or the same as `certificate` and
// `key` in signing/config.toml of the home folder. Otherwise a local root and leaf (P-256) are made
// on first use under signing/ of the home folder: readable by their owner only, encrypted when a
// passphrase is set (keys.h). The leaf is renewed by the root before it runs out.
// LIKENESS_TIME_AUTHORITY (or `time_authority`) names an RFC 3161 service; without one nothing is
// asked.
//
// Keys stay inside OpenSSL: they are never in a log, an error text, a manifest or the project.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "likeness/trust/keys.h"

struct evp_pkey_st;

namespace likeness::trust {

class SigningIdentity {
 public:
  /// Throws kMissing (no passphrase for an encrypted key), kRefused (the certificate may not sign:
  /// wrong use, expired, key does not fit), kDamaged, kIo.
  static SigningIdentity open();
  /// The local one in this folder; made when it is not there.
  static SigningIdentity local(const std::filesystem::path& folder, const std::string& passphrase);
  static SigningIdentity from_files(const std::filesystem::path& chain, const std::string& key,
                                    const std::string& passphrase);

  const std::string& chain_pem() const { return chain_pem_; }  ///< leaf first
  const std::string& algorithm() const {
    return algorithm_;
  }                                                        ///< es256, es384, es512, ps256, ed25519
  const std::string& subject() const { return subject_; }  ///< common name of the leaf
  const std::string& time_authority() const { return time_authority_; }
  /// For pictures that are written every few seconds.
  void without_time_authority() { time_authority_.clear(); }
  /// COSE's form: r || s for ECDSA.
  std::vector<uint8_t> sign(std::span<const uint8_t> data) const;

 private:
  SigningIdentity() = default;
  std::shared_ptr<evp_pkey_st> key_;
  std::string chain_pem_, algorithm_, subject_, time_authority_;
};

/// Roots that `verify` trusts: the local root and every *.pem in trust/ of the home folder.
std::string trusted_roots_pem();

}  // namespace likeness::trust
