// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/audio_file.h"

#include <algorithm>
#include <cmath>

#include "likeness/base/atomic_file.h"
#include "likeness/media/decoder.h"
#include "likeness/media/source.h"

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
}

namespace likeness::media {
namespace fs = std::filesystem;
namespace {

struct ResamplerFreer {
  void operator()(SwrContext* p) const { swr_free(&p); }
};
using ResamplerPtr = std::unique_ptr<SwrContext, ResamplerFreer>;

Container open_sound(const fs::path& path, LogCapture& capture) {
  std::error_code ec;
  if (!fs::exists(path, ec))
    throw Error(ErrorCode::kNotFound, path.string() + " does not exist", "check the path");
  if (!fs::is_regular_file(path, ec) || fs::file_size(path, ec) == 0)
    throw Error(ErrorCode::kBadInput, path.string() + " is empty or not a file",
                "name a recording (wav, flac, mp3, m4a, or a video with sound)");
  Container c = open_container(path, capture);
  if (c.audio < 0)
    throw Error(ErrorCode::kBadInput, path.string() + " has no sound",
                "name a recording (wav, flac, mp3, m4a, or a video with sound)");
  const AVCodecParameters& p = *c.format->streams[c.audio]->codecpar;
  if (p.sample_rate < 1000 || p.sample_rate > 384000 || p.ch_layout.nb_channels < 1 ||
      p.ch_layout.nb_channels > 64)
    throw Error(ErrorCode::kBadInput, path.string() + " states an impossible rate or channels",
                "the file is damaged; export it again");
  return c;
}

/// Everything to interleaved float, in the rate and channels of the stream's header.
class Collector {
 public:
  Collector(const AVCodecParameters& p, AudioClip& clip, double max_s)
      : clip_(clip),
        limit_(static_cast<size_t>(max_s * p.sample_rate) *
               static_cast<size_t>(p.ch_layout.nb_channels)) {
    clip.rate_hz = p.sample_rate;
    clip.channels = p.ch_layout.nb_channels;
  }
  bool full() const { return clip_.samples.size() >= limit_; }
  void add(const AVFrame& f) {
    if (f.nb_samples <= 0 || f.sample_rate <= 0 || f.ch_layout.nb_channels <= 0) return;
    if (!swr_ || f.format != format_ || f.sample_rate != rate_ ||
        f.ch_layout.nb_channels != channels_) {
      drain();
      open(f);
    }
    convert(const_cast<const uint8_t**>(f.extended_data), f.nb_samples);
  }
  void drain() {
    if (swr_) convert(nullptr, 0);
  }

 private:
  void open(const AVFrame& f) {
    AVChannelLayout from{}, to{};
    av_channel_layout_copy(&from, &f.ch_layout);
    if (from.order == AV_CHANNEL_ORDER_UNSPEC)
      av_channel_layout_default(&from, f.ch_layout.nb_channels);
    if (f.ch_layout.nb_channels == clip_.channels)
      av_channel_layout_copy(&to, &from);
    else
      av_channel_layout_default(&to, clip_.channels);
    SwrContext* made = nullptr;
    const int result =
        swr_alloc_set_opts2(&made, &to, AV_SAMPLE_FMT_FLT, clip_.rate_hz, &from,
                            static_cast<AVSampleFormat>(f.format), f.sample_rate, 0, nullptr);
    swr_.reset(made);
    av_channel_layout_uninit(&from);
    av_channel_layout_uninit(&to);
    check_av(result, "cannot convert the sound");
    check_av(swr_init(swr_.get()), "cannot convert the sound");
    format_ = f.format, rate_ = f.sample_rate, channels_ = f.ch_layout.nb_channels;
  }
  void convert(const uint8_t** data, int count) {
    const int room = swr_get_out_samples(swr_.get(), count);
    if (room <= 0) return;
    const auto channels = static_cast<size_t>(clip_.channels);
    std::vector<float> out(static_cast<size_t>(room) * channels);
    auto* to = reinterpret_cast<uint8_t*>(out.data());
    const int n = swr_convert(swr_.get(), &to, room, data, count);
    if (n <= 0) return;
    clip_.samples.insert(clip_.samples.end(), out.begin(),
                         out.begin() + static_cast<long>(static_cast<size_t>(n) * channels));
    if (clip_.samples.size() > limit_) clip_.samples.resize(limit_);
  }

