// SPDX-License-Identifier: Apache-2.0
#include <deque>

#include "likeness/base/atomic_file.h"
#include "likeness/media/audio_copy.h"
#include "likeness/media/encoder.h"
#include "likeness/media/image_folder.h"
#include "likeness/media/picture.h"
#include "likeness/media/writer_options.h"

namespace fs = std::filesystem;

namespace likeness::media {
namespace {

class FrameSink {
 public:
  virtual ~FrameSink() = default;
  virtual void copy_audio_from(const fs::path& source, double start_s) = 0;
  virtual void write(const Frame& frame) = 0;
  virtual void finish() = 0;
  std::string encoder_name;
};

class ImageSink final : public FrameSink {
 public:
  ImageSink(const fs::path& path, const WriterOptions& options) : folder_(path, options.codec) {
    encoder_name = options.codec;
  }
  void copy_audio_from(const fs::path&, double) override {}  // images hold no sound
  void write(const Frame& frame) override { folder_.write(frame); }
  void finish() override { folder_.finish(); }

 private:
  ImageFolderWriter folder_;
};

class ContainerSink final : public FrameSink {
 public:
  ContainerSink(const fs::path& path, const VideoInfo& like, const WriterOptions& options)
      : path_(path), options_(options), codec_(software_encoder(options)), muxer_(path) {
    if (options.hardware)
      if (const AVCodec* hardware = working_hardware_encoder(options, like)) codec_ = hardware;
    encoder_name = codec_->name;
    check_output(path, options);
    setup_.frame_rate = av_rational(like.frame_rate);
    if (setup_.frame_rate.num <= 0 || setup_.frame_rate.den <= 0) setup_.frame_rate = {25, 1};
    setup_.time_base = av_rational(like.time_base);
    if (setup_.time_base.num <= 0 || setup_.time_base.den <= 0)
      setup_.time_base = av_inv_q(setup_.frame_rate);
    setup_.sample_aspect = av_rational(like.sample_aspect);
    setup_.global_header = muxer_.wants_global_header();
    color_ = like.color;
    variable_rate_ = like.variable_frame_rate;
  }

  void copy_audio_from(const fs::path& source, double start_s) override {
    LIKENESS_REQUIRE(!encoder_.context);
    audio_ = std::make_unique<AudioCopier>(source, start_s);
  }

  void write(const Frame& frame) override {
    LIKENESS_REQUIRE(!frame.empty());
    if (!encoder_.context) start(*frame.native(), frame.time.value());
    if (frame.width() != encoder_.context->width || frame.height() != encoder_.context->height)
      throw Error(ErrorCode::kUsage,
                  "frame " + std::to_string(frame.index) + " is " + std::to_string(frame.width()) +
                      "x" + std::to_string(frame.height()) + ", the video is " +
                      std::to_string(encoder_.context->width) + "x" +
                      std::to_string(encoder_.context->height),
                  "write pictures of one size into a video");
    FramePtr picture = for_encoder(*frame.native());
    AVRational base = av_rational(frame.time.time_base);
    int64_t pts = av_rescale_q(frame.time.ticks, base, setup_.time_base);
    if (last_pts_ != AV_NOPTS_VALUE && pts <= last_pts_) pts = last_pts_ + 1;
    int64_t duration = av_rescale_q(frame.duration_ticks, base, setup_.time_base);
    if (duration <= 0)
      duration =
          std::max<int64_t>(1, av_rescale_q(1, av_inv_q(setup_.frame_rate), setup_.time_base));
    last_pts_ = pts;
    end_s_ = static_cast<double>(pts + duration) * av_q2d(setup_.time_base);
    picture->pts = pts;
    picture->pkt_duration = duration;
    durations_.emplace_back(pts, duration);
    if (audio_) audio_->pump(muxer_, static_cast<double>(pts) * av_q2d(setup_.time_base));
    encode(picture.get());
  }

  void finish() override {
    if (!encoder_.context)
      throw Error(ErrorCode::kUsage, "no frame was written to " + path_.string(),
                  "check the input and its range");
    encode(nullptr);
    if (audio_) audio_->finish(muxer_, end_s_);
    muxer_.finish();
  }

