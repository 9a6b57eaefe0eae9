// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/frames.h"

#include <algorithm>
#include <cmath>

#include "likeness/server/ranges.h"
#include "likeness/tasks/media_library.h"

namespace likeness::server {
namespace {

constexpr size_t kOpenClips = 4;
constexpr int64_t kFrameBudget = 64 << 20;  ///< bytes of decoded frames kept per clip
constexpr size_t kMostFacts = 2000;
constexpr int kJpegQuality = 85;
constexpr FrameIndex kBackStep = 12, kForwardDecode = 24;

std::string key_of(const std::filesystem::path& clip, const std::string& rest) {
  return file_tag(clip) + "|" + rest;
}

}  // namespace

std::shared_ptr<const std::string> ByteCache::get(const std::string& key) {
  std::lock_guard lock(mutex_);
  const auto it = index_.find(key);
  if (it == index_.end()) return nullptr;
  items_.splice(items_.begin(), items_, it->second);
  return it->second->second;
}

std::shared_ptr<const std::string> ByteCache::put(const std::string& key, std::string bytes) {
  auto value = std::make_shared<const std::string>(std::move(bytes));
  std::lock_guard lock(mutex_);
  if (const auto it = index_.find(key); it != index_.end()) {
    used_ -= it->second->second->size();
    items_.erase(it->second);
    index_.erase(it);
  }
  items_.emplace_front(key, value);
  index_[key] = items_.begin();
  used_ += value->size();
  while (used_ > budget_ && items_.size() > 1) {
    used_ -= items_.back().second->size();
    index_.erase(items_.back().first);
    items_.pop_back();
  }
  return value;
}

void ByteCache::clear() {
  std::lock_guard lock(mutex_);
  items_.clear();
  index_.clear();
  used_ = 0;
}

struct FrameStore::Clip {
  std::filesystem::path path;
  std::string tag;
  std::mutex mutex;
  media::VideoReader reader;
  FrameIndex next = 0, last_asked = 0;
  int64_t frames = -1;
  std::deque<media::Frame> kept;
  size_t most_kept = 8;

  explicit Clip(const std::filesystem::path& p) : path(p), tag(file_tag(p)), reader(p) {
    const auto& info = reader.info();
    const int64_t bytes =
        static_cast<int64_t>(info.width) * info.height * 3 / 2 * (info.bit_depth > 8 ? 2 : 1);
    most_kept =
        static_cast<size_t>(std::clamp<int64_t>(kFrameBudget / std::max<int64_t>(1, bytes), 4, 96));
  }

  const media::Frame* find(FrameIndex index) const {
    for (const auto& f : kept)
      if (f.index == index) return &f;
    return nullptr;
  }
  void keep(media::Frame frame) {
    if (find(frame.index)) return;
    kept.push_back(std::move(frame));
    if (kept.size() > most_kept) kept.pop_front();
  }

