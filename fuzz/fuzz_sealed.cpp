// SPDX-License-Identifier: Apache-2.0
// A sealed file, without its magic (read_file would open the seed), and its key at hand: damage is
// an error, never other bytes.
#include <array>

#include "fuzz.h"

#include "likeness/base/sealed_file.h"

LIKENESS_FUZZ_TARGET(bytes) {
  using namespace likeness;
  static const std::array<uint8_t, 32> kKey = {1, 2, 3};
  static const SealKey key{"000102030405060708090a0b0c0d0e0f", std::make_shared<SecretKey>(kKey)};
  std::string file = "LKSEALED";
  file.append(bytes.begin(), bytes.end());
  const std::span<const uint8_t> sealed(reinterpret_cast<const uint8_t*>(file.data()), file.size());
  if (unseal_bytes(sealed, {key}) != "what is in the seed") std::terminate();
}
