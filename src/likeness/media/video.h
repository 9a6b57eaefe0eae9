// SPDX-License-Identifier: Apache-2.0
// Video in and out. FFmpeg lives behind this header only.
//
// Rules of the module: frames come upright (rotation applied), progressive (interlaced input is
// deinterlaced) and in presentation order; width and height are those of the upright frame. Frames
// keep their native planes (8 or 10+ bit, 4:2:0 .. 4:4:4 or RGB) and colour tags. Memory use does
// not depend on the length of the input. Everything throws likeness::Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "likeness/base/image.h"
#include "likeness/base/time.h"

struct AVFrame;

namespace likeness::media {

/// ITU-T H.273 code points; 2 = unspecified. range: 0 unspecified, 1 limited, 2 full.
struct ColorTags {
  int primaries = 2, transfer = 2, matrix = 2, range = 0;
  bool operator==(const ColorTags&) const = default;
};

struct VideoInfo {
  std::filesystem::path path;
  int width = 0, height = 0;  ///< upright
  Rational frame_rate;        ///< average
  Rational time_base;
  bool variable_frame_rate = false;
  int64_t frame_count = 0;  ///< estimate from the container; exact after index() or a full read
  double duration_s = 0;
  int bit_depth = 8;
  Rational sample_aspect{1, 1};  ///< shape of a pixel, width : height; upright
  std::string codec, pixel_format, container;
  ColorTags color;
  int rotation_deg = 0;  ///< that was in the file and is applied
  bool interlaced = false;
  bool is_still = false;           ///< a single image
  bool is_image_sequence = false;  ///< a folder or pattern of images
  bool has_audio = false;
  std::string audio_codec;
  int audio_rate_hz = 0, audio_channels = 0;
  double audio_duration_s = 0;
};

/// Where and why decoding could not go on (or skipped something).
struct Damage {
  double time_s = 0;
  FrameIndex frame = 0;
  std::string what;
};

/// Samples of one plane: `width` x `height` of 8 bit (bytes 1) or of `depth` bit in 16 (bytes 2).
/// Belongs to the frame it came from.
struct PlaneView {
  uint8_t* data = nullptr;
  std::ptrdiff_t stride_bytes = 0;
  int width = 0, height = 0;
  int depth = 8, bytes = 1;
};

/// One picture with its native planes. Copies share pixels; write access clones them first.
class Frame {
 public:
  Frame() = default;
  FrameIndex index = 0;
  Seconds time;                ///< presentation time from the start of the stream
  int64_t duration_ticks = 0;  ///< in time.time_base
  int width() const;
  int height() const;
  int bit_depth() const;
  ColorTags color() const;
  bool empty() const { return !native_; }

  /// Region as RGB float in [0,1] (values outside may occur and are kept). Chroma is upsampled
  /// bilinearly at its sited position. The whole frame without arguments.
  ImageF rgb_float(Rect region) const;
  ImageF rgb_float() const;
  Image8 rgb8() const;
  /// Whole frame scaled so that the longer side is at most `longest_px`; for detectors and
  /// previews.
  Image8 rgb8_scaled(int longest_px) const;

  /// Replaces pixels: out = this + alpha * (rgb - this), for region.width() x region.height()
  /// images. Samples whose pixels all have alpha 0 keep their exact native value; so does every
  /// sample when rgb equals what rgb_float(region) gave. Rounds at the native bit depth.
  void blend_rgb(Rect region, const ImageF& rgb, const ImageF& alpha);

  /// The planes that carry luma: Y, or R, G and B of an RGB picture. For reading; writable_luma()
  /// clones shared pixels first, so that copies of the frame keep theirs. Chroma is not in it.
  std::vector<PlaneView> luma() const;
  std::vector<PlaneView> writable_luma();

  /// Writes R,G,B of the frame made from pixels (used by tests, demo, previews). 8-bit yuv444p
  /// BT.709 limited unless told otherwise.
  static Frame from_rgb8(const Image8& image, FrameIndex index, Rational frame_rate);

  AVFrame* native() const { return native_.get(); }  ///< for `media` only
  void set_native(std::shared_ptr<AVFrame> native) { native_ = std::move(native); }

