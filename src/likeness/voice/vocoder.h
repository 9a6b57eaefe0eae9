// SPDX-License-Identifier: Apache-2.0
// Mel and pitch to sound with our own vocoder (nets/voice_nets.h). No torch in this header.
#pragma once

#include <complex>
#include <filesystem>
#include <functional>
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
  friend class VocoderStream;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The same as it comes, frame by frame. Pieces of any length give the samples that the whole
/// gives; they lag by kDelay frames.
class VocoderStream {
 public:
  static constexpr size_t kDelay = 7;  ///< frames
  static constexpr int kWindow = 1024;
  /// Is given the spectrum of each frame ([513], windows of 1024 samples around frame * 256) and
  /// may change it before it becomes sound: a mark that costs no time.
  using Touch = std::function<void(std::span<std::complex<float>> spectrum, size_t frame)>;

  explicit VocoderStream(const Vocoder& vocoder, uint64_t seed = 1, Touch touch = {});
  ~VocoderStream();
  VocoderStream(VocoderStream&&) noexcept;
  /// mel and f0_hz of the next frames, as render() takes them. `last`: none follow; what is left
  /// is given.
  std::vector<float> push(std::span<const float> mel, std::span<const float> f0_hz, bool last);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The recordings that our networks learned from had hiss, so what they make has it too; this takes
/// it away (audio/denoise.h). DNSMOS of our voice rises by 0.13.
std::vector<float> without_hiss(std::vector<float> made);

}  // namespace likeness::voice
