// SPDX-License-Identifier: Apache-2.0
// decode -> number -> deinterlace -> upright -> one frame of look-ahead for the duration.
#include <algorithm>
#include <deque>

#include "likeness/base/threads.h"
#include "likeness/media/decoder.h"
#include "likeness/media/deinterlace.h"
#include "likeness/media/source.h"
#include "likeness/media/video.h"

namespace fs = std::filesystem;

namespace likeness::media {
namespace {

constexpr size_t kMaxDamage = 1000;

/// Frames one after the other, from a container or from image files.
class FrameSource {
 public:
  virtual ~FrameSource() = default;
  virtual std::optional<Frame> next() = 0;
  virtual void seek(FrameIndex index) = 0;
  virtual int64_t count_frames() = 0;

  VideoInfo info;
  std::vector<Damage> damage;

 protected:
  void add_damage(double time_s, FrameIndex frame, std::string what) {
    bool same_place =
        !damage.empty() && damage.back().frame >= frame - 1 && damage.back().frame <= frame;
    if (same_place || damage.size() >= kMaxDamage) return;
    damage.push_back({std::max(0.0, time_s), std::max<FrameIndex>(0, frame), std::move(what)});
  }
};

class ImageSource final : public FrameSource {
 public:
  ImageSource(const fs::path& path, ImageList images) : images_(std::move(images)) {
    info = images_info(images_, path);
  }

  std::optional<Frame> next() override {
    while (at_ < info.frame_count) {
      FrameIndex index = at_++;
      Frame frame;
      frame.index = index;
      frame.time = {index, info.time_base};
      frame.duration_ticks = 1;
      try {
        frame.set_native(std::shared_ptr<AVFrame>(
            decode_still(images_.files[static_cast<size_t>(index)], capture_)));
      } catch (const Error& error) {
        add_damage(frame.time.value(), index, error.what());
        continue;
      }
      return frame;
    }
    return std::nullopt;
  }
  void seek(FrameIndex index) override { at_ = index; }
  int64_t count_frames() override { return info.frame_count; }

 private:
  ImageList images_;
  LogCapture capture_;
  FrameIndex at_ = 0;
};

class VideoSource final : public FrameSource {
 public:
  VideoSource(const fs::path& path, const ReaderOptions& options)
      : options_(options), decoder_(path, options.threads > 0 ? options.threads : thread_count()) {
    info = container_info(decoder_.container(), path);
    orientation_ = stream_orientation(*decoder_.container().video_stream());
    decoder_.on_damage = [this](double time_s, FrameIndex frame, std::string what) {
      add_damage(time_s, frame, std::move(what));
    };
  }

  std::optional<Frame> next() override {
    while (ready_.size() < 2 && !ended_) step();
    if (ready_.empty()) return std::nullopt;
    Frame out = std::move(ready_.front());
    ready_.pop_front();
    // Packet durations are in decoding order, so wrong for reordered variable rate: use the next
    // time.
    if (!ready_.empty())
      out.duration_ticks = ready_.front().time.ticks - out.time.ticks;
    else if (out.duration_ticks <= 0)
      out.duration_ticks = decoder_.usual_duration();
    next_ = out.index + 1;
    if (ended_ && ready_.empty()) info.frame_count = std::max(next_, exact_count_);
    return out;
  }

  void seek(FrameIndex index) override {
    if (index == next_) return;
    bool near = index > next_ && index - next_ <= 2;
    if (near) {
      while (next_ < index && next()) {
      }
      if (next_ == index) return;
    }
    restart_pipeline();
    next_ = index;
    if (index >= count_frames()) {
      ended_ = true;
      return;
    }
    // The filter needs the frame before; whether this file is interlaced shows only in its frames.
    bool with_previous = info.interlaced;
    for (int attempt = 0; attempt < 2; ++attempt) {
      decoder_.seek(with_previous && index > 0 ? index - 1 : index);
      std::optional<Decoded> picture = decoder_.next();
      std::optional<Decoded> before;
      while (picture && picture->index < index) {
        before = std::move(picture);
        picture = decoder_.next();
      }
      bool lacks_previous = picture && picture->frame->interlaced_frame && options_.deinterlace &&
                            !before && index > 0;
      if (lacks_previous && !with_previous) {
        with_previous = true;
        continue;
      }
      if (before) previous_ = std::move(before->frame);
      if (picture)
        feed(std::move(*picture));
      else
        finish_pipeline();
      return;
    }
  }

