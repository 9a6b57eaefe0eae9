// SPDX-License-Identifier: Apache-2.0
// Inside `media` only: decodes audio packets and encodes them as AAC, for containers that cannot
// hold the source's codec.
#pragma once

#include <deque>

#include "likeness/media/ffmpeg.h"

struct SwrContext;
struct AVAudioFifo;

namespace likeness::media {

class AacEncoder {
 public:
  AacEncoder(const AVStream& source, bool global_header, LogCapture& capture);
  ~AacEncoder();
  const AVCodecContext& context() const { return *encoder_; }
  /// Packet times are those of the source (in its time base); null ends. Broken packets become
  /// silence of no length: the time of the next good one counts.
  void push(const AVPacket* packet);
  /// The next AAC packet in context().time_base counted from the source's zero, or null.
  PacketPtr pull();

 private:
  void take(const AVFrame& frame);
  void encode(bool flush);
  CodecPtr decoder_, encoder_;
  SwrContext* resampler_ = nullptr;
  AVAudioFifo* fifo_ = nullptr;
  AVRational source_base_;
  int64_t next_pts_ = AV_NOPTS_VALUE;  ///< of the first sample in the fifo
  std::deque<PacketPtr> out_;
};

}  // namespace likeness::media
