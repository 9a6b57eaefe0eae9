// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/fec.h"

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"

namespace likeness::trust {
namespace {

std::vector<uint8_t> random_bits(Rng& rng, int count) {
  std::vector<uint8_t> bits(static_cast<size_t>(count));
  for (auto& b : bits) b = static_cast<uint8_t>(rng.below(2));
  return bits;
}

TEST(Fec, RoundTripWithNoiseNearTheLimit) {
  Rng rng(1);
  int wrong = 0;
  for (int round = 0; round < 20; ++round) {
    const auto bits = random_bits(rng, 84);
    const auto code = fec::encode(bits);
    ASSERT_EQ(code.size(), static_cast<size_t>(fec::code_size(84)));
    std::vector<float> soft;
    // Eb/N0 of 3 dB: Es/N0 = 2 / 6 / 1.17 (tail), noise sigma^2 = 1 / (2 Es/N0). A third of the
    // signs is wrong.
    for (uint8_t b : code) soft.push_back((b ? -1.0f : 1.0f) + 1.32f * rng.normal());
    wrong += fec::decode(soft, 84) != bits;
  }
  EXPECT_LE(wrong, 1);
}

TEST(Fec, ErasuresAndScaleDoNotMatter) {
  Rng rng(2);
  const auto bits = random_bits(rng, 52);
  const auto code = fec::encode(bits);
  for (float scale : {1e-6f, 1.0f, 1e6f}) {
    std::vector<float> soft;
    for (uint8_t b : code) soft.push_back(rng.below(2) ? 0.0f : (b ? -scale : scale));
    EXPECT_EQ(fec::decode(soft, 52), bits) << scale;
  }
  EXPECT_THROW(fec::decode(std::vector<float>(5), 52), Error);
}

TEST(Fec, DistanceIsThatOfTheCode) {
  // The published free distance of this (15, 1/6) code is 56 or more; single-bit messages show that
  // the generators are right.
  for (int at : {0, 17, 83}) {
    std::vector<uint8_t> bits(84, 0);
    bits[static_cast<size_t>(at)] = 1;
    int weight = 0;
    for (uint8_t b : fec::encode(bits)) weight += b;
    EXPECT_GE(weight, 50) << at;
  }
}

TEST(WatermarkMessage, RoundTripAndEveryFlippedBitIsFound) {
  Rng rng(3);
  for (int id_bits : {64, 32}) {
    const uint64_t id = id_bits == 64 ? rng.next() : rng.next() >> 32;
    auto bits = WatermarkMessage::bits(id, id_bits);
    ASSERT_EQ(bits.size(), static_cast<size_t>(WatermarkMessage::size(id_bits)));
    uint64_t back = 0;
    EXPECT_TRUE(WatermarkMessage::parse(bits, id_bits, back));
    EXPECT_EQ(back, id);
    for (size_t i = 0; i < bits.size(); ++i) {
      auto bad = bits;
      bad[i] ^= 1;
      EXPECT_FALSE(WatermarkMessage::parse(bad, id_bits, back)) << i;
    }
    EXPECT_FALSE(WatermarkMessage::parse(std::vector<uint8_t>(3), id_bits, back));
  }
}

TEST(WatermarkMessage, CrcIsTheStandardOne) {
  std::vector<uint8_t> bits;  // "123456789" -> 0x29B1
  for (char c : std::string("123456789"))
    for (int i = 7; i >= 0; --i) bits.push_back(static_cast<uint8_t>((c >> i) & 1));
  EXPECT_EQ(crc16_of_bits(bits), 0x29b1);
}

}  // namespace
}  // namespace likeness::trust
