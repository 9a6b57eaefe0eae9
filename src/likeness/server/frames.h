// SPDX-License-Identifier: Apache-2.0
// Decoded frames for scrubbing: a few open readers, the frames around the last place asked for, and
// the pictures already encoded. Thread-safe; a clip is decoded by one thread at a time.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "likeness/media/video.h"
#include "likeness/server/http.h"

namespace likeness::server {

/// Values by key, the least recently used ones dropped when their sizes add up to more than
/// `budget`. Thread-safe.
class ByteCache {
 public:
  explicit ByteCache(size_t budget) : budget_(budget) {}
  std::shared_ptr<const std::string> get(const std::string& key);
  std::shared_ptr<const std::string> put(const std::string& key, std::string bytes);
  void clear();

 private:
  using Item = std::pair<std::string, std::shared_ptr<const std::string>>;
  const size_t budget_;
  size_t used_ = 0;
  std::mutex mutex_;
  std::list<Item> items_;  ///< newest first
  std::map<std::string, std::list<Item>::iterator> index_;
};

class FrameStore {
 public:
  /// Throws kNotFound past the end, and what opening the clip throws.
  media::Frame frame(const std::filesystem::path& clip, FrameIndex index);
  int64_t count(const std::filesystem::path& clip);
  /// What the file says about itself; remembered, and no reader is kept for it.
  media::VideoInfo info(const std::filesystem::path& clip);
  /// The frame as a picture `width` wide (0 = its own; never enlarged), JPEG or PNG, cached.
  std::shared_ptr<const std::string> picture(const std::filesystem::path& clip, FrameIndex index,
                                             int width, bool png);
  /// `count` frames evenly spread side by side, each `height` high; gives their width.
  std::shared_ptr<const std::string> strip(const std::filesystem::path& clip, int count, int height,
                                           int& tile_width);
  void clear();

 private:
  struct Clip;
  std::shared_ptr<Clip> open(const std::filesystem::path& clip);
  std::mutex mutex_;
  std::list<std::shared_ptr<Clip>> clips_;  ///< newest first
  struct Facts {
    media::VideoInfo info;
    int64_t frames = -1;
  };
  std::map<std::string, Facts> facts_;  ///< by ETag of the file
  ByteCache pictures_{96u << 20};
};

}  // namespace likeness::server
