// SPDX-License-Identifier: Apache-2.0
// What the networks of a voice hear: mel bands and pitch, 93.75 times a second.
//
// Sound is mono, 24 kHz. A frame is around sample i * 256 and there are 1 + samples / 256 of them
// (audio/spectrum.h); windows are 1024 samples.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "likeness/base/audio.h"
#include "likeness/base/rng.h"

namespace likeness::voice {

inline constexpr int kRate = 24000, kHop = 256, kMel = 80, kContentMel = 40;
inline constexpr double kFrame_s = static_cast<double>(kHop) / kRate;

struct Features {
  size_t frames = 0;
  std::vector<float> mel;      ///< [frames][80] ln of magnitude bands, 0 to 12 kHz, at least 1e-5
  std::vector<float> content;  ///< [frames][40] the same up to 7.6 kHz: what every recording has
  std::vector<float> f0_hz;    ///< [frames], 0 where not voiced; empty when not asked for
};
Features analyse(std::span<const float> mono_24k, bool with_pitch = true);
/// The bands alone, as sound comes in: exactly those of the whole, without f0_hz.
class BandStream {
 public:
  static constexpr size_t kDelay = 2;  ///< frames
  /// The frames that are known now. `last`: nothing follows.
  Features push(std::span<const float> mono_24k, bool last);

 private:
  std::vector<float> held_;  ///< from two frames before the next one on
  size_t before_ = 0;        ///< frames of held_ that were given
};

/// The 80 filters of Features::mel, [80][513].
std::vector<float> mel_band_filters();
/// Mono, 24 kHz.
std::vector<float> to_voice_rate(const AudioClip& clip);

/// ln(f0 / 200 Hz), 0 where not voiced, and which frames are voiced (1 or 0).
void log_pitch(std::span<const float> f0_hz, std::span<float> log_f0, std::span<float> voiced);
/// ln of the mean magnitude of each frame's bands, shifted so that speech lies around 0.
std::vector<float> frame_level(std::span<const float> mel, size_t frames);

/// What a vocoder filters: all harmonics of the pitch with one phase that runs on, and noise; both
/// of unit power where they sound. `harmonic` and `noise` have (f0_hz.size() - 1) * 256 samples.
/// Pitch glides from frame to frame; where only one neighbour is voiced its pitch holds to the
/// middle. `phase` (0 to 1, of a period) and `rng` are carried along, so that pieces that share
/// their first and last frames give what the whole gives.
void make_source(std::span<const float> f0_hz, Rng& rng, double& phase, std::span<float> harmonic,
                 std::span<float> noise);
/// The randomness of a vocoder's noise.
inline Rng vocoder_noise(uint64_t seed) { return Rng(seed, 0, "vocoder noise"); }

}  // namespace likeness::voice