  int64_t count_frames() override {
    if (exact_count_ == 0) {
      std::shared_ptr<const PacketIndex> index = packet_index(info.path);
      exact_count_ = index->frames;
      info.frame_count = exact_count_;
      if (index->one_to_one) info.variable_frame_rate = is_variable(index->pts);
    }
    return exact_count_;
  }

 private:
  bool is_variable(const std::vector<int64_t>& pts) const {
    int64_t low = INT64_MAX, high = 0;
    for (size_t i = 1; i < pts.size(); ++i) {
      low = std::min(low, pts[i] - pts[i - 1]);
      high = std::max(high, pts[i] - pts[i - 1]);
    }
    // Milliseconds of Matroska round a steady rate by one.
    double rounding_s = std::max(0.0011, av_q2d(decoder_.time_base()) * 1.5);
    return pts.size() > 2 &&
           static_cast<double>(high - low) * av_q2d(decoder_.time_base()) > rounding_s;
  }

  struct Meta {
    FrameIndex index;
    int64_t pts, duration;
    bool shown;
  };

  void step() {
    if (std::optional<Decoded> picture = decoder_.next())
      feed(std::move(*picture));
    else
      finish_pipeline();
  }

  void feed(Decoded picture) {
    bool interlaced = picture.frame->interlaced_frame;
    if (interlaced) info.interlaced = true;
    Meta meta{picture.index, picture.pts, picture.duration, true};
    if (!filter_ && !(interlaced && options_.deinterlace)) {
      if (options_.deinterlace) previous_ = reference(picture.frame.get());
      emit(std::move(picture.frame), meta);
      return;
    }
    if (!filter_) {
      filter_ =
          std::make_unique<Deinterlacer>(*picture.frame, decoder_.time_base(), thread_count());
      if (previous_) {
        metas_.push_back({0, 0, 0, false});
        filter_->push(*previous_);
        previous_.reset();
      }
    }
    metas_.push_back(meta);
    filter_->push(*picture.frame);
    drain_filter();
  }

  void drain_filter() {
    while (FramePtr frame = filter_->pull()) {
      LIKENESS_REQUIRE(!metas_.empty());
      Meta meta = metas_.front();
      metas_.pop_front();
      if (meta.shown) emit(std::move(frame), meta);
    }
  }

  void finish_pipeline() {
    if (filter_) {
      filter_->push_end();
      drain_filter();
    }
    ended_ = true;
  }

  void emit(FramePtr picture, const Meta& meta) {
    picture = orient_picture(std::move(picture), orientation_, scaler_);
    Frame frame;
    frame.index = meta.index;
    frame.time = {meta.pts - decoder_.container().origin, rational(decoder_.time_base())};
    frame.duration_ticks = meta.duration;
    frame.set_native(std::shared_ptr<AVFrame>(std::move(picture)));
    ready_.push_back(std::move(frame));
  }

  void restart_pipeline() {
    filter_.reset();
    previous_.reset();
    metas_.clear();
    ready_.clear();
    ended_ = false;
  }

  ReaderOptions options_;
  Decoder decoder_;
  Orientation orientation_;
  ScalerPtr scaler_;
  std::unique_ptr<Deinterlacer> filter_;
  FramePtr previous_;  ///< the raw frame before the next one, until the filter runs
  std::deque<Meta> metas_;
  std::deque<Frame> ready_;
  FrameIndex next_ = 0;
  int64_t exact_count_ = 0;
  bool ended_ = false;
};

}  // namespace

struct VideoReader::Impl {
  std::unique_ptr<FrameSource> source;
};

VideoReader::VideoReader(const fs::path& path, const ReaderOptions& options)
    : impl_(std::make_unique<Impl>()) {
  ImageList images;
  if (classify_source(path, images) == SourceKind::kImages)
    impl_->source = std::make_unique<ImageSource>(path, std::move(images));
  else
    impl_->source = std::make_unique<VideoSource>(path, options);
}
VideoReader::~VideoReader() = default;
VideoReader::VideoReader(VideoReader&&) noexcept = default;

const VideoInfo& VideoReader::info() const { return impl_->source->info; }
std::optional<Frame> VideoReader::next() { return impl_->source->next(); }
void VideoReader::seek(FrameIndex index) {
  if (index < 0)
    throw Error(ErrorCode::kUsage, "frame " + std::to_string(index) + " does not exist",
                "frames start at 0");
  impl_->source->seek(index);
}
int64_t VideoReader::count_frames() { return impl_->source->count_frames(); }
const std::vector<Damage>& VideoReader::damage() const { return impl_->source->damage; }

}  // namespace likeness::media
