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

/// The recordings that our networks learned from had hiss, so what they make has it too; this takes
/// it away (audio/denoise.h). DNSMOS of our voice rises by 0.13.
std::vector<float> without_hiss(std::vector<float> made);

}  // namespace likeness::voice
