// SPDX-License-Identifier: Apache-2.0
// Inside `media` only: the presentation times of all frames of a file, from its packets.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <vector>

#include "likeness/media/ffmpeg.h"

namespace likeness::media {

struct PacketIndex {
  struct Key {
    int64_t pts, dts;
  };
  std::vector<int64_t> pts;  ///< ascending; frame n is shown at pts[n]
  std::vector<Key> keys;     ///< ascending by pts
  int64_t frames = 0;        ///< also when pts are missing
  /// Every frame has its own time, so that times and numbers map one to one.
  bool one_to_one = false;

  /// Number of the frame shown at `time`, or -1.
  int64_t find(int64_t time) const;
};

/// Reads all packets of the video stream once, without decoding. Kept for the process while the
/// file does not change, so that several readers of one file share it.
std::shared_ptr<const PacketIndex> packet_index(const std::filesystem::path& path);
/// Whether the packet shows nothing by itself (edit-list leftovers, VP8 hidden frames).
bool is_hidden(const AVPacket& packet, AVCodecID codec);

}  // namespace likeness::media
