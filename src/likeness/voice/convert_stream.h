// SPDX-License-Identifier: Apache-2.0
// A take turned into an enrolled person's voice while it is spoken. No torch in this header.
//
// A sample is given kDelay_samples after it was heard (213 ms), plus the piece it came in. The
// networks and their weights are those of Clone::convert; what that takes from the whole take is
// followed here: level and height of the speaker are known better with every second, and pitch is
// decided with 75 ms of what follows.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "likeness/voice/clone.h"
#include "likeness/voice/features.h"
#include "likeness/voice/vocoder.h"

namespace likeness::voice {

struct StreamOptions {
  ConvertOptions convert;
  /// Median height of whoever speaks; 0 = found out while listening.
  double speaker_hz = 0;
};

class ConvertStream {
 public:
  static constexpr int kDelay_samples = 20 * kHop;  ///< of 24 kHz
  /// `clone` must outlive it. Throws kUsage (options out of range).
  ConvertStream(const Clone& clone, const StreamOptions& options, VocoderStream::Touch touch = {});
  ~ConvertStream();
  ConvertStream(ConvertStream&&) noexcept;
  /// Mono, 24 kHz; pieces of 256 samples wait least. Gives what is ready. `last`: nothing follows;
  /// all the rest is given, so that as many samples come out as went in.
  std::vector<float> push(std::span<const float> mono_24k, bool last = false);
  /// What was found out about whoever speaks.
  double speaker_hz() const;
  double gain_db() const;  ///< between what is heard and the level the networks know

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace likeness::voice
