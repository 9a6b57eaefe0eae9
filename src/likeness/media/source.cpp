// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/source.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace fs = std::filesystem;

namespace likeness::media {
namespace {

/// "frame%05d.png" -> the text before and after the number.
bool split_pattern(const std::string& name, std::string& before, std::string& after) {
  size_t percent = name.find('%');
  if (percent == std::string::npos) return false;
  size_t i = percent + 1;
  while (i < name.size() && name[i] >= '0' && name[i] <= '9') ++i;
  if (i >= name.size() || name[i] != 'd') return false;
  before = name.substr(0, percent);
  after = name.substr(i + 1);
  return true;
}

std::vector<fs::path> files_of_pattern(const fs::path& path, const std::string& before,
                                       const std::string& after) {
  std::vector<std::pair<int64_t, fs::path>> found;
  fs::path folder = path.parent_path().empty() ? fs::path(".") : path.parent_path();
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    std::string name = entry.path().filename().string();
    if (name.size() <= before.size() + after.size() || !name.starts_with(before) ||
        !name.ends_with(after))
      continue;
    const char* begin = name.data() + before.size();
    const char* end = name.data() + name.size() - after.size();
    int64_t number = 0;
    auto [stop, error] = std::from_chars(begin, end, number);
    if (error == std::errc{} && stop == end && number >= 0)
      found.emplace_back(number, path.parent_path() / name);
  }
  std::sort(found.begin(), found.end());
  std::vector<fs::path> files;
  for (auto& [number, file] : found) files.push_back(std::move(file));
  return files;
}

std::vector<fs::path> images_of_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec))
    if (is_image_path(entry.path()) && entry.is_regular_file(ec) &&
        !entry.path().filename().string().starts_with("."))
      files.push_back(entry.path());
  if (ec)
    throw Error(ErrorCode::kIo, "cannot read folder " + folder.string(), "check its permissions");
  std::sort(files.begin(), files.end());
  return files;
}

/// Playlists and the like open other files that a hostile input could choose.
bool is_playlist(const AVInputFormat& format) {
  std::string name = std::string(",") + format.name + ",";
  for (const char* bad :
       {",hls,", ",applehttp,", ",concat,", ",dash,", ",tty,", ",ffmetadata,", ",imf,", ",sdp,"})
    if (name.find(bad) != std::string::npos) return true;
  return false;
}

/// ISO 14496-12: a file of boxes starts with the size and type of one of these.
bool starts_as_mp4(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  char head[8] = {};
  in.read(head, sizeof head);
  std::string type(head + 4, 4);
  return type == "ftyp" || type == "mdat" || type == "moov" || type == "free" || type == "wide" ||
         type == "skip";
}

/// Demuxers and decoders also say these when they meet nonsense in a file.
int of_contents(int error) {
  for (int code : {AVERROR(EINVAL), AVERROR(ERANGE), AVERROR(EDOM), AVERROR(EPIPE), AVERROR_BUG,
                   AVERROR_BUG2, AVERROR_UNKNOWN, AVERROR_STREAM_NOT_FOUND})
    if (error == code) return AVERROR_INVALIDDATA;
  return error;
}

[[noreturn]] void throw_not_a_video(const fs::path& path, int error, const std::string& said) {
  error = of_contents(error);
  if (said.find("moov atom not found") != std::string::npos && starts_as_mp4(path))
    throw Error(
        ErrorCode::kDamaged,
        path.string() + " ends before its index (moov atom not found): nothing of it can be read",
        "copy the file again, or recover it from the camera");
  throw_av(error,
           "cannot read " + path.string() + " as video or image" +
               (said.empty() ? "" : " (" + said + ")"),
           error == AVERROR_INVALIDDATA ? "check that the file is a video or image and is complete"
                                        : "");
}

bool variable_rate(const AVStream& stream) {
  // The containers with a sample table (mp4, mov) tell exactly.
  int entries = avformat_index_get_entries_count(&stream);
  if (stream.nb_frames > 2 && entries == stream.nb_frames) {
    int64_t low = INT64_MAX, high = 0, last = AV_NOPTS_VALUE;
    for (int i = 0; i < entries - 1; ++i) {  // the last duration is often odd
      const AVIndexEntry* entry = avformat_index_get_entry(const_cast<AVStream*>(&stream), i);
      if (last != AV_NOPTS_VALUE) {
        low = std::min(low, entry->timestamp - last);
        high = std::max(high, entry->timestamp - last);
      }
      last = entry->timestamp;
    }
    return high - low > std::max<int64_t>(1, high / 50);
  }
  double base = av_q2d(stream.r_frame_rate), average = av_q2d(stream.avg_frame_rate);
  return base > 0 && average > 0 && std::fabs(base / average - 1) > 0.02;
}

