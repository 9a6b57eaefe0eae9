// SPDX-License-Identifier: Apache-2.0
// Audio watermark: a 64-bit id in the short-time spectrum, found without the original.
//
// Time and the band from 300 to 5500 Hz (what telephone-grade codecs and 16 kHz keep) are cut into
// tiles in absolute time and frequency, so that the sample rate does not matter. The mark is a
// keyed change of level, antipodal in two tiles that follow each other so that the sound itself
// cancels; its strength follows what the ear masks. Some tiles are pilots for time offset; the
// others carry version, id and CRC-16 in a convolutional code of rate 1/6 with soft decisions. A
// block lasts 8 s and repeats.
#pragma once

#include <cstdint>
#include <string>

#include "likeness/base/audio.h"
#include "likeness/trust/watermark_key.h"

namespace likeness::trust {

struct AudioWatermarkOptions {
  double snr_db = 30;  ///< signal to mark over active sound; 26 to 40. Lower is stronger
};

/// Marks a clip. `start_s`: presentation time of its first sample (chunks of one output). Channels
/// get the same change. Throws kUnsupported below 16 kHz, kBadInput when the clip is malformed.
void embed_audio_watermark(AudioClip& clip, uint64_t id,
                           const WatermarkKey& key = WatermarkKey::product(), double start_s = 0,
                           const AudioWatermarkOptions& options = {});

struct AudioWatermarkResult {
  bool found = false;
  uint64_t id = 0;
  bool present = false;   ///< pilots found with certainty
  double confidence = 0;  ///< -log10 of the probability of a false accept; at least 9 if found
  double score = 0, pilot_score = 0;
  double time_offset_s = 0;  ///< marked time - time in this clip, modulo 8 s
  double speed = 1;          ///< of this clip against the marked one
  std::string reason;
};

AudioWatermarkResult read_audio_watermark(const AudioClip& clip,
                                          const WatermarkKey& key = WatermarkKey::product());

}  // namespace likeness::trust