 private:
  void start(const AVFrame& first, double first_s) {
    format_ = encoder_format(*codec_, options_, first);
    FramePtr picture = for_encoder(first);
    if (first.sample_aspect_ratio.num > 0) setup_.sample_aspect = first.sample_aspect_ratio;
    encoder_ = open_encoder(*codec_, options_, setup_, *picture, capture_);
    stream_ = muxer_.add_stream();
    check_av(avcodec_parameters_from_context(stream_->codecpar, encoder_.context.get()),
             "no memory for the output");
    if (codec_->id == AV_CODEC_ID_HEVC && muxer_.is_mov_family())
      stream_->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1');  // what Apple's players insist on
    stream_->time_base = setup_.time_base;
    // Matroska would state it as the duration of every frame.
    if (!variable_rate_) stream_->avg_frame_rate = setup_.frame_rate;
    stream_->sample_aspect_ratio = setup_.sample_aspect;
    if (audio_ && audio_->has_audio()) {
      audio_->add_stream(muxer_);
      // Frames that keep their source times need no shift; frames counted from 0 do.
      audio_->set_shift(std::max(0.0, audio_->start_s() - first_s));
    } else {
      audio_.reset();
    }
    muxer_.write_header(setup_.time_base.den);
  }

  /// The picture in the encoder's format, as a reference that may get its own times.
  FramePtr for_encoder(const AVFrame& frame) {
    FramePtr picture = frame.format == format_
                           ? reference(&frame)
                           : convert_picture(frame, format_, frame.width, frame.height, scaler_);
    if (picture->color_primaries == AVCOL_PRI_UNSPECIFIED)
      picture->color_primaries = static_cast<AVColorPrimaries>(color_.primaries);
    if (picture->color_trc == AVCOL_TRC_UNSPECIFIED)
      picture->color_trc = static_cast<AVColorTransferCharacteristic>(color_.transfer);
    // The encoder decides where key frames go.
    picture->pict_type = AV_PICTURE_TYPE_NONE;
    picture->key_frame = 0;
    return picture;
  }

  void encode(const AVFrame* picture) {
    int error = send_picture(encoder_, picture);
    if (error < 0) throw_av(error, std::string(codec_->name) + " failed (" + capture_.take() + ")");
    for (;;) {
      PacketPtr packet = make_packet();
      error = avcodec_receive_packet(encoder_.context.get(), packet.get());
      if (error == AVERROR(EAGAIN) || error == AVERROR_EOF) return;
      if (error < 0)
        throw_av(error, std::string(codec_->name) + " failed (" + capture_.take() + ")");
      for (auto it = durations_.begin(); it != durations_.end(); ++it)
        if (it->first == packet->pts) {
          packet->duration = it->second;
          durations_.erase(it);
          break;
        }
      muxer_.write(*packet, *stream_, setup_.time_base);
    }
  }

  fs::path path_;
  WriterOptions options_;
  const AVCodec* codec_;
  EncoderSetup setup_;
  ColorTags color_;
  bool variable_rate_ = false;
  LogCapture capture_;
  Muxer muxer_;
  std::unique_ptr<AudioCopier> audio_;
  Encoder encoder_;
  AVStream* stream_ = nullptr;
  AVPixelFormat format_ = AV_PIX_FMT_NONE;
  ScalerPtr scaler_;
  std::deque<std::pair<int64_t, int64_t>> durations_;  ///< of frames inside the encoder, by pts
  int64_t last_pts_ = AV_NOPTS_VALUE;
  double end_s_ = 0;
};

}  // namespace

void check_output(const fs::path& path, const WriterOptions& options) {
  if (options.codec == "png" || options.codec == "tiff") return;
  if (!Muxer::holds(path, software_encoder(options)->id))
    throw Error(ErrorCode::kUsage,
                path.extension().string() + " files cannot hold " + options.codec,
                options.codec == "ffv1" ? "name the output .mkv" : "name the output .mov or .mkv");
}

struct VideoWriter::Impl {
  std::unique_ptr<FrameSink> sink;
  bool finished = false;
};

VideoWriter::VideoWriter(const fs::path& path, const VideoInfo& like, const WriterOptions& options)
    : impl_(std::make_unique<Impl>()) {
  WriterOptions checked = options;
  validate_options(checked);
  if (options.codec == "png" || options.codec == "tiff")
    impl_->sink = std::make_unique<ImageSink>(path, checked);
  else
    impl_->sink = std::make_unique<ContainerSink>(path, like, checked);
}
VideoWriter::~VideoWriter() = default;
VideoWriter::VideoWriter(VideoWriter&&) noexcept = default;

void VideoWriter::copy_audio_from(const fs::path& source, double start_s) {
  impl_->sink->copy_audio_from(source, start_s);
}
void VideoWriter::write(const Frame& frame) {
  LIKENESS_REQUIRE(!impl_->finished);
  impl_->sink->write(frame);
}
void VideoWriter::finish() {
  LIKENESS_REQUIRE(!impl_->finished);
  impl_->sink->finish();
  impl_->finished = true;
}
const std::string& VideoWriter::encoder_name() const { return impl_->sink->encoder_name; }

}  // namespace likeness::media
