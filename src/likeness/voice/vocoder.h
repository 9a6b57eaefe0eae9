// SPDX-License-Identifier: Apache-2.0
// Mel and pitch to sound with our own vocoder (nets/voice_nets.h). No torch in this header.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace likeness::voice {

class Vocoder {
 public:
  /// Throws kNotFound, kDamaged.
  explicit Vocoder(const std::filesystem::path& weights);
  ~Vocoder();
  Vocoder(Vocoder&&) noexcept;
  /// mel [frames][80], f0_hz [frames] (0: not voiced). Gives (frames - 1) * 256 samples of 24 kHz.
  /// The same input and seed give the same samples. Safe from several threads.
  std::vector<float> render(std::span<const float> mel, std::span<const float> f0_hz,
                            uint64_t seed = 1) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace likeness::voice
