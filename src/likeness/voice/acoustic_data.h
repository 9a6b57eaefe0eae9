// SPDX-License-Identifier: Apache-2.0
// Inside `voice` only: sentences as the acoustic network reads them.
#pragma once

#include <cstdint>
#include <vector>

#include "likeness/voice/content.h"
#include "likeness/voice/corpus.h"
#include "likeness/voice/phonemes.h"

namespace likeness::voice {

inline constexpr int kMarks = 6;
/// none , ;: . ? !
int mark_index(char mark);
struct AcousticText {
  std::vector<int64_t> phone, stress, mark;
};
AcousticText acoustic_text(const std::vector<PhoneUnit>& units);

/// A recording with its sounds' times.
struct AcousticPiece {
  AcousticText text;
  std::vector<float> frames;                 ///< of each sound
  std::vector<float> phone_f0, phone_level;  ///< mean ln(f0 / 200), mean level
  std::vector<float> mel, log_f0, voiced;    ///< of each frame; pitch is interpolated
  size_t frame_count = 0;
};
/// Silence at both ends is cut to 12 frames, silences of one or two frames go to the sound before.
/// Empty (frame_count 0) when the text does not fit the recording.
AcousticPiece acoustic_piece(const Piece& piece, const ContentEncoder& content);

/// Linear between voiced frames, held at both ends; 0 everywhere when nothing is voiced.
std::vector<float> interpolated_pitch(std::span<const float> f0_hz);

}  // namespace likeness::voice
