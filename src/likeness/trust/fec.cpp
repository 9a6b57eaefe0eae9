// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/fec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "likeness/base/error.h"

namespace likeness::trust {
namespace {

constexpr std::array<uint32_t, fec::kRate> kGenerators = {046321, 051271, 063667,
                                                          070535, 073277, 076513};
constexpr uint32_t kStates = 1u << (fec::kConstraint - 1);

/// The six code bits of a register (newest bit highest), as a number.
uint32_t code_word(uint32_t reg) {
  uint32_t word = 0;
  for (size_t g = 0; g < kGenerators.size(); ++g)
    word |= static_cast<uint32_t>(std::popcount(reg & kGenerators[g]) & 1) << g;
  return word;
}

const std::vector<uint8_t>& code_words() {
  static const std::vector<uint8_t> table = [] {
    std::vector<uint8_t> t(2 * kStates);
    for (uint32_t reg = 0; reg < t.size(); ++reg) t[reg] = static_cast<uint8_t>(code_word(reg));
    return t;
  }();
  return table;
}

}  // namespace

uint16_t crc16_of_bits(std::span<const uint8_t> bits) {
  uint16_t crc = 0xffff;
  for (uint8_t bit : bits) {
    const bool high = ((crc >> 15) & 1) != (bit & 1);
    crc = static_cast<uint16_t>(crc << 1);
    if (high) crc ^= 0x1021;
  }
  return crc;
}

std::vector<uint8_t> fec::encode(std::span<const uint8_t> bits) {
  std::vector<uint8_t> out;
  out.reserve((bits.size() + kConstraint - 1) * kRate);
  uint32_t state = 0;
  for (size_t i = 0; i < bits.size() + kConstraint - 1; ++i) {
    const uint32_t bit = i < bits.size() ? bits[i] & 1u : 0u;
    const uint32_t reg = (bit << (kConstraint - 1)) | state;
    const uint32_t word = code_words()[reg];
    for (int g = 0; g < kRate; ++g) out.push_back(static_cast<uint8_t>((word >> g) & 1));
    state = reg >> 1;
  }
  return out;
}

std::vector<uint8_t> fec::decode(std::span<const float> soft, int bits) {
  LIKENESS_REQUIRE(bits > 0 && soft.size() == static_cast<size_t>(code_size(bits)));
  const int steps = bits + kConstraint - 1;
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  std::vector<float> metric(kStates, kNever), next(kStates);
  metric[0] = 0;
  // One decision bit a state and step: the bit that fell out of the register.
  std::vector<uint8_t> decisions(static_cast<size_t>(steps) * kStates);
  const uint8_t* words = code_words().data();
  for (int step = 0; step < steps; ++step) {
    std::array<float, 1 << kRate> gain{};
    for (uint32_t word = 0; word < gain.size(); ++word)
      for (int g = 0; g < kRate; ++g) {
        const float value = soft[static_cast<size_t>(step * kRate + g)];
        gain[word] += (word >> g) & 1 ? -value : value;
      }
    uint8_t* decision = decisions.data() + static_cast<size_t>(step) * kStates;
    const uint32_t half = kStates / 2;
    for (uint32_t to = 0; to < kStates; ++to) {
      // `to` = (newest bit, 13 older ones); it came from (those 13, a bit that fell out).
      const uint32_t bit = to >= half ? 1u : 0u;
      if (bit && step >= bits) {
        next[to] = kNever;
        continue;
      }
      const uint32_t reg0 = to << 1, reg1 = reg0 | 1;
      const float from0 = metric[reg0 & (kStates - 1)] + gain[words[reg0]];
      const float from1 = metric[reg1 & (kStates - 1)] + gain[words[reg1]];
      const bool take1 = from1 > from0;
      next[to] = take1 ? from1 : from0;
      decision[to] = take1;
    }
    std::swap(metric, next);
  }
  std::vector<uint8_t> out(static_cast<size_t>(steps));
  uint32_t state = 0;
  for (int step = steps; step-- > 0;) {
    out[static_cast<size_t>(step)] = static_cast<uint8_t>(state >> (kConstraint - 2));
    const uint32_t fell = decisions[static_cast<size_t>(step) * kStates + state];
    state = ((state << 1) | fell) & (kStates - 1);
  }
  out.resize(static_cast<size_t>(bits));
  return out;
}

std::vector<uint8_t> WatermarkMessage::bits(uint64_t id, int id_bits) {
  LIKENESS_REQUIRE(id_bits == 64 || (id_bits == 32 && (id >> 32) == 0));
  std::vector<uint8_t> out;
  for (int i = 3; i >= 0; --i) out.push_back((kVersion >> i) & 1);
  for (int i = id_bits - 1; i >= 0; --i) out.push_back(static_cast<uint8_t>((id >> i) & 1));
  const uint16_t crc = crc16_of_bits(out);
  for (int i = 15; i >= 0; --i) out.push_back(static_cast<uint8_t>((crc >> i) & 1));
  return out;
}

bool WatermarkMessage::parse(std::span<const uint8_t> bits, int id_bits, uint64_t& id) {
  if (bits.size() != static_cast<size_t>(size(id_bits))) return false;
  const size_t checked = bits.size() - 16;
  uint16_t crc = 0;
  for (size_t i = checked; i < bits.size(); ++i)
    crc = static_cast<uint16_t>((crc << 1) | (bits[i] & 1));
  int version = 0;
  for (size_t i = 0; i < 4; ++i) version = (version << 1) | (bits[i] & 1);
  if (version != kVersion || crc != crc16_of_bits(bits.first(checked))) return false;
  id = 0;
  for (size_t i = 4; i < checked; ++i) id = (id << 1) | (bits[i] & 1);
  return true;
}

}  // namespace likeness::trust
