// SPDX-License-Identifier: Apache-2.0
// Owners of what OpenSSL allocates. Inside the trust module only.
#pragma once

#include <memory>

namespace likeness::trust {

template <auto Free>
struct OpenSslDeleter {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
/// OpenSslPtr<BIO, BIO_free_all>
template <typename T, auto Free>
using OpenSslPtr = std::unique_ptr<T, OpenSslDeleter<Free>>;

}  // namespace likeness::trust