int64_t find_origin(const AVFormatContext& format, int video) {
  const AVStream& stream = *format.streams[video];
  int64_t own = stream.start_time != AV_NOPTS_VALUE ? stream.start_time : 0;
  if (format.start_time == AV_NOPTS_VALUE) return own;
  // start_time of the container is in microseconds: within rounding of the video's start, take
  // that.
  int64_t earliest = av_rescale_q(format.start_time, AV_TIME_BASE_Q, stream.time_base);
  int64_t rounding = std::max<int64_t>(1, av_rescale_q(2, AV_TIME_BASE_Q, stream.time_base));
  return stream.start_time == AV_NOPTS_VALUE || own - earliest > rounding ? earliest : own;
}

}  // namespace

SourceKind classify_source(const fs::path& path, ImageList& images) {
  std::error_code ec;
  fs::file_status status = fs::status(path, ec);
  if (!fs::exists(status)) {
    std::string before, after;
    if (split_pattern(path.filename().string(), before, after)) {
      images.files = files_of_pattern(path, before, after);
      if (!images.files.empty()) return SourceKind::kImages;
      throw Error(ErrorCode::kNotFound, "no image matches " + path.string(),
                  "check the pattern and the folder");
    }
    throw Error(ErrorCode::kNotFound, path.string() + " does not exist", "check the path");
  }
  if (fs::is_directory(status)) {
    images.files = images_of_folder(path);
    if (images.files.empty())
      throw Error(ErrorCode::kBadInput, "folder " + path.string() + " holds no images",
                  "name a video file or a folder of images (png, jpg, tiff, ...)");
    return SourceKind::kImages;
  }
  if (!fs::is_regular_file(status))
    throw Error(ErrorCode::kBadInput, path.string() + " is not a regular file",
                "name a video file");
  if (fs::file_size(path, ec) == 0 || ec)
    throw Error(ErrorCode::kBadInput, path.string() + " is empty (0 bytes)", "copy the file again");
  if (is_image_path(path)) {
    images.files = {path};
    return SourceKind::kImages;
  }
  return SourceKind::kContainer;
}

namespace {

/// Which demuxer fits the content; decided before it runs, so that a playlist opens nothing.
const AVInputFormat* find_demuxer(const fs::path& path) {
  std::string url = file_url(path);
  AVIOContext* io = nullptr;
  int error = avio_open(&io, url.c_str(), AVIO_FLAG_READ);
  if (error < 0) throw_av(error, "cannot open " + path.string());
  const AVInputFormat* format = nullptr;
  error = av_probe_input_buffer2(io, &format, url.c_str(), nullptr, 0, 0);
  avio_closep(&io);
  if (error < 0 || !format) throw_not_a_video(path, error < 0 ? error : AVERROR_INVALIDDATA, "");
  if (is_playlist(*format))
    throw Error(ErrorCode::kUnsupported, path.string() + " is a playlist or text, not a video file",
                "name the video file itself");
  return format;
}

}  // namespace

Container open_container(const fs::path& path, LogCapture& capture) {
  const AVInputFormat* demuxer = find_demuxer(path);
  Container c;
  AVFormatContext* format = avformat_alloc_context();
  if (!format) throw_av(AVERROR(ENOMEM), "no memory to open " + path.string());
  format->opaque = &capture;
  AVDictionary* options = nullptr;
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  av_dict_set(&options, "pattern_type", "none", 0);  // for stills: a % in the name is just that
  int error = avformat_open_input(&format, file_url(path).c_str(), demuxer, &options);
  av_dict_free(&options);
  if (error < 0) throw_not_a_video(path, error, capture.take());
  c.format.reset(format);
  error = avformat_find_stream_info(format, nullptr);
  if (error < 0) throw_not_a_video(path, error, capture.take());
  for (unsigned i = 0; i < format->nb_streams; ++i) {
    AVStream& stream = *format->streams[i];
    bool cover = stream.disposition & AV_DISPOSITION_ATTACHED_PIC;
    if (stream.codecpar->codec_type == AVMEDIA_TYPE_VIDEO && !cover) {
      bool wanted =
          c.video < 0 || ((stream.disposition & AV_DISPOSITION_DEFAULT) &&
                          !(format->streams[c.video]->disposition & AV_DISPOSITION_DEFAULT));
      if (wanted) c.video = static_cast<int>(i);
    }
    if (stream.codecpar->codec_type == AVMEDIA_TYPE_AUDIO && c.audio < 0)
      c.audio = static_cast<int>(i);
  }
  if (c.video >= 0) c.origin = find_origin(*format, c.video);
  return c;
}

