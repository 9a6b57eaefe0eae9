// SPDX-License-Identifier: Apache-2.0
// flite's voices: small, always there, exact times of every sound. The recordings behind slt, rms
// and awb were made for CMU's free speech databases; kal is a diphone voice.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "likeness/voice/voice.h"

namespace likeness::voice {

std::vector<VoiceInfo> flite_voices();
std::unique_ptr<Voice> open_flite(const std::string& name);
/// flite keeps what it knows in globals, the lexicon among them: held in every call of it.
std::mutex& flite_mutex();

}  // namespace likeness::voice
