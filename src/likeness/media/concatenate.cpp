// SPDX-License-Identifier: Apache-2.0
// Parts are joined packet by packet. Presentation times stay what the parts say (a part that was
// written from frames of the middle of a video starts at that time); decoding times are made anew
// for the whole, because each encoder run starts its own ramp and the ramps overlap at the joints.
#include <algorithm>
#include <cstring>

#include "likeness/media/audio_copy.h"
#include "likeness/media/image_folder.h"
#include "likeness/media/muxer.h"
#include "likeness/media/source.h"
#include "likeness/media/video.h"

namespace fs = std::filesystem;

namespace likeness::media {
namespace {

struct Times {
  std::vector<int64_t>
      decoding_order;  ///< pts of every packet of all parts, in `base`, after offsets
  std::vector<int64_t> sorted;
  std::vector<int64_t> offsets;  ///< of each part
  int64_t last_duration = 0;
  int delay = 0;  ///< frames a picture may be decoded before it is shown
  AVRational base{1, 1};
};

/// Calls body(packet) for each shown video packet of a part. A part of ours has no damage: an error
/// is one.
template <typename Body>
void for_each_packet(const fs::path& part, Container& c, Body body) {
  for (unsigned i = 0; i < c.format->nb_streams; ++i)
    if (static_cast<int>(i) != c.video) c.format->streams[i]->discard = AVDISCARD_ALL;
  PacketPtr packet = make_packet();
  for (;;) {
    int error = av_read_frame(c.format.get(), packet.get());
    if (error == AVERROR_EOF) return;
    bool broken = error < 0 || packet->flags & AV_PKT_FLAG_CORRUPT || packet->pts == AV_NOPTS_VALUE;
    if (broken)
      throw Error(ErrorCode::kDamaged, part.string() + " is damaged and cannot be joined",
                  "delete this part and make it again");
    if (packet->stream_index == c.video) body(*packet);
    av_packet_unref(packet.get());
  }
}

void check_same_codec(const AVCodecParameters& a, const AVCodecParameters& b,
                      const fs::path& part) {
  bool same = a.codec_id == b.codec_id && a.width == b.width && a.height == b.height &&
              a.format == b.format && a.extradata_size == b.extradata_size &&
              (a.extradata_size == 0 ||
               std::memcmp(a.extradata, b.extradata, static_cast<size_t>(a.extradata_size)) == 0);
  if (!same)
    throw Error(ErrorCode::kBadInput,
                part.string() + " was written with other options than the first part",
                "delete the parts and make them again with the same options");
}

Times scan_parts(const std::vector<fs::path>& parts, const AVCodecParameters& first,
                 AVRational base) {
  Times t;
  t.base = base;
  int64_t shown = INT64_MIN, end = 0;  // start and end of the last frame so far
  for (const fs::path& part : parts) {
    LogCapture capture;
    Container c = open_video(part, capture);
    check_same_codec(first, *c.video_stream()->codecpar, part);
    size_t begin = t.decoding_order.size();
    int64_t duration = 0, low = INT64_MAX, high = INT64_MIN;
    for_each_packet(part, c, [&](AVPacket& packet) {
      int64_t pts = av_rescale_q(packet.pts, c.video_stream()->time_base, base);
      t.decoding_order.push_back(pts);
      low = std::min(low, pts);
      if (pts < high) return;
      high = pts;
      duration = av_rescale_q(packet.duration, c.video_stream()->time_base, base);
    });
    if (t.decoding_order.size() == begin)
      throw Error(ErrorCode::kDamaged, part.string() + " holds no frames", "make this part again");
    // A part whose times start over goes right behind the one before.
    // (Not "starts before the end": containers guess the duration of a last frame.)
    int64_t offset = low <= shown ? end - low : 0;
    for (size_t i = begin; i < t.decoding_order.size(); ++i) t.decoding_order[i] += offset;
    t.offsets.push_back(offset);
    t.last_duration = std::max<int64_t>(1, duration);
    shown = high + offset;
    end = shown + t.last_duration;
  }
  t.sorted = t.decoding_order;
  std::sort(t.sorted.begin(), t.sorted.end());
  // Some containers know nothing of the last frame's: it is shown as long as the one before.
  if (t.last_duration <= 1 && t.sorted.size() > 1)
    t.last_duration = std::max<int64_t>(1, t.sorted.back() - t.sorted[t.sorted.size() - 2]);
  for (size_t i = 0; i < t.decoding_order.size(); ++i) {
    auto rank =
        std::lower_bound(t.sorted.begin(), t.sorted.end(), t.decoding_order[i]) - t.sorted.begin();
    t.delay = std::max(t.delay, static_cast<int>(static_cast<ptrdiff_t>(i) - rank));
  }
  return t;
}

int64_t decoding_time(const Times& t, size_t i) {
  size_t delay = static_cast<size_t>(t.delay);
  if (i >= delay) return t.sorted[i - delay];
  int64_t step =
      t.sorted.size() > 1 ? std::max<int64_t>(1, t.sorted[1] - t.sorted[0]) : t.last_duration;
  return t.sorted[0] - static_cast<int64_t>(delay - i) * step;
}

void concatenate_folders(const std::vector<fs::path>& parts, const fs::path& out) {
  std::string kind;
  std::unique_ptr<ImageFolderWriter> writer;
  for (const fs::path& part : parts) {
    ImageList images;
    classify_source(part, images);
    for (const fs::path& image : images.files) {
      std::string extension = image.extension().string();
      if (!writer) {
        kind = extension;
        writer = std::make_unique<ImageFolderWriter>(out, kind.substr(1));
      }
      if (extension != kind)
        throw Error(ErrorCode::kBadInput,
                    image.string() + " is of another kind than the first image",
                    "join folders that were written with the same options");
      writer->add_copy(image);
    }
  }
  writer->finish();
}

/// Everything from the beginning when the video starts where its source does; else from there.
std::unique_ptr<AudioCopier> open_audio(const fs::path& source, double first_s) {
  LogCapture capture;
  Container c = open_container(source, capture);
  double video_starts_s = 0;
  if (c.video >= 0 && c.video_stream()->start_time != AV_NOPTS_VALUE)
    video_starts_s = static_cast<double>(c.video_stream()->start_time - c.origin) *
                     av_q2d(c.video_stream()->time_base);
  bool whole = first_s <= video_starts_s + 1e-3;
  return std::make_unique<AudioCopier>(source, whole ? 0.0 : first_s);
}

void move_to_zero(Times& t) {
  const int64_t zero = t.sorted.front();
  for (auto* times : {&t.decoding_order, &t.sorted})
    for (int64_t& time : *times) time -= zero;
}

void join(const std::vector<fs::path>& parts, const fs::path& out, const fs::path& audio_source,
          const std::map<std::string, std::string>& tags, bool from_zero) {
  if (parts.empty())
    throw Error(ErrorCode::kUsage, "there are no parts to join", "name at least one part");
  std::error_code ec;
  if (fs::is_directory(parts.front(), ec)) return concatenate_folders(parts, out);

  LogCapture capture;
  Container first = open_video(parts.front(), capture);
  const AVStream& like = *first.video_stream();
  Times times = scan_parts(parts, *like.codecpar, like.time_base);

  Muxer muxer(out);
  if (!muxer.holds(like.codecpar->codec_id))
    throw Error(ErrorCode::kUsage, out.extension().string() + " files cannot hold this codec",
                "name the output as the parts are named");
  AVStream* stream = muxer.add_stream();
  check_av(avcodec_parameters_copy(stream->codecpar, like.codecpar), "no memory for the output");
  if (!muxer.is_mov_family() || parts.front().extension() != out.extension())
    stream->codecpar->codec_tag = 0;
  if (like.codecpar->codec_id == AV_CODEC_ID_HEVC && muxer.is_mov_family())
    stream->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1');
  stream->time_base = like.time_base;
  stream->avg_frame_rate = like.avg_frame_rate;
  stream->sample_aspect_ratio = like.sample_aspect_ratio;
  double tick_s = av_q2d(times.base);
  const double starts_s = static_cast<double>(times.sorted.front()) * tick_s;
  if (from_zero) move_to_zero(times);
  std::unique_ptr<AudioCopier> audio;
  if (!audio_source.empty()) {
    audio = open_audio(audio_source, starts_s);
    if (from_zero) audio->set_shift(starts_s);
    audio->add_stream(muxer);
  }
  muxer.set_tags(tags);
  muxer.write_header(times.base.den);

  size_t at = 0;
  for (size_t p = 0; p < parts.size(); ++p) {
    LogCapture part_capture;
    Container c = open_video(parts[p], part_capture);
    for_each_packet(parts[p], c, [&](AVPacket& packet) {
      LIKENESS_REQUIRE(at < times.sorted.size());
      int64_t pts = times.decoding_order[at];
      packet.pts = pts;
      packet.dts = decoding_time(times, at);
      auto next = std::upper_bound(times.sorted.begin(), times.sorted.end(), pts);
      packet.duration = next != times.sorted.end() ? *next - pts : times.last_duration;
      if (audio) audio->pump(muxer, static_cast<double>(packet.dts) * tick_s);
      muxer.write(packet, *stream, times.base);
      ++at;
    });
  }
  if (audio)
    audio->finish(muxer, static_cast<double>(times.sorted.back() + times.last_duration) * tick_s);
  muxer.finish();
}

}  // namespace

void concatenate(const std::vector<fs::path>& parts, const fs::path& out,
                 const fs::path& audio_source, const std::map<std::string, std::string>& tags) {
  join(parts, out, audio_source, tags, false);
}

void concatenate_from_zero(const std::vector<fs::path>& parts, const fs::path& out,
                           const fs::path& audio_source,
                           const std::map<std::string, std::string>& tags) {
  join(parts, out, audio_source, tags, true);
}

}  // namespace likeness::media