 private:
  void unshare();
  std::shared_ptr<AVFrame> native_;
};

/// Looks at a file, a folder of images, a printf pattern (frame%05d.png) or a still. Throws
/// kNotFound, kBadInput (not a video, no video stream, 0 bytes, zero size, larger than 16384 px a
/// side).
VideoInfo probe(const std::filesystem::path& path);

struct ReaderOptions {
  int threads = 0;  ///< decoder threads; 0 = thread_count()
  bool deinterlace = true;
};

class VideoReader {
 public:
  explicit VideoReader(const std::filesystem::path& path, const ReaderOptions& options = {});
  ~VideoReader();
  VideoReader(VideoReader&&) noexcept;
  const VideoInfo& info() const;
  /// The next frame, or nothing at the end (see damage()).
  std::optional<Frame> next();
  /// The next call of next() gives exactly frame `index`. Frame-accurate: builds an index on first
  /// use.
  void seek(FrameIndex index);
  /// Number of frames, exact; scans the packets once (no decoding).
  int64_t count_frames();
  /// What was broken so far. Reading goes on after damage where FFmpeg can resynchronise.
  const std::vector<Damage>& damage() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct WriterOptions {
  std::string codec = "h264";     ///< h264, h265, prores, ffv1, png, tiff
  int crf = 16;                   ///< quality for h264 / h265; lower is better, 0..51
  std::string preset = "faster";  ///< x264 / x265 speed preset
  bool hardware = false;          ///< use a hardware encoder when one works, else the software one
  int bit_depth = 0;              ///< 0 = as the source (where the codec can)
  /// source, 420, 422, 444. `source` keeps what the frames have; RGB becomes 420 in h264 / h265.
  /// Many players open only 420: set it for files made from Frame::from_rgb8 (which are 444).
  std::string chroma = "source";
  int threads = 0;
  std::string profile;  ///< ProRes: proxy, lt, standard, hq (default), 4444
};
template <typename V>
void visit(WriterOptions& o, V&& f);  // defined in writer_options.h

/// Writes under a temporary name; the file appears on finish(). Container from the extension (mp4,
/// m4v, mov, mkv, nut); `png`/`tiff` write a folder of 8/16-bit images named 00000000.png. Colour
/// tags, frame times and bit depth follow the frames. Times are exact in mp4, mov and nut; mkv
/// counts milliseconds and, with AAC from an mp4, moves everything by the encoder's delay (about 20
/// ms), in sync. ffv1 goes into mkv and nut, prores into mov, mkv and nut. Throws kUsage, kIo,
/// kNoSpace, kUnsupported.
class VideoWriter {
 public:
  /// `like` gives size, frame rate, time base and colour tags.
  VideoWriter(const std::filesystem::path& path, const VideoInfo& like,
              const WriterOptions& options);
  ~VideoWriter();  ///< without finish() the temporary file is removed
  VideoWriter(VideoWriter&&) noexcept;
  /// Packets of the first audio stream of `source` are copied untouched, in sync, while frames come
  /// (from source time `start_s` on). Call before the first write. Audio the container cannot hold
  /// is encoded as AAC and said in the log.
  void copy_audio_from(const std::filesystem::path& source, double start_s = 0);
  void write(const Frame& frame);
  void finish();
  const std::string& encoder_name() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Joins files that a VideoWriter wrote with the same options, without re-encoding; audio copied
/// from `audio_source` when not empty. Frame times go on from one part to the next. `tags`: words
/// for the container's metadata; folders of images hold none.
void concatenate(const std::vector<std::filesystem::path>& parts, const std::filesystem::path& out,
                 const std::filesystem::path& audio_source = {},
                 const std::map<std::string, std::string>& tags = {});
/// As concatenate(), but the first frame is shown at 0 and the sound begins with it, to within one
/// packet of the sound: for a piece out of the middle of a film.
void concatenate_from_zero(const std::vector<std::filesystem::path>& parts,
                           const std::filesystem::path& out,
                           const std::filesystem::path& audio_source = {},
                           const std::map<std::string, std::string>& tags = {});

/// Stills through OpenCV or FFmpeg; EXIF orientation applied. Throws as probe().
Image8 read_image(const std::filesystem::path& path);
/// PNG or JPEG by extension; atomic.
void write_image(const std::filesystem::path& path, const Image8& image);
void write_image16(const std::filesystem::path& path, const ImageF& image);  ///< 16-bit PNG or TIFF
std::string encode_jpeg(const Image8& image, int quality);
std::string encode_png(const Image8& image);
Image8 decode_image(const void* data, size_t size);  ///< JPEG or PNG, as RGB; throws kDamaged
/// Files under a folder that probe() may read (by extension), sorted by name.
std::vector<std::filesystem::path> list_media(const std::filesystem::path& folder);
bool is_image_path(const std::filesystem::path& path);

}  // namespace likeness::media
