// SPDX-License-Identifier: Apache-2.0
// Sound in files: reading with its own rate and channels, and writing WAV.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "likeness/base/audio.h"
#include "likeness/media/video.h"

namespace likeness::media {

struct AudioInfo {
  std::filesystem::path path;
  std::string codec, container;
  int rate_hz = 0, channels = 0;
  double duration_s = 0;  ///< as the container says; 0 when it does not
};
/// The first audio stream of any file. Throws kNotFound, kBadInput (no sound in it, 0 bytes).
AudioInfo probe_audio(const std::filesystem::path& path);

struct DecodedAudio {
  AudioClip clip;              ///< its own rate and channels
  bool cut = false;            ///< longer than `max_s`; the rest was not read
  std::vector<Damage> damage;  ///< broken packets, left out
};
/// Throws as probe_audio, and kDamaged when nothing can be decoded.
DecodedAudio read_audio(const std::filesystem::path& path, double max_s = 3600);

/// The same sound bit by bit, for recordings of any length in constant memory.
class AudioStream {
 public:
  /// Throws as probe_audio.
  explicit AudioStream(const std::filesystem::path& path);
  ~AudioStream();
  AudioStream(AudioStream&&) noexcept;
  int rate_hz() const;
  int channels() const;
  /// Adds at least `least_s` seconds to `clip` (which must be empty or of this stream), less only
  /// at the end. Gives false when there is nothing more. Broken packets are left out and counted in
  /// `damage`.
  bool read(AudioClip& clip, double least_s);
  const std::vector<Damage>& damage() const;  ///< the first 100

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// 16-bit PCM, little-endian, two bytes a sample; beyond [-1, 1] clipped. And back.
std::vector<uint8_t> pcm16_bytes(std::span<const float> samples);
std::vector<float> pcm16_samples(std::span<const uint8_t> bytes);

/// A whole WAV file of 16-bit PCM in memory. Throws kInternal (no proper rate or channels),
/// kUnsupported (over 4 GB).
std::string wav_bytes(const AudioClip& clip);
/// 16-bit PCM, atomic. Samples beyond [-1, 1] are clipped. Throws kUsage (not .wav), kIo, kNoSpace.
void write_wav(const std::filesystem::path& path, const AudioClip& clip);

}  // namespace likeness::media
