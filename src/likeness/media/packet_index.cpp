// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/packet_index.h"

#include <algorithm>
#include <list>

#include "likeness/media/source.h"

namespace fs = std::filesystem;

namespace likeness::media {
namespace {

constexpr int kMaxReadErrors = 64;  // in a row, before a file counts as ended

std::shared_ptr<const PacketIndex> scan(const fs::path& path) {
  LogCapture capture;
  Container c = open_video(path, capture);
  for (unsigned i = 0; i < c.format->nb_streams; ++i)
    if (static_cast<int>(i) != c.video) c.format->streams[i]->discard = AVDISCARD_ALL;
  auto index = std::make_shared<PacketIndex>();
  PacketPtr packet = make_packet();
  AVCodecID codec = c.video_stream()->codecpar->codec_id;
  bool complete = true;
  for (int errors = 0; errors < kMaxReadErrors;) {
    int error = av_read_frame(c.format.get(), packet.get());
    if (error == AVERROR_EOF) break;
    if (error < 0) {
      ++errors;
      continue;
    }
    errors = 0;
    bool key = packet->flags & AV_PKT_FLAG_KEY;
    if (packet->stream_index == c.video && !is_hidden(*packet, codec) &&
        (key || !index->keys.empty())) {
      ++index->frames;
      if (packet->pts == AV_NOPTS_VALUE) complete = false;
      // Leading pictures of the first group refer to something before the file.
      else if (!index->keys.empty() && packet->pts < index->keys.front().pts)
        --index->frames;
      else
        index->pts.push_back(packet->pts);
      if (key) index->keys.push_back({packet->pts, packet->dts});
    }
    av_packet_unref(packet.get());
  }
  std::sort(index->pts.begin(), index->pts.end());
  bool unique = std::adjacent_find(index->pts.begin(), index->pts.end()) == index->pts.end();
  index->one_to_one = complete && unique && !index->keys.empty();
  std::sort(index->keys.begin(), index->keys.end(), [](auto& a, auto& b) { return a.pts < b.pts; });
  return index;
}

struct CacheEntry {
  fs::path path;
  fs::file_time_type changed;
  uintmax_t size;
  std::shared_ptr<const PacketIndex> index;
};

}  // namespace

int64_t PacketIndex::find(int64_t time) const {
  auto it = std::lower_bound(pts.begin(), pts.end(), time);
  return it != pts.end() && *it == time ? it - pts.begin() : -1;
}

bool is_hidden(const AVPacket& packet, AVCodecID codec) {
  if (packet.flags & AV_PKT_FLAG_DISCARD) return true;
  // RFC 6386, 9.1: bit 4 of the frame tag is show_frame.
  return codec == AV_CODEC_ID_VP8 && packet.size > 0 && !(packet.data[0] & 0x10);
}

std::shared_ptr<const PacketIndex> packet_index(const fs::path& path) {
  static std::mutex mutex;
  static std::list<CacheEntry> cache;
  constexpr size_t kCached = 8;
  std::error_code ec;
  fs::path absolute = fs::absolute(path, ec);
  auto changed = fs::last_write_time(path, ec);
  uintmax_t size = fs::file_size(path, ec);
  // One scan at a time: readers of the same file wait for it instead of scanning too.
  std::lock_guard lock(mutex);
  for (auto it = cache.begin(); it != cache.end(); ++it)
    if (it->path == absolute && it->changed == changed && it->size == size) {
      cache.splice(cache.begin(), cache, it);
      return cache.front().index;
    }
  cache.push_front({absolute, changed, size, scan(path)});
  if (cache.size() > kCached) cache.pop_back();
  return cache.front().index;
}

}  // namespace likeness::media
