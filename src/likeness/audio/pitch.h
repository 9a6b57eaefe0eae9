// SPDX-License-Identifier: Apache-2.0
// Fundamental frequency of one voice, and changing it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace likeness::audio {

struct PitchOptions {
  double hop_s = 0.005;
  double low_hz = 60, high_hz = 500;
};
struct Pitch {
  double hop_s = 0.005;        ///< frame i is around i * hop_s
  std::vector<float> f0_hz;    ///< 0 where not voiced
  std::vector<float> clarity;  ///< 0 to 1: how periodic the frame is at the chosen period
};

/// Candidates by the cumulative mean normalised difference function (de Cheveigné and Kawahara
/// 2002, YIN, eq. 8) with parabolic refinement; the path through them and "not voiced" by Viterbi
/// search, as pYIN (Mauch and Dixon 2014) does it: jumps in octaves and switching cost.
Pitch track_pitch(std::span<const float> mono, int rate_hz, const PitchOptions& options = {});

/// The same as sound comes in. A frame is decided when `delay` later frames are known, which costs
/// some of the certainty that the whole gives; frames lag by 2 + `delay` hops of at least 10 ms.
class PitchTracker {
 public:
  static constexpr size_t kWhole = SIZE_MAX;  ///< decide when all is known
  PitchTracker(int rate_hz, const PitchOptions& options, size_t delay);
  ~PitchTracker();
  PitchTracker(PitchTracker&&) noexcept;
  /// The frames that are decided now. `last`: nothing follows; all the rest.
  Pitch push(std::span<const float> mono, bool last);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Median of the voiced frames; 0 when there is none.
double median_f0_hz(const Pitch& pitch);

/// Changes the pitch by `ratio` (0.5 to 2) and keeps length, timing and the spectral envelope:
/// pitch- synchronous overlap-add (Moulines and Charpentier 1990). `pitch` is that of the sound.
std::vector<float> shift_pitch(std::span<const float> mono, int rate_hz, const Pitch& pitch,
                               double ratio);
/// The same with a ratio for each frame of `pitch`.
std::vector<float> shift_pitch(std::span<const float> mono, int rate_hz, const Pitch& pitch,
                               std::span<const double> ratios);

}  // namespace likeness::audio
