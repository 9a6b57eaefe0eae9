// SPDX-License-Identifier: Apache-2.0
// The commands of bench_voice that compare files. Each returns the exit status: 0, or 1 when what
// issue 5 asks of the measure is missed.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "likeness/base/audio.h"
#include "likeness/voice/speaker.h"

namespace likeness::bench {

using Embedder = std::function<voice::SpeakerVector(const AudioClip&)>;
/// "first": Resemblyzer's, which training may use; "second": the independent one.
Embedder embedder(const std::string& judge);

int hear(const std::filesystem::path& texts, const std::filesystem::path& natural,
         const std::filesystem::path& made);
int pairs(const std::filesystem::path& reference, const std::filesystem::path& made,
          bool frame_by_frame);
int copies(const std::filesystem::path& reference, const std::filesystem::path& made);
/// Lines NAME|TEXT spoken into made/NAME.wav, without a mark: a target that has as many minutes as
/// are asked for.
int say(const std::string& voice, const std::filesystem::path& texts,
        const std::filesystem::path& made);
int similar(const std::filesystem::path& made, const std::filesystem::path& target,
            const std::vector<std::string>& others);
int words(const std::string& voice, size_t count, size_t listen_every);
int check();

}  // namespace likeness::bench