Container open_video(const fs::path& path, LogCapture& capture) {
  Container c = open_container(path, capture);
  if (c.video < 0)
    throw Error(ErrorCode::kBadInput,
                path.string() +
                    (c.audio >= 0 ? " holds sound but no video stream" : " holds no video stream"),
                "name a file with pictures");
  const AVCodecParameters& p = *c.video_stream()->codecpar;
  if (p.width <= 0 || p.height <= 0)
    throw Error(ErrorCode::kBadInput,
                path.string() + " has no readable picture size (" + capture.take() + ")",
                "check that the file is complete");
  if (p.width > kMaxSidePx || p.height > kMaxSidePx)
    throw Error(ErrorCode::kBadInput,
                path.string() + " is " + std::to_string(p.width) + "x" + std::to_string(p.height) +
                    ", more than 16384 pixels a side",
                "scale it down first");
  return c;
}

Orientation stream_orientation(const AVStream& stream) {
  size_t size = 0;
  const uint8_t* data = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (!data || size < 9 * sizeof(int32_t)) return {};
  return orientation_from_matrix(reinterpret_cast<const int32_t*>(data));
}

ColorTags stream_color(const AVCodecParameters& p) {
  return {p.color_primaries, p.color_trc, p.color_space, p.color_range};
}

VideoInfo container_info(const Container& c, const fs::path& path) {
  const AVStream& stream = *c.video_stream();
  const AVCodecParameters& p = *stream.codecpar;
  Orientation orientation = stream_orientation(stream);
  VideoInfo info;
  info.path = path;
  info.width = orientation.transpose ? p.height : p.width;
  info.height = orientation.transpose ? p.width : p.height;
  info.rotation_deg = orientation.rotation_deg;
  AVRational rate = stream.avg_frame_rate.num > 0 ? stream.avg_frame_rate : stream.r_frame_rate;
  info.frame_rate = rate.num > 0 && rate.den > 0 ? rational(rate) : Rational{25, 1};
  info.time_base = rational(stream.time_base);
  info.variable_frame_rate = variable_rate(stream);
  if (stream.duration > 0)
    info.duration_s = static_cast<double>(stream.duration) * av_q2d(stream.time_base);
  else if (c.format->duration > 0)
    info.duration_s = static_cast<double>(c.format->duration) / AV_TIME_BASE;
  info.frame_count =
      stream.nb_frames > 0
          ? stream.nb_frames
          : static_cast<int64_t>(std::llround(info.duration_s * info.frame_rate.value()));
  if (const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(p.format))) {
    info.pixel_format = d->name;
    info.bit_depth = d->flags & AV_PIX_FMT_FLAG_PAL ? 8 : std::max(8, d->comp[0].depth);
  }
  AVRational aspect =
      p.sample_aspect_ratio.num > 0 ? p.sample_aspect_ratio : stream.sample_aspect_ratio;
  if (aspect.num > 0 && aspect.den > 0)
    info.sample_aspect =
        orientation.transpose ? Rational{aspect.den, aspect.num} : rational(aspect);
  info.codec = avcodec_get_name(p.codec_id);
  info.container = c.format->iformat->name;
  info.color = stream_color(p);
  info.interlaced = p.field_order == AV_FIELD_TT || p.field_order == AV_FIELD_BB ||
                    p.field_order == AV_FIELD_TB || p.field_order == AV_FIELD_BT;
  if (c.audio >= 0) {
    const AVStream& audio = *c.format->streams[c.audio];
    info.has_audio = true;
    info.audio_codec = avcodec_get_name(audio.codecpar->codec_id);
    info.audio_rate_hz = audio.codecpar->sample_rate;
    info.audio_channels = audio.codecpar->ch_layout.nb_channels;
    if (audio.duration > 0)
      info.audio_duration_s = static_cast<double>(audio.duration) * av_q2d(audio.time_base);
    else if (c.format->duration > 0)
      info.audio_duration_s = static_cast<double>(c.format->duration) / AV_TIME_BASE;
  }
  return info;
}

CodecPtr open_decoder(const AVStream& stream, int threads, LogCapture& capture) {
  const AVCodec* codec = avcodec_find_decoder(stream.codecpar->codec_id);
  if (!codec)
    throw Error(ErrorCode::kUnsupported,
                std::string("no decoder for ") + avcodec_get_name(stream.codecpar->codec_id),
                "convert the file with another program first");
  CodecPtr context(avcodec_alloc_context3(codec));
  if (!context) throw_av(AVERROR(ENOMEM), "no memory for a decoder");
  check_av(avcodec_parameters_to_context(context.get(), stream.codecpar), "opening the decoder");
  context->opaque = &capture;
  context->pkt_timebase = stream.time_base;
  context->thread_count = threads;
  context->max_pixels = static_cast<int64_t>(kMaxSidePx) * kMaxSidePx;
  int error = avcodec_open2(context.get(), codec, nullptr);
  if (error < 0)
    throw_av(of_contents(error), std::string("cannot open the decoder for ") + codec->name + " (" +
                                     capture.take() + ")");
  return context;
}

}  // namespace likeness::media
