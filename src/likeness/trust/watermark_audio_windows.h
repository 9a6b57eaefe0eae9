// SPDX-License-Identifier: Apache-2.0
// Inside the audio watermark's reader: many windows of one clip, cheaply. bench/quality counts with
// it what is accepted where nobody marked anything.
#pragma once

#include <memory>

#include "likeness/trust/watermark_audio.h"

namespace likeness::trust {

class AudioWindowReader {
 public:
  /// Throws as read_audio_watermark.
  explicit AudioWindowReader(const AudioClip& clip,
                             const WatermarkKey& key = WatermarkKey::product());
  ~AudioWindowReader();
  /// Of 1/32 s each.
  int tiles() const;
  /// Reads from the tiles [begin, end) as read_audio_watermark does at the clip's own speed: every
  /// offset, the same choice of those worth decoding, the same rule of acceptance.
  AudioWatermarkResult read(int begin, int end) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace likeness::trust
