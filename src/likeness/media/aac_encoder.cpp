// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/aac_encoder.h"

#include "likeness/media/source.h"

extern "C" {
#include <libavutil/audio_fifo.h>
#include <libavutil/channel_layout.h>
#include <libswresample/swresample.h>
}

namespace likeness::media {
namespace {

constexpr int kBitsPerChannel = 160000;  // well above where AAC-LC is transparent for most material

int nearest_rate(const AVCodec& codec, int rate) {
  int best = 48000;
  for (const int* r = codec.supported_samplerates; r && *r; ++r)
    if (*r == rate) best = rate;
  return best;
}

}  // namespace

AacEncoder::AacEncoder(const AVStream& source, bool global_header, LogCapture& capture)
    : decoder_(open_decoder(source, 1, capture)), source_base_(source.time_base) {
  const AVCodec* codec = avcodec_find_encoder(AV_CODEC_ID_AAC);
  if (!codec) throw_av(AVERROR_ENCODER_NOT_FOUND, "this FFmpeg cannot encode AAC");
  encoder_.reset(avcodec_alloc_context3(codec));
  if (!encoder_) throw_av(AVERROR(ENOMEM), "no memory for an encoder");
  int channels = decoder_->ch_layout.nb_channels;
  encoder_->opaque = &capture;
  encoder_->sample_rate = nearest_rate(*codec, decoder_->sample_rate);
  encoder_->sample_fmt = AV_SAMPLE_FMT_FLTP;
  av_channel_layout_default(&encoder_->ch_layout, channels > 2 && channels != 6 ? 2 : channels);
  encoder_->bit_rate = static_cast<int64_t>(kBitsPerChannel) * encoder_->ch_layout.nb_channels;
  encoder_->time_base = {1, encoder_->sample_rate};
  if (global_header) encoder_->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  check_av(avcodec_open2(encoder_.get(), codec, nullptr), "starting the AAC encoder");
  AVChannelLayout in_layout{};
  if (decoder_->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
    av_channel_layout_default(&in_layout, channels);
  else
    check_av(av_channel_layout_copy(&in_layout, &decoder_->ch_layout), "no memory for sound");
  int error = swr_alloc_set_opts2(&resampler_, &encoder_->ch_layout, encoder_->sample_fmt,
                                  encoder_->sample_rate, &in_layout, decoder_->sample_fmt,
                                  decoder_->sample_rate, 0, nullptr);
  av_channel_layout_uninit(&in_layout);
  if (error >= 0) error = swr_init(resampler_);
  fifo_ = av_audio_fifo_alloc(encoder_->sample_fmt, encoder_->ch_layout.nb_channels,
                              encoder_->frame_size);
  if (error < 0 || !fifo_) {
    swr_free(&resampler_);
    if (fifo_) av_audio_fifo_free(fifo_);
    throw_av(error < 0 ? error : AVERROR(ENOMEM), "converting the sound to AAC");
  }
}

AacEncoder::~AacEncoder() {
  swr_free(&resampler_);
  av_audio_fifo_free(fifo_);
}

void AacEncoder::take(const AVFrame& frame) {
  if (frame.sample_rate != decoder_->sample_rate || frame.format != decoder_->sample_fmt) return;
  if (next_pts_ == AV_NOPTS_VALUE) {
    int64_t pts = frame.pts == AV_NOPTS_VALUE ? 0 : frame.pts;
    next_pts_ = av_rescale_q(pts, source_base_, encoder_->time_base);
  }
  int room = swr_get_out_samples(resampler_, frame.nb_samples);
  if (room <= 0) return;
  FramePtr out = make_frame();
  out->nb_samples = room;
  out->format = encoder_->sample_fmt;
  check_av(av_channel_layout_copy(&out->ch_layout, &encoder_->ch_layout), "no memory for sound");
  check_av(av_frame_get_buffer(out.get(), 0), "no memory for sound");
  int got = swr_convert(resampler_, out->extended_data, room,
                        const_cast<const uint8_t**>(frame.extended_data), frame.nb_samples);
  check_av(got, "converting the sound");
  check_av(av_audio_fifo_write(fifo_, reinterpret_cast<void**>(out->extended_data), got),
           "no memory for sound");
}

void AacEncoder::encode(bool flush) {
  while (av_audio_fifo_size(fifo_) >= encoder_->frame_size ||
         (flush && av_audio_fifo_size(fifo_) > 0)) {
    FramePtr in = make_frame();
    in->nb_samples = std::min(encoder_->frame_size, av_audio_fifo_size(fifo_));
    in->format = encoder_->sample_fmt;
    in->sample_rate = encoder_->sample_rate;
    check_av(av_channel_layout_copy(&in->ch_layout, &encoder_->ch_layout), "no memory for sound");
    check_av(av_frame_get_buffer(in.get(), 0), "no memory for sound");
    check_av(av_audio_fifo_read(fifo_, reinterpret_cast<void**>(in->extended_data), in->nb_samples),
             "encoding the sound");
    in->pts = next_pts_;
    next_pts_ += in->nb_samples;
    check_av(avcodec_send_frame(encoder_.get(), in.get()), "encoding the sound");
  }
  if (flush) avcodec_send_frame(encoder_.get(), nullptr);
  for (;;) {
    PacketPtr packet = make_packet();
    if (avcodec_receive_packet(encoder_.get(), packet.get()) < 0) return;
    out_.push_back(std::move(packet));
  }
}

void AacEncoder::push(const AVPacket* packet) {
  avcodec_send_packet(decoder_.get(), packet);  // a broken packet is skipped
  FramePtr frame = make_frame();
  while (avcodec_receive_frame(decoder_.get(), frame.get()) >= 0) take(*frame);
  encode(packet == nullptr);
}

PacketPtr AacEncoder::pull() {
  if (out_.empty()) return nullptr;
  PacketPtr packet = std::move(out_.front());
  out_.pop_front();
  return packet;
}

}  // namespace likeness::media
