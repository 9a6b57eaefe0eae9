// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_key.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "likeness/base/error.h"

namespace likeness::trust {

WatermarkKey::WatermarkKey(std::string_view material) {
  unsigned size = 0;
  if (EVP_Digest(material.data(), material.size(), bytes_.data(), &size, EVP_sha256(), nullptr) !=
          1 ||
      size != bytes_.size())
    throw Error(ErrorCode::kInternal, "SHA-256 failed", "report this");
}

WatermarkKey WatermarkKey::product() {
  return WatermarkKey("likeness watermark product key, version 1");
}

WatermarkKey WatermarkKey::studio(std::string_view secret) {
  if (secret.size() < 16)
    throw Error(ErrorCode::kUsage,
                "a watermark key of " + std::to_string(secret.size()) + " bytes is too short",
                "use at least 16 random bytes, for example from: openssl rand -hex 32");
  return WatermarkKey("likeness watermark studio key, version 1\n" + std::string(secret));
}

std::vector<uint8_t> WatermarkKey::stream(std::string_view purpose, size_t count) const {
  std::vector<uint8_t> out((count + 31) / 32 * 32);
  std::string message(purpose);
  message += '\0';
  const size_t counter_at = message.size();
  message.resize(counter_at + 4);
  for (size_t block = 0; block * 32 < out.size(); ++block) {
    for (size_t i = 0; i < 4; ++i)
      message[counter_at + i] = static_cast<char>((block >> (8 * i)) & 0xff);
    unsigned size = 0;
    if (!HMAC(EVP_sha256(), bytes_.data(), static_cast<int>(bytes_.size()),
              reinterpret_cast<const unsigned char*>(message.data()), message.size(),
              out.data() + block * 32, &size))
      throw Error(ErrorCode::kInternal, "HMAC-SHA256 failed", "report this");
  }
  out.resize(count);
  return out;
}

}  // namespace likeness::trust
