// SPDX-License-Identifier: Apache-2.0
// Inside `media` only: decoded pictures of a container in presentation order, numbered, in a
// supported layout and of one size; not yet deinterlaced or turned.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "likeness/media/packet_index.h"
#include "likeness/media/source.h"

namespace likeness::media {

struct Decoded {
  FramePtr frame;
  FrameIndex index = 0;
  int64_t pts = 0;       ///< in the stream's time base, ascending
  int64_t duration = 0;  ///< as the packet says; 0 = unknown
};

class Decoder {
 public:
  Decoder(const std::filesystem::path& path, int threads);
  const Container& container() const { return container_; }
  AVRational time_base() const { return container_.video_stream()->time_base; }
  int64_t usual_duration() const;  ///< of a frame, in ticks

  std::optional<Decoded> next();
  /// next() gives frame `index` first, or the first after it that can be decoded.
  void seek(FrameIndex index);

  /// time_s from the origin.
  std::function<void(double time_s, FrameIndex frame, std::string what)> on_damage;

 private:
  void open();
  FramePtr decode();   ///< the next picture of the codec, or null
  bool send_packet();  ///< false at the end of the file
  std::optional<Decoded> number(FramePtr frame);
  FramePtr uniform(FramePtr frame);
  bool position(const PacketIndex::Key& key);
  std::optional<Decoded> skip_to(FrameIndex index);
  void report(int64_t pts, const std::string& fallback);
  void report_short_file();
  void number_by_time();

  std::filesystem::path path_;
  int threads_;
  LogCapture capture_;
  Container container_;
  CodecPtr codec_;
  PacketPtr packet_;
  ScalerPtr scaler_, size_scaler_;
  std::shared_ptr<const PacketIndex> index_;  ///< when numbers come from times
  std::optional<Decoded> held_;               ///< found by seek()
  bool key_seen_ = false, packet_waiting_ = false, input_ended_ = false, drained_ = false;
  bool quiet_ = false;  ///< while skipping after a seek: damage there is not in what was asked for
  int64_t first_key_pts_ = AV_NOPTS_VALUE;
  int64_t last_pts_ = AV_NOPTS_VALUE, last_end_ = AV_NOPTS_VALUE;
  int64_t seen_end_us_ = 0;  ///< of any stream
  FrameIndex next_ = 0;
  int width_ = 0, height_ = 0, format_ = -1;
};

}  // namespace likeness::media
