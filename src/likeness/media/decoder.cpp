// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/decoder.h"

#include <algorithm>

namespace likeness::media {
namespace {
constexpr int kMaxReadErrors = 64;  // in a row, before a file counts as ended
}

Decoder::Decoder(const std::filesystem::path& path, int threads)
    : path_(path), threads_(threads), packet_(make_packet()) {
  open();
}

void Decoder::open() {
  codec_.reset();
  container_ = {};
  container_ = open_video(path_, capture_);
  for (unsigned i = 0; i < container_.format->nb_streams; ++i) {
    AVStream& stream = *container_.format->streams[i];
    // Sound is read along (and dropped) because its end tells whether the file was cut.
    bool wanted = static_cast<int>(i) == container_.video ||
                  stream.codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
    if (!wanted) stream.discard = AVDISCARD_ALL;
  }
  codec_ = open_decoder(*container_.video_stream(), threads_, capture_);
  av_packet_unref(packet_.get());
  held_.reset();
  key_seen_ = packet_waiting_ = input_ended_ = drained_ = false;
  first_key_pts_ = last_pts_ = last_end_ = AV_NOPTS_VALUE;
  next_ = 0;
  capture_.take();
}

int64_t Decoder::usual_duration() const {
  const AVStream& stream = *container_.video_stream();
  AVRational rate = stream.avg_frame_rate.num > 0 ? stream.avg_frame_rate : AVRational{25, 1};
  return std::max<int64_t>(1, av_rescale_q(1, av_inv_q(rate), stream.time_base));
}

void Decoder::report(int64_t pts, const std::string& fallback) {
  std::string said = capture_.take();
  if (quiet_ || !on_damage) return;
  if (pts == AV_NOPTS_VALUE) pts = last_end_ == AV_NOPTS_VALUE ? container_.origin : last_end_;
  FrameIndex frame = next_;
  if (index_)
    frame = std::upper_bound(index_->pts.begin(), index_->pts.end(), pts) - index_->pts.begin() - 1;
  double time_s = static_cast<double>(pts - container_.origin) * av_q2d(time_base());
  on_damage(time_s, frame, said.empty() ? fallback : fallback + ": " + said);
}

/// After a loss, counting goes wrong: take the numbers from the presentation times instead.
void Decoder::number_by_time() {
  if (index_) return;
  std::shared_ptr<const PacketIndex> index = packet_index(path_);
  if (index->one_to_one) index_ = std::move(index);
}

bool Decoder::send_packet() {
  for (int errors = 0; !packet_waiting_;) {
    if (input_ended_) return false;
    int error = av_read_frame(container_.format.get(), packet_.get());
    if (error < 0) {
      bool at_end = error == AVERROR_EOF || ++errors >= kMaxReadErrors;
      if (error != AVERROR_EOF && errors <= 1) {
        report(AV_NOPTS_VALUE, "cannot read on (" + av_text(error) + ")");
        number_by_time();
      }
      if (!at_end) continue;
      input_ended_ = true;
      if (error == AVERROR_EOF) report_short_file();
      avcodec_send_packet(codec_.get(), nullptr);
      return true;
    }
    errors = 0;
    int64_t start = packet_->pts != AV_NOPTS_VALUE ? packet_->pts : packet_->dts;
    AVRational base = container_.format->streams[packet_->stream_index]->time_base;
    if (start != AV_NOPTS_VALUE)
      seen_end_us_ = std::max(
          seen_end_us_,
          av_rescale_q(start + std::max<int64_t>(0, packet_->duration), base, AV_TIME_BASE_Q));
    bool key = packet_->flags & AV_PKT_FLAG_KEY;
    if (packet_->stream_index != container_.video || (!key_seen_ && !key)) {
      av_packet_unref(packet_.get());
      continue;
    }
    if (!key_seen_) first_key_pts_ = packet_->pts;
    key_seen_ = packet_waiting_ = true;
    if (packet_->flags & AV_PKT_FLAG_CORRUPT) {
      report(packet_->pts, "the file is cut or broken here");
      number_by_time();
    }
  }
  int error = avcodec_send_packet(codec_.get(), packet_.get());
  if (error == AVERROR(EAGAIN)) return true;
  if (error < 0) {
    report(packet_->pts, "a frame cannot be decoded (" + av_text(error) + ")");
    number_by_time();
  }
  av_packet_unref(packet_.get());
  packet_waiting_ = false;
  return true;
}

void Decoder::report_short_file() {
  const AVFormatContext& format = *container_.format;
  bool promised =
      format.duration_estimation_method == AVFMT_DURATION_FROM_STREAM && format.duration > 0;
  if (!promised || quiet_) return;
  int64_t start = format.start_time == AV_NOPTS_VALUE ? 0 : format.start_time;
  int64_t missing_us = format.duration + start - seen_end_us_;
  if (missing_us < AV_TIME_BASE / 2) return;
  int64_t pts = av_rescale_q(seen_end_us_, AV_TIME_BASE_Q, time_base());
  report(pts,
         "the file ends " + std::to_string(missing_us / 1000) + " ms before the length it states");
}

FramePtr Decoder::decode() {
  FramePtr frame = make_frame();
  for (int stuck = 0; !drained_;) {
    int error = avcodec_receive_frame(codec_.get(), frame.get());
    if (error >= 0) {
      if (frame->decode_error_flags || (frame->flags & AV_FRAME_FLAG_CORRUPT))
        report(frame->best_effort_timestamp, "a frame is damaged");
      return frame;
    }
    if (error == AVERROR_EOF) {
      drained_ = true;
    } else if (error != AVERROR(EAGAIN)) {
      report(AV_NOPTS_VALUE, "a frame cannot be decoded (" + av_text(error) + ")");
      number_by_time();
      drained_ = ++stuck > kMaxReadErrors;  // a codec that no packet moves on
    } else if (!send_packet()) {
      drained_ = true;
    }
  }
  return nullptr;
}

FramePtr Decoder::uniform(FramePtr frame) {
  frame = normalise_picture(std::move(frame), scaler_);
  const AVCodecParameters& p = *container_.video_stream()->codecpar;
  if (frame->color_primaries == AVCOL_PRI_UNSPECIFIED) frame->color_primaries = p.color_primaries;
  if (frame->color_trc == AVCOL_TRC_UNSPECIFIED) frame->color_trc = p.color_trc;
  if (frame->colorspace == AVCOL_SPC_UNSPECIFIED) frame->colorspace = p.color_space;
  if (frame->color_range == AVCOL_RANGE_UNSPECIFIED) frame->color_range = p.color_range;
  if (frame->chroma_location == AVCHROMA_LOC_UNSPECIFIED)
    frame->chroma_location = p.chroma_location;
  if (frame->sample_aspect_ratio.num <= 0) {
    AVRational own = p.sample_aspect_ratio, outer = container_.video_stream()->sample_aspect_ratio;
    frame->sample_aspect_ratio = own.num > 0 ? own : outer;
  }
  if (format_ < 0) {
    format_ = frame->format;
    width_ = p.width;
    height_ = p.height;
  }
  if (frame->width != width_ || frame->height != height_ || frame->format != format_)
    frame =
        convert_picture(*frame, static_cast<AVPixelFormat>(format_), width_, height_, size_scaler_);
  return frame;
}

/// Nothing when the picture is one that must not be shown.
std::optional<Decoded> Decoder::number(FramePtr frame) {
  Decoded out;
  out.duration = frame->pkt_duration > 0 ? frame->pkt_duration : 0;
  int64_t pts = frame->pts != AV_NOPTS_VALUE ? frame->pts : frame->best_effort_timestamp;
  bool leading = pts != AV_NOPTS_VALUE && first_key_pts_ != AV_NOPTS_VALUE && pts < first_key_pts_;
  if (leading) return std::nullopt;
  FrameIndex found = -1;
  if (index_ && pts != AV_NOPTS_VALUE) found = index_->find(pts);
  if (found >= 0) {
    if (found < next_) return std::nullopt;
    next_ = found;
  } else {
    if (pts == AV_NOPTS_VALUE) pts = last_end_ == AV_NOPTS_VALUE ? container_.origin : last_end_;
    if (last_pts_ != AV_NOPTS_VALUE) pts = std::max(pts, last_pts_ + 1);
  }
  out.index = next_++;
  out.pts = pts;
  last_pts_ = pts;
  last_end_ = pts + (out.duration > 0 ? out.duration : usual_duration());
  out.frame = std::move(frame);
  return out;
}

std::optional<Decoded> Decoder::next() {
  if (held_) {
    std::optional<Decoded> out = std::move(held_);
    held_.reset();
    return out;
  }
  while (FramePtr frame = decode())
    if (std::optional<Decoded> out = number(std::move(frame))) {
      out->frame = uniform(std::move(out->frame));
      return out;
    }
  return std::nullopt;
}

/// Goes to a key frame. False when the container landed behind it.
bool Decoder::position(const PacketIndex::Key& key) {
  auto land = [&](int64_t time) {
    if (time == AV_NOPTS_VALUE) return false;
    if (av_seek_frame(container_.format.get(), container_.video, time, AVSEEK_FLAG_BACKWARD) < 0)
      return false;
    avcodec_flush_buffers(codec_.get());
    av_packet_unref(packet_.get());
    packet_waiting_ = key_seen_ = input_ended_ = drained_ = false;
    for (int errors = 0; errors < kMaxReadErrors;) {
      int error = av_read_frame(container_.format.get(), packet_.get());
      if (error == AVERROR_EOF) return false;
      if (error < 0) {
        ++errors;
        continue;
      }
      if (packet_->stream_index == container_.video && (packet_->flags & AV_PKT_FLAG_KEY)) break;
      av_packet_unref(packet_.get());
    }
    if (!packet_->data || packet_->pts == AV_NOPTS_VALUE || packet_->pts > key.pts) return false;
    packet_waiting_ = key_seen_ = true;
    first_key_pts_ = packet_->pts;
    return true;
  };
  return land(key.pts) || land(key.dts);
}

/// The first picture numbered `index` or more; nothing at the end.
std::optional<Decoded> Decoder::skip_to(FrameIndex index) {
  while (FramePtr frame = decode()) {
    std::optional<Decoded> picture = number(std::move(frame));
    if (!picture || picture->index < index) continue;
    picture->frame = uniform(std::move(picture->frame));
    return picture;
  }
  return std::nullopt;
}

void Decoder::seek(FrameIndex index) {
  held_.reset();
  number_by_time();
  quiet_ = true;
  std::optional<Decoded> found;
  bool exact = false;
  if (index_ && index < static_cast<FrameIndex>(index_->pts.size())) {
    int64_t time = index_->pts[static_cast<size_t>(index)];
    auto key = std::upper_bound(index_->keys.begin(), index_->keys.end(), time,
                                [](int64_t t, const PacketIndex::Key& k) { return t < k.pts; });
    // An earlier key frame where this one does not lead to the frame (open groups, intra refresh).
    for (int attempt = 0; attempt < 3 && key != index_->keys.begin() && !exact; ++attempt) {
      --key;
      next_ = 0;
      last_pts_ = last_end_ = AV_NOPTS_VALUE;
      if (!position(*key)) continue;
      found = skip_to(index);
      exact = found && found->pts == time;
    }
  }
  if (!exact) {
    open();
    found = skip_to(index);
  }
  quiet_ = false;
  if (found && found->index != index && on_damage) {
    on_damage(static_cast<double>(found->pts - container_.origin) * av_q2d(time_base()), index,
              "frame " + std::to_string(index) + " cannot be decoded");
  }
  held_ = std::move(found);
}

}  // namespace likeness::media
