// SPDX-License-Identifier: Apache-2.0
// Our own base voice: the acoustic model and the vocoder of assets/voice, trained here from
// recordings that were given for it (their cards say which). English. Needs libtorch.
#pragma once

#include <memory>
#include <optional>

#include "likeness/voice/voice.h"

namespace likeness::voice {

/// Nothing when the weights are not there.
std::optional<VoiceInfo> own_voice();
/// Throws kMissing, kRefused (no licence card), kDamaged.
std::unique_ptr<Voice> open_own_voice();

}  // namespace likeness::voice
