// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/hash.h"

#include <fstream>
#include <vector>

#include <openssl/evp.h>

#include "likeness/base/error.h"

namespace likeness {

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_ ||
      EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_sha256(), nullptr) != 1)
    throw Error(ErrorCode::kInternal, "OpenSSL cannot compute SHA-256", "reinstall libssl3");
}
Sha256::~Sha256() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }
void Sha256::update(const void* data, size_t size) {
  EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), data, size);
}
std::string Sha256::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), digest, &size);
  static const char* digits = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += digits[digest[i] >> 4];
    text += digits[digest[i] & 15];
  }
  return text;
}

std::string sha256(std::span<const uint8_t> bytes) {
  Sha256 h;
  h.update(bytes.data(), bytes.size());
  return h.hex();
}
std::string sha256(std::string_view text) {
  Sha256 h;
  h.update(text.data(), text.size());
  return h.hex();
}
std::string sha256_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw Error(ErrorCode::kNotFound, "cannot open " + path.string(),
                "check the path and its permissions");
  Sha256 h;
  std::vector<char> buffer(1 << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0)
    h.update(buffer.data(), static_cast<size_t>(in.gcount()));
  if (in.bad()) throw Error(ErrorCode::kIo, "cannot read " + path.string(), "check the disk");
  return h.hex();
}

}  // namespace likeness
