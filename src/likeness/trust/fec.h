// SPDX-License-Identifier: Apache-2.0
// Error correction of the watermark: a convolutional code of rate 1/6 and constraint length 15 with
// soft decisions, and a CRC. The generators are those of the NASA/JPL (15, 1/6) code flown on
// Cassini (CCSDS 131.0, JPL TDA Progress Report 42-104); the Viterbi algorithm is that of
// G. D. Forney, "The Viterbi algorithm", Proc. IEEE 61 (1973).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace likeness::trust {

/// CRC-16/CCITT-FALSE (polynomial 0x1021, start 0xffff) of bits, first bit first.
uint16_t crc16_of_bits(std::span<const uint8_t> bits);

namespace fec {
inline constexpr int kConstraint = 15;
inline constexpr int kRate = 6;  ///< code bits per payload bit

/// Number of code bits for `bits` payload bits, tail included.
inline constexpr int code_size(int bits) { return (bits + kConstraint - 1) * kRate; }

/// Bits (0 or 1) -> code bits (0 or 1), ended by zeros so that the last state is 0.
std::vector<uint8_t> encode(std::span<const uint8_t> bits);

/// Maximum-likelihood bits from soft code bits: positive means 0, negative means 1, the size how
/// sure. Any common scale. soft.size() must be code_size(bits).
std::vector<uint8_t> decode(std::span<const float> soft, int bits);
}  // namespace fec

/// What a watermark says: version (4 bit), id, CRC-16 over both.
struct WatermarkMessage {
  static constexpr int kVersion = 1;
  /// `id_bits` 64 or 32.
  static std::vector<uint8_t> bits(uint64_t id, int id_bits);
  static constexpr int size(int id_bits) { return 4 + id_bits + 16; }
  /// False when version or CRC are wrong.
  static bool parse(std::span<const uint8_t> bits, int id_bits, uint64_t& id);
};

}  // namespace likeness::trust