  AudioClip& clip_;
  size_t limit_;
  ResamplerPtr swr_;
  int format_ = 0, rate_ = 0, channels_ = 0;
};

/// A file being decoded; what is decoded gathers in `clip`.
struct Decoding {
  Decoding(const fs::path& path, double max_s)
      : name(path.string()),
        container(open_sound(path, capture)),
        stream(*container.format->streams[container.audio]),
        decoder(open_decoder(stream, 1, capture)),
        collector(*stream.codecpar, clip, max_s) {}

  /// Decodes the next packet into `clip`. False at the end.
  bool step() {
    if (ended) return false;
    if (av_read_frame(container.format.get(), packet.get()) < 0) {
      ended = true;
      if (avcodec_send_packet(decoder.get(), nullptr) >= 0) receive();
      collector.drain();
      return false;
    }
    if (packet->stream_index == container.audio) {
      if (avcodec_send_packet(decoder.get(), packet.get()) < 0) broken();
      receive();
    }
    av_packet_unref(packet.get());
    return true;
  }
  void receive() {
    for (;;) {
      const int result = avcodec_receive_frame(decoder.get(), frame.get());
      if (result < 0) {
        if (result != AVERROR(EAGAIN) && result != AVERROR_EOF) broken();
        return;
      }
      if (!collector.full()) collector.add(*frame);
      av_frame_unref(frame.get());
    }
  }
  void broken() {
    const std::string said = capture.take();
    if (damage.size() < kMostDamage)
      damage.push_back({before_s + clip.duration_s(), 0, said.empty() ? "broken sound" : said});
  }
  [[noreturn]] void nothing() const {
    throw Error(ErrorCode::kDamaged,
                name + ": no sound can be decoded" +
                    (damage.empty() ? "" : " (" + damage.front().what + ")"),
                "export it again from the program that made it");
  }

  static constexpr size_t kMostDamage = 100;
  std::string name;
  LogCapture capture;
  Container container;
  const AVStream& stream;
  CodecPtr decoder;
  AudioClip clip;
  Collector collector;
  double before_s = 0;  ///< what was handed out already
  bool ended = false, any = false;
  std::vector<Damage> damage;
  PacketPtr packet = make_packet();
  FramePtr frame = make_frame();
};

}  // namespace

AudioInfo probe_audio(const fs::path& path) {
  LogCapture capture;
  const Container c = open_sound(path, capture);
  const AVStream& s = *c.format->streams[c.audio];
  AudioInfo out;
  out.path = path;
  out.codec = avcodec_get_name(s.codecpar->codec_id);
  out.container = c.format->iformat->name;
  out.rate_hz = s.codecpar->sample_rate;
  out.channels = s.codecpar->ch_layout.nb_channels;
  if (s.duration != AV_NOPTS_VALUE)
    out.duration_s = static_cast<double>(s.duration) * av_q2d(s.time_base);
  else if (c.format->duration != AV_NOPTS_VALUE)
    out.duration_s = static_cast<double>(c.format->duration) / AV_TIME_BASE;
  return out;
}

struct AudioStream::Impl : Decoding {
  using Decoding::Decoding;
};

AudioStream::AudioStream(const fs::path& path) : impl_(new Impl(path, 1e6)) {}
AudioStream::~AudioStream() = default;
AudioStream::AudioStream(AudioStream&&) noexcept = default;
int AudioStream::rate_hz() const { return impl_->clip.rate_hz; }
int AudioStream::channels() const { return impl_->clip.channels; }
const std::vector<Damage>& AudioStream::damage() const { return impl_->damage; }

bool AudioStream::read(AudioClip& clip, double least_s) {
  AudioClip& mine = impl_->clip;
  LIKENESS_REQUIRE(clip.samples.empty() ||
                   (clip.rate_hz == mine.rate_hz && clip.channels == mine.channels));
  while (mine.duration_s() < least_s && impl_->step()) {
  }
  clip.rate_hz = mine.rate_hz, clip.channels = mine.channels;
  if (mine.samples.empty() && !impl_->any) impl_->nothing();
  if (mine.samples.empty()) return false;
  for (const float v : mine.samples) clip.samples.push_back(std::isfinite(v) ? v : 0.f);
  impl_->any = true;
  impl_->before_s += mine.duration_s();
  mine.samples.clear();
  return true;
}

DecodedAudio read_audio(const fs::path& path, double max_s) {
  Decoding stream(path, max_s);
  while (!stream.collector.full() && stream.step()) {
  }
  if (stream.clip.samples.empty()) stream.nothing();
  const bool cut = stream.collector.full();
  DecodedAudio out{std::move(stream.clip), cut, std::move(stream.damage)};
  for (float& v : out.clip.samples)
    if (!std::isfinite(v)) v = 0;
  return out;
}

std::vector<uint8_t> pcm16_bytes(std::span<const float> samples) {
  std::vector<uint8_t> out;
  out.reserve(samples.size() * 2);
  for (const float v : samples) {
    const auto word = static_cast<uint16_t>(
        static_cast<int16_t>(std::lround(std::clamp(v, -1.0f, 32767.0f / 32768.0f) * 32768.0f)));
    out.push_back(static_cast<uint8_t>(word & 0xff));
    out.push_back(static_cast<uint8_t>(word >> 8));
  }
  return out;
}
std::vector<float> pcm16_samples(std::span<const uint8_t> bytes) {
  std::vector<float> out(bytes.size() / 2);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto word = static_cast<uint16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8);
    out[i] = static_cast<float>(static_cast<int16_t>(word)) / 32768.0f;
  }
  return out;
}

