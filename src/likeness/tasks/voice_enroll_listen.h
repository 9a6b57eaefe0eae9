// SPDX-License-Identifier: Apache-2.0
// One recording, piece by piece: examined, cleaned, cut into clips. Shared by the files of
// voice_enroll*.cpp and voice_bank.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/media/audio_file.h"
#include "likeness/voice/speaker.h"

namespace likeness::tasks {

/// Pieces of about two minutes, cut in pauses; the last may be up to three minutes long.
class PieceReader {
 public:
  explicit PieceReader(const std::filesystem::path& path) : stream_(path) {}
  /// False at the end.
  bool next(AudioClip& piece);
  double begin_s() const { return begin_s_; }
  bool ended() const { return ended_ && held_.samples.empty(); }
  const std::vector<media::Damage>& damage() const { return stream_.damage(); }

 private:
  media::AudioStream stream_;
  AudioClip held_;
  double begin_s_ = 0, next_s_ = 0;
  bool ended_ = false;
};

struct HeardClip {
  std::string text;
  std::vector<float> samples;  ///< kEnrolledRateHz
  double speech_s = 0, f0_hz = 0, voiced_s = 0;
};
struct HeardPiece {
  double begin_s = 0, duration_s = 0, speech_s = 0;
  std::vector<HeardClip> clips;
  std::vector<voice::SpeakerVector> windows;  ///< of 3 s of speech; one of it all where it is short
  nlohmann::json findings = nlohmann::json::array();  ///< [{rule, text, refused}]
  bool refused() const;
};
struct ListenOptions {
  bool denoise = true;
  bool alone = true;  ///< the piece is the whole recording: silence is a fault, and text fits it
};
/// `text`: what is said in it, or empty.
HeardPiece listen_to(const AudioClip& sound, const std::string& text, const ListenOptions& options);

void write_piece(const std::filesystem::path& path, const HeardPiece& piece);
HeardPiece read_piece(const std::filesystem::path& path);

}  // namespace likeness::tasks
