// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/audio_copy.h"

#include <algorithm>
#include <cmath>

#include "likeness/base/run.h"
#include "likeness/media/aac_encoder.h"

namespace likeness::media {
namespace {
constexpr int kMaxReadErrors = 64;
}

AudioCopier::AudioCopier(const std::filesystem::path& source, double start_s)
    : path_(source), start_s_(start_s), packet_(make_packet()) {
  ImageList images;
  if (classify_source(source, images) == SourceKind::kImages) return;
  container_ = open_container(source, capture_);
  if (!has_audio()) return;
  const AVStream& stream = *container_.format->streams[container_.audio];
  base_ = stream.time_base;
  if (container_.video >= 0)
    origin_ = av_rescale_q(container_.origin, container_.video_stream()->time_base, base_);
  else
    origin_ = stream.start_time == AV_NOPTS_VALUE ? 0 : stream.start_time;
  for (unsigned i = 0; i < container_.format->nb_streams; ++i)
    if (static_cast<int>(i) != container_.audio)
      container_.format->streams[i]->discard = AVDISCARD_ALL;
  if (start_s > 0) {
    int64_t time = origin_ + static_cast<int64_t>(std::floor(start_s / av_q2d(base_)));
    av_seek_frame(container_.format.get(), container_.audio, time, AVSEEK_FLAG_BACKWARD);
  }
}

AudioCopier::~AudioCopier() = default;

void AudioCopier::add_stream(Muxer& muxer) {
  if (!has_audio()) return;
  const AVStream& in = *container_.format->streams[container_.audio];
  stream_ = muxer.add_stream();
  if (muxer.holds(in.codecpar->codec_id)) {
    check_av(avcodec_parameters_copy(stream_->codecpar, in.codecpar), "no memory for the output");
    stream_->codecpar->codec_tag = 0;
    stream_->time_base = in.time_base;
    return;
  }
  encoder_ = std::make_unique<AacEncoder>(in, muxer.wants_global_header(), capture_);
  check_av(avcodec_parameters_from_context(stream_->codecpar, &encoder_->context()),
           "no memory for the output");
  stream_->time_base = encoder_->context().time_base;
  log_warning("the sound of " + path_.string() + " is " + avcodec_get_name(in.codecpar->codec_id) +
              ", which this container cannot hold: it is encoded as AAC; use .mov or .mkv to keep "
              "it untouched");
}

bool AudioCopier::load() {
  for (int errors = 0; !loaded_ && !ended_;) {
    int error = av_read_frame(container_.format.get(), packet_.get());
    if (error < 0) {
      ended_ = error == AVERROR_EOF || ++errors >= kMaxReadErrors;
      continue;
    }
    errors = 0;
    bool wanted = packet_->stream_index == container_.audio;
    if (wanted && start_s_ > 0 && packet_->pts != AV_NOPTS_VALUE) {
      double end = static_cast<double>(packet_->pts + packet_->duration - origin_) * av_q2d(base_);
      wanted = end > start_s_;
    }
    if (wanted)
      loaded_ = true;
    else
      av_packet_unref(packet_.get());
  }
  return loaded_;
}

void AudioCopier::pump(Muxer& muxer, double until_s) {
  if (!stream_) return;
  int64_t offset = origin_ + static_cast<int64_t>(std::llround(shift_s_ / av_q2d(base_)));
  while (load()) {
    int64_t pts = packet_->pts != AV_NOPTS_VALUE ? packet_->pts : packet_->dts;
    if (pts != AV_NOPTS_VALUE && static_cast<double>(pts - offset) * av_q2d(base_) >= until_s)
      return;
    loaded_ = false;
    if (packet_->pts != AV_NOPTS_VALUE) packet_->pts -= offset;
    if (packet_->dts != AV_NOPTS_VALUE) packet_->dts -= offset;
    if (encoder_) {
      encoder_->push(packet_.get());
      av_packet_unref(packet_.get());
      while (PacketPtr out = encoder_->pull())
        muxer.write(*out, *stream_, encoder_->context().time_base);
    } else {
      muxer.write(*packet_, *stream_, base_);
    }
  }
}

void AudioCopier::finish(Muxer& muxer, double until_s) {
  pump(muxer, until_s);
  if (!encoder_ || !stream_) return;
  encoder_->push(nullptr);
  while (PacketPtr out = encoder_->pull()) {
    if (static_cast<double>(out->pts) * av_q2d(encoder_->context().time_base) >= until_s) return;
    muxer.write(*out, *stream_, encoder_->context().time_base);
  }
}

}  // namespace likeness::media
