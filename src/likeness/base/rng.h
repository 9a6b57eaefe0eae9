// SPDX-License-Identifier: Apache-2.0
// Randomness that depends only on (seed, frame, purpose), never on threads or chunks.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

namespace likeness {

/// SplitMix64 over a hashed key. Copyable; cheap to make per frame and purpose.
class Rng {
 public:
  explicit Rng(uint64_t seed = 0, int64_t frame = 0, std::string_view purpose = "") {
    uint64_t h = 0xcbf29ce484222325ull;
    for (char c : purpose) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    state_ = mix(seed ^ mix(static_cast<uint64_t>(frame) ^ mix(h)));
  }
  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ull;
    return mix(state_);
  }
  /// [0, 1)
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24f; }
  float uniform(float low, float high) { return low + (high - low) * uniform(); }
  /// [0, n)
  uint64_t below(uint64_t n) { return n ? next() % n : 0; }
  float normal() {
    float u = 1.0f - uniform(), v = uniform();
    return std::sqrt(-2.0f * std::log(u)) * std::cos(6.28318530718f * v);
  }
  uint64_t state() const { return state_; }
  void set_state(uint64_t state) { state_ = state; }

 private:
  static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

}  // namespace likeness
