// SPDX-License-Identifier: Apache-2.0
// Sound in memory: rates and channels. Rules of the module: samples are float, nominally in [-1,
// 1]; times are seconds from sample 0; functions are pure and may run in any thread; everything
// throws likeness::Error (kBadInput for sound that has no proper rate, kUsage for a parameter out
// of range).
#pragma once

#include <span>
#include <vector>

#include "likeness/base/audio.h"

namespace likeness::audio {

/// Throws kBadInput unless rate, channels and sample count fit each other and all samples are
/// finite.
void check_clip(const AudioClip& clip);

/// Band-limited change of rate (libsoxr, very high quality, linear phase: no delay). The length is
/// round(frames * to / from). Rates from 1000 to 384000.
AudioClip resample(const AudioClip& clip, int to_hz);
std::vector<float> resample(std::span<const float> mono, int from_hz, int to_hz);

/// Mean of the channels.
AudioClip to_mono(const AudioClip& clip);

}  // namespace likeness::audio
