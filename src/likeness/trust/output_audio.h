// SPDX-License-Identifier: Apache-2.0
// The only way for a task to write rendered sound: a WAV file that is bound to a grant and carries
// the mark. (media::write_wav itself may not be used in tasks; scripts/check-architecture sees to
// it.)
#pragma once

#include <cstdint>
#include <filesystem>

#include "likeness/base/audio.h"
#include "likeness/trust/consent.h"

namespace likeness::trust {

/// A block of the mark. The whole id is read from about 2 s of speech on, with luck from less;
/// below a block it may be missing without that being a fault.
inline constexpr double kAudioMarkBlockS = 8;

struct WrittenAudio {
  bool marked = false;    ///< the mark was put in; not in sound under 16 kHz
  bool readable = false;  ///< and the whole id was read from the sound again
};
/// Marks a copy of the sound and writes it; with `marked_live` only where the mark that was put in
/// while it was made cannot be read. Where the id
/// cannot be read again the mark is made stronger, up to 26 dB under the sound. At least 1 dB of
/// headroom should be left.
WrittenAudio write_output_audio(const Grant& grant, uint64_t watermark,
                                const std::filesystem::path& path, const AudioClip& clip,
                                bool marked_live = false);

/// Whether this very id can be read from the sound of a file.
bool sound_carries(const std::filesystem::path& path, uint64_t watermark);

}  // namespace likeness::trust
