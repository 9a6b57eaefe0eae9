// SPDX-License-Identifier: Apache-2.0
// Stills and lists of stills, decoded by FFmpeg at their own depth.
#include <cstdlib>

#include "likeness/media/pixels.h"
#include "likeness/media/source.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace fs = std::filesystem;

namespace likeness::media {
namespace {

constexpr Rational kImageRate{25, 1};

/// The first picture of a container, whichever demuxer fits the content.
FramePtr first_picture(Container& c, const fs::path& path, LogCapture& capture,
                       std::string* codec) {
  CodecPtr decoder = open_decoder(*c.video_stream(), 1, capture);
  if (codec) *codec = decoder->codec->name;
  PacketPtr packet = make_packet();
  FramePtr frame = make_frame();
  int error = 0;
  for (bool at_end = false; !at_end;) {
    error = av_read_frame(c.format.get(), packet.get());
    at_end = error < 0;
    if (!at_end && packet->stream_index != c.video) {
      av_packet_unref(packet.get());
      continue;
    }
    int sent = avcodec_send_packet(decoder.get(), at_end ? nullptr : packet.get());
    av_packet_unref(packet.get());
    int received = avcodec_receive_frame(decoder.get(), frame.get());
    if (received >= 0) return frame;
    if (sent < 0)
      error = sent;
    else if (received != AVERROR(EAGAIN) && received != AVERROR_EOF)
      error = received;
  }
  std::string said = capture.take();
  throw Error(
      ErrorCode::kBadInput,
      path.string() + " is damaged or not an image: " + (said.empty() ? av_text(error) : said),
      "copy the file again");
}

Orientation exif_orientation(const AVFrame& frame) {
  const AVDictionaryEntry* entry = av_dict_get(frame.metadata, "Orientation", nullptr, 0);
  return entry ? orientation_from_exif(std::atoi(entry->value)) : Orientation{};
}

}  // namespace

FramePtr decode_still(const fs::path& path, LogCapture& capture, std::string* codec,
                      std::string* pixel_format, int* rotation_deg) {
  Container c = open_video(path, capture);
  FramePtr frame = first_picture(c, path, capture, codec);
  if (frame->width > kMaxSidePx || frame->height > kMaxSidePx)
    throw Error(ErrorCode::kBadInput, path.string() + " has more than 16384 pixels a side",
                "scale it down first");
  const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame->format));
  if (pixel_format && d) *pixel_format = d->name;
  Orientation orientation = exif_orientation(*frame);
  if (rotation_deg) *rotation_deg = orientation.rotation_deg;
  // Still formats keep grey in full range and say nothing about it.
  if (d && d->nb_components <= 2 && frame->color_range == AVCOL_RANGE_UNSPECIFIED)
    frame->color_range = AVCOL_RANGE_JPEG;
  ScalerPtr scaler;
  frame = normalise_picture(std::move(frame), scaler);
  return orient_picture(std::move(frame), orientation, scaler);
}

VideoInfo images_info(const ImageList& images, const fs::path& path) {
  LogCapture capture;
  VideoInfo info;
  FramePtr first = decode_still(images.files.front(), capture, &info.codec, &info.pixel_format,
                                &info.rotation_deg);
  info.path = path;
  info.width = first->width;
  info.height = first->height;
  info.frame_rate = kImageRate;
  info.time_base = {kImageRate.den, kImageRate.num};
  info.frame_count = static_cast<int64_t>(images.files.size());
  info.duration_s = static_cast<double>(info.frame_count) / kImageRate.value();
  info.bit_depth = layout_of(*first).depth;
  info.container = "image";
  info.color = {first->color_primaries, first->color_trc, first->colorspace, first->color_range};
  info.is_still = images.files.size() == 1 && fs::is_regular_file(path);
  info.is_image_sequence = !info.is_still;
  return info;
}

VideoInfo probe(const fs::path& path) {
  ImageList images;
  if (classify_source(path, images) == SourceKind::kImages) return images_info(images, path);
  LogCapture capture;
  return container_info(open_video(path, capture), path);
}

}  // namespace likeness::media
