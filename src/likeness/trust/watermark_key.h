// SPDX-License-Identifier: Apache-2.0
// Keys of the watermark, and the pseudo-random streams drawn from them.
//
// The product key is published: anyone can build a detector for marks of this program. A studio may
// mark with a second, private key for tracing; only its holder can read (or forge) that mark. A
// mark under the product key is a claim, not a proof: the signed manifest is the proof.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace likeness::trust {

class WatermarkKey {
 public:
  /// The published key: SHA-256 of "likeness watermark product key, version 1".
  static WatermarkKey product();
  /// A private key from at least 16 bytes of secret. Throws kUsage when there are fewer.
  static WatermarkKey studio(std::string_view secret);

  /// `count` pseudo-random bytes for one purpose: HMAC-SHA256(key, purpose, counter).
  std::vector<uint8_t> stream(std::string_view purpose, size_t count) const;
  bool operator==(const WatermarkKey&) const = default;

 private:
  explicit WatermarkKey(std::string_view material);
  std::array<uint8_t, 32> bytes_{};
};

}  // namespace likeness::trust