namespace {

std::string wav_header(const AudioClip& clip) {
  if (clip.channels < 1 || clip.channels > 2 || clip.rate_hz < 1000 ||
      clip.samples.size() % static_cast<size_t>(clip.channels) != 0)
    throw Error(ErrorCode::kInternal, "the sound has no proper rate or channels", "");
  constexpr uint64_t kMostBytes = 0xfffffff0u;
  const uint64_t bytes = clip.samples.size() * 2;
  if (bytes + 36 > kMostBytes)
    throw Error(ErrorCode::kUnsupported, "the sound is too long for a WAV file (4 GB)",
                "divide it into parts");
  std::string out;
  const auto number = [&](uint64_t v, int size) {
    for (int i = 0; i < size; ++i) out += static_cast<char>(v >> (8 * i));
  };
  const auto channels = static_cast<uint64_t>(clip.channels),
             rate = static_cast<uint64_t>(clip.rate_hz);
  out += "RIFF", number(36 + bytes, 4), out += "WAVE";
  out += "fmt ", number(16, 4), number(1, 2), number(channels, 2), number(rate, 4);
  number(rate * channels * 2, 4), number(channels * 2, 2), number(16, 2);
  out += "data", number(bytes, 4);
  return out;
}

}  // namespace

std::string wav_bytes(const AudioClip& clip) {
  const auto samples = pcm16_bytes(clip.samples);
  return wav_header(clip).append(samples.begin(), samples.end());
}

void write_wav(const fs::path& path, const AudioClip& clip) {
  if (path.extension() != ".wav" && path.extension() != ".WAV")
    throw Error(ErrorCode::kUsage, "cannot write " + path.string() + ": sound is written as .wav",
                "name the output .wav");
  const std::string header = wav_header(clip);
  AtomicFile file(path);
  file.write(header.data(), header.size());
  constexpr size_t kPart = 65536;  // not all of it twice in memory
  for (size_t i = 0; i < clip.samples.size(); i += kPart) {
    const auto part =
        pcm16_bytes(std::span(clip.samples).subspan(i, std::min(kPart, clip.samples.size() - i)));
    file.write(part.data(), part.size());
  }
  file.commit();
}

}  // namespace likeness::media