  /// Decodes from where the reader is, or from a little before when going backwards, so that the
  /// next step back is there already.
  media::Frame get(FrameIndex index) {
    const bool backwards = index < last_asked && last_asked - index < 4 * kBackStep;
    last_asked = index;
    if (const auto* f = find(index)) return *f;
    FrameIndex from = index;
    if (backwards) {
      const auto step = std::min<FrameIndex>(kBackStep, static_cast<FrameIndex>(most_kept) - 1);
      from = std::max<FrameIndex>(0, index - step + 1);
    }
    if (next > from || from - next > kForwardDecode || (backwards && next != from)) {
      reader.seek(from);
      next = from;
    }
    while (auto frame = reader.next()) {
      next = frame->index + 1;
      const bool there = frame->index >= index;
      media::Frame out = *frame;
      if (frame->index >= from) keep(std::move(*frame));
      if (there && out.index == index) return out;
      if (there) break;
    }
    throw Error(ErrorCode::kNotFound,
                path.filename().string() + " has no frame " + std::to_string(index),
                "it has " + std::to_string(count()) + " frames, counted from 0");
  }
  int64_t count() {
    if (frames < 0) frames = reader.info().is_still ? 1 : reader.count_frames();
    return frames;
  }
};

std::shared_ptr<FrameStore::Clip> FrameStore::open(const std::filesystem::path& path) {
  const std::string tag = file_tag(path);
  {
    std::lock_guard lock(mutex_);
    for (auto it = clips_.begin(); it != clips_.end(); ++it)
      if ((*it)->path == path && (*it)->tag == tag) {
        clips_.splice(clips_.begin(), clips_, it);
        return clips_.front();
      }
  }
  auto clip = std::make_shared<Clip>(path);
  std::lock_guard lock(mutex_);
  std::erase_if(clips_, [&](const auto& c) { return c->path == path; });
  clips_.push_front(clip);
  if (clips_.size() > kOpenClips) clips_.pop_back();
  return clip;
}

media::Frame FrameStore::frame(const std::filesystem::path& path, FrameIndex index) {
  const auto clip = open(path);
  std::lock_guard lock(clip->mutex);
  return clip->get(index);
}
int64_t FrameStore::count(const std::filesystem::path& path) {
  const std::string tag = file_tag(path);
  {
    std::lock_guard lock(mutex_);
    if (const auto it = facts_.find(tag); it != facts_.end() && it->second.frames >= 0)
      return it->second.frames;
  }
  const auto about = info(path);
  const int64_t frames = about.is_still ? 1 : media::VideoReader(path).count_frames();
  std::lock_guard lock(mutex_);
  facts_[tag] = {about, frames};
  return frames;
}
media::VideoInfo FrameStore::info(const std::filesystem::path& path) {
  const std::string tag = file_tag(path);
  {
    std::lock_guard lock(mutex_);
    if (const auto it = facts_.find(tag); it != facts_.end()) return it->second.info;
  }
  const media::VideoInfo about = media::probe(path);
  std::lock_guard lock(mutex_);
  if (facts_.size() > kMostFacts) facts_.clear();
  facts_[tag].info = about;
  return about;
}
void FrameStore::clear() {
  pictures_.clear();
  std::lock_guard lock(mutex_);
  clips_.clear();
}

std::shared_ptr<const std::string> FrameStore::picture(const std::filesystem::path& clip,
                                                       FrameIndex index, int width, bool png) {
  const std::string key =
      key_of(clip, std::to_string(index) + "|" + std::to_string(width) + (png ? "|png" : "|jpg"));
  if (auto known = pictures_.get(key)) return known;
  const media::Frame f = frame(clip, index);
  const Image8 image = f.rgb8_scaled(tasks::longest_for_width(f.width(), f.height(), width));
  return pictures_.put(key,
                       png ? media::encode_png(image) : media::encode_jpeg(image, kJpegQuality));
}

std::shared_ptr<const std::string> FrameStore::strip(const std::filesystem::path& path, int count,
                                                     int height, int& tile_width) {
  const auto clip = open(path);
  const auto& info = clip->reader.info();
  tile_width = std::max(1, static_cast<int>(std::lround(static_cast<double>(info.width) * height /
                                                        std::max(1, info.height))));
  const std::string key =
      key_of(path, "strip|" + std::to_string(count) + "|" + std::to_string(height));
  if (auto known = pictures_.get(key)) return known;
  Image8 sheet(count * tile_width, height, 3);
  const int64_t frames = std::max<int64_t>(1, this->count(path));
  media::VideoReader reader(path);  // its own: scrubbing goes on meanwhile
  for (int i = 0; i < count; ++i) {
    const FrameIndex at = std::min<FrameIndex>(frames - 1, (2 * i + 1) * frames / (2 * count));
    Image8 tile;
    try {
      if (at > 0) reader.seek(at);
      const auto f = reader.next();
      if (!f) break;
      tile = f->rgb8_scaled(std::max(tile_width, height));
    } catch (const Error&) {  // a damaged place stays black
      continue;
    }
    for (int y = 0; y < std::min(height, tile.height); ++y)
      std::copy_n(tile.row(y), 3 * std::min(tile_width, tile.width),
                  sheet.row(y) + static_cast<size_t>(3) * i * tile_width);
  }
  return pictures_.put(key, media::encode_jpeg(sheet, 80));
}

}  // namespace likeness::server
