// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/audio_samples.h"

#include <algorithm>
#include <cmath>

#include "likeness/media/source.h"

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
}

namespace likeness::media {
namespace {

struct ResamplerFreer {
  void operator()(SwrContext* p) const { swr_free(&p); }
};
using ResamplerPtr = std::unique_ptr<SwrContext, ResamplerFreer>;

ResamplerPtr make_resampler(const AVFrame& frame, int rate_hz) {
  AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO, from{};
  av_channel_layout_copy(&from, &frame.ch_layout);
  if (from.order == AV_CHANNEL_ORDER_UNSPEC)
    av_channel_layout_default(&from, std::max(1, frame.ch_layout.nb_channels));
  SwrContext* made = nullptr;
  const int result =
      swr_alloc_set_opts2(&made, &mono, AV_SAMPLE_FMT_FLT, rate_hz, &from,
                          static_cast<AVSampleFormat>(frame.format), frame.sample_rate, 0, nullptr);
  ResamplerPtr out(made);
  av_channel_layout_uninit(&from);
  check_av(result, "cannot convert the sound");
  check_av(swr_init(out.get()), "cannot convert the sound");
  return out;
}

class Mixer {
 public:
  Mixer(int rate_hz, double max_s)
      : rate_hz_(rate_hz), limit_(static_cast<size_t>(max_s * rate_hz)) {}

  /// `time_s` of the frame's first sample; NaN when unknown.
  void add(const AVFrame& frame, double time_s) {
    if (frame.sample_rate <= 0 || frame.nb_samples <= 0) return;
    if (resampler_ && (frame.sample_rate != from_rate_ || frame.format != format_ ||
                       frame.ch_layout.nb_channels != channels_)) {
      drain();
      resampler_.reset();
    }
    if (!resampler_) {
      resampler_ = make_resampler(frame, rate_hz_);
      from_rate_ = frame.sample_rate;
      format_ = frame.format;
      channels_ = frame.ch_layout.nb_channels;
    }
    if (samples.empty() && !begun_ && std::isfinite(time_s)) begin(time_s);
    begun_ = true;
    convert(const_cast<const uint8_t**>(frame.extended_data), frame.nb_samples);
  }
  void drain() {
    if (resampler_) convert(nullptr, 0);
  }
  bool full() const { return samples.size() >= limit_; }
  std::vector<float> samples;

 private:
  void begin(double time_s) {
    const double n = std::clamp(time_s, -3600.0, 3600.0) * rate_hz_;
    if (n > 0)
      samples.assign(std::min(static_cast<size_t>(n), limit_), 0.f);
    else
      cut_ = static_cast<size_t>(-n);
  }
  void convert(const uint8_t** data, int count) {
    const int room = swr_get_out_samples(resampler_.get(), count);
    if (room <= 0) return;
    std::vector<float> out(static_cast<size_t>(room));
    auto* to = reinterpret_cast<uint8_t*>(out.data());
    const int n = swr_convert(resampler_.get(), &to, room, data, count);
    if (n <= 0) return;
    const size_t skip = std::min(cut_, static_cast<size_t>(n));
    cut_ -= skip;
    samples.insert(samples.end(), out.begin() + static_cast<long>(skip), out.begin() + n);
    if (samples.size() > limit_) samples.resize(limit_);
  }

  int rate_hz_;
  size_t limit_, cut_ = 0;
  bool begun_ = false;
  ResamplerPtr resampler_;
  int from_rate_ = 0, format_ = 0, channels_ = 0;
};

}  // namespace

std::vector<float> read_mono(const std::filesystem::path& path, int rate_hz, double max_s) {
  LogCapture capture;
  Container container = open_container(path, capture);
  if (container.audio < 0) return {};
  const AVStream& stream = *container.format->streams[container.audio];
  CodecPtr decoder = open_decoder(stream, 1, capture);
  const double tick = av_q2d(stream.time_base);
  const double origin = container.video < 0 ? 0
                                            : static_cast<double>(container.origin) *
                                                  av_q2d(container.video_stream()->time_base);
  Mixer mixer(rate_hz, max_s);
  PacketPtr packet = make_packet();
  FramePtr frame = make_frame();
  auto receive = [&] {
    while (!mixer.full() && avcodec_receive_frame(decoder.get(), frame.get()) >= 0) {
      const int64_t at = frame->best_effort_timestamp;
      mixer.add(*frame, at == AV_NOPTS_VALUE ? NAN : static_cast<double>(at) * tick - origin);
      av_frame_unref(frame.get());
    }
  };
  while (!mixer.full() && av_read_frame(container.format.get(), packet.get()) >= 0) {
    if (packet->stream_index == container.audio &&
        avcodec_send_packet(decoder.get(), packet.get()) >= 0)
      receive();
    av_packet_unref(packet.get());
  }
  if (!mixer.full() && avcodec_send_packet(decoder.get(), nullptr) >= 0) receive();
  mixer.drain();
  return std::move(mixer.samples);
}

}  // namespace likeness::media
