// SPDX-License-Identifier: Apache-2.0
// Inside `voice` only: what a Clone holds, and what training and converting share.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "likeness/nets/voice_nets.h"
#include "likeness/voice/clone.h"
#include "likeness/voice/vocoder.h"

namespace likeness::voice {

struct PitchRange {
  double mean = 0, deviation = 0.15;  ///< of ln(f0 / 200 Hz)
};
PitchRange range_of(const std::vector<float>& f0_hz);

/// The loudness that converters learn at and hear.
inline constexpr double kLevel_lufs = -23;
/// The sound at that loudness, whatever was recorded; `gain_db` is what was added.
std::vector<float> levelled(const AudioClip& clip, double& gain_db);

struct Clone::Impl {
  std::map<std::string, std::string> metadata;
  std::unique_ptr<nets::ConverterNet> net;
  torch::Tensor bank, speaker;
  PitchRange range;
  std::unique_ptr<nets::ContentNet> content;
  std::shared_ptr<const Vocoder> vocoder;
  std::unique_ptr<Voice> voice;

  /// Mean of the four nearest of the person's frames, by angle (all have the same length).
  torch::Tensor nearest(const torch::Tensor& content) const;
};

}  // namespace likeness::voice
