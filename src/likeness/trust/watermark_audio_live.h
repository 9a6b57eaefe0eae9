// SPDX-License-Identifier: Apache-2.0
// The audio watermark (watermark_audio.h) put into spectra that are about to become sound, so that
// speech made while it is heard is marked without waiting. The tiles are the same and the reader
// does not know the difference; what the other looks up in the whole clip is followed here.
#pragma once

#include <complex>
#include <cstdint>
#include <memory>
#include <span>

#include "likeness/trust/watermark_key.h"

namespace likeness::trust {

class LiveAudioMark {
 public:
  /// Spectra of `rate_hz` sound, window squared over overlapping frames of `fft` samples.
  LiveAudioMark(uint64_t id, int rate_hz, int fft, double snr_db = 30,
                const WatermarkKey& key = WatermarkKey::product());
  ~LiveAudioMark();
  LiveAudioMark(LiveAudioMark&&) noexcept;
  /// Marks one frame, `fft` / 2 + 1 bins around time `centre_s` of the output; frames in order.
  void mark(std::span<std::complex<float>> spectrum, double centre_s);
  double snr_db() const;  ///< of the last seconds

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace likeness::trust
