// SPDX-License-Identifier: Apache-2.0
// Our own base voice: the acoustic model and the vocoder of assets/voice, trained here from
// recordings that were given for it (their cards say which). English. Needs libtorch.
#pragma once

#include <memory>
#include <optional>

#include "likeness/tensor/safetensors.h"
#include "likeness/voice/vocoder.h"
#include "likeness/voice/voice.h"

namespace likeness::voice {

inline constexpr const char* kAcousticKind = "likeness-voice-acoustic";
/// The acoustic model of an open file, under names that begin with `prefix`, and our vocoder; for
/// our own voice and for a person's. Throws kDamaged.
std::unique_ptr<Voice> acoustic_voice(const tensor::SafeTensors& file, const std::string& prefix,
                                      VoiceInfo info, std::shared_ptr<const Vocoder> vocoder);
/// Nothing when the weights are not there.
std::optional<VoiceInfo> own_voice();
/// Throws kMissing, kRefused (no licence card), kDamaged.
std::unique_ptr<Voice> open_own_voice();

}  // namespace likeness::voice
