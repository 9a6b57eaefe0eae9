// SPDX-License-Identifier: Apache-2.0
// Inside `media` only: the sound of a source, packet by packet, into an output being written.
#pragma once

#include <filesystem>
#include <memory>

#include "likeness/media/ffmpeg.h"
#include "likeness/media/muxer.h"
#include "likeness/media/source.h"

namespace likeness::media {

class AacEncoder;

class AudioCopier {
 public:
  /// Takes packets from source time `start_s` (0: all) on.
  AudioCopier(const std::filesystem::path& source, double start_s);
  ~AudioCopier();
  bool has_audio() const { return container_.audio >= 0; }
  double start_s() const { return start_s_; }
  /// Before the header is written.
  void add_stream(Muxer& muxer);
  /// Output time = source time - shift_s.
  void set_shift(double shift_s) { shift_s_ = shift_s; }
  /// Writes what begins before the output time `until_s`.
  void pump(Muxer& muxer, double until_s);
  void finish(Muxer& muxer, double until_s);

 private:
  bool load();  ///< the next wanted packet into packet_; false at the end
  std::filesystem::path path_;
  double start_s_, shift_s_ = 0;
  LogCapture capture_;
  Container container_;
  PacketPtr packet_;
  AVStream* stream_ = nullptr;
  AVRational base_{1, 1};
  int64_t origin_ = 0;
  bool loaded_ = false, ended_ = false;
  std::unique_ptr<AacEncoder> encoder_;  ///< when the container cannot hold the source's codec
};

}  // namespace likeness::media
