// SPDX-License-Identifier: Apache-2.0
// A private key on a token (PKCS#11). Debian 12 has no OpenSSL provider for tokens, but the engine
// of libengine-pkcs11-openssl; elsewhere it is the other way round. Both are tried.
#pragma once

#include <string>

#include "likeness/trust/openssl_ptr.h"

struct evp_pkey_st;

namespace likeness::trust {

/// `uri`: pkcs11:token=…;object=…; `pin` may be empty, or be in the URI (pin-value). Null when the
/// engine is not installed or the token does not give the key. LIKENESS_PKCS11_MODULE names the
/// token's library where p11-kit does not know it.
evp_pkey_st* key_of_token(const std::string& uri, const std::string& pin);

}  // namespace likeness::trust
