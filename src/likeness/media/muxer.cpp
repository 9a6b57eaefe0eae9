// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/muxer.h"

#include <algorithm>

#include "likeness/base/atomic_file.h"

namespace fs = std::filesystem;

namespace likeness::media {
namespace {

const char* muxer_name(const fs::path& path) {
  std::string e = path.extension().string();
  std::transform(e.begin(), e.end(), e.begin(), [](unsigned char c) { return std::tolower(c); });
  if (e == ".mp4" || e == ".m4v") return "mp4";
  if (e == ".mov") return "mov";
  if (e == ".mkv") return "matroska";
  if (e == ".nut") return "nut";
  throw Error(ErrorCode::kUsage,
              "cannot write " + path.string() + ": no container is known for \"" + e + "\"",
              "name the output .mp4, .mov or .mkv");
}

}  // namespace

Muxer::Muxer(const fs::path& path) : path_(path), temporary_(temporary_name(path)) {
  const char* name = muxer_name(path);
  std::error_code ec;
  if (fs::is_directory(path, ec))
    throw Error(ErrorCode::kUsage, path.string() + " is a folder", "name a file to write");
  if (!path.parent_path().empty()) {
    fs::create_directories(path.parent_path(), ec);
    if (ec) throw_errno(ec.value(), "cannot make folder " + path.parent_path().string());
  }
  std::string url = file_url(temporary_);
  check_av(avformat_alloc_output_context2(&format_, nullptr, name, url.c_str()),
           "no memory for the output");
  format_->opaque = &capture_;
  int error = avio_open(&format_->pb, url.c_str(), AVIO_FLAG_WRITE);
  if (error < 0) {
    avformat_free_context(format_);
    throw_av(error, "cannot write " + path.string());
  }
}

Muxer::~Muxer() {
  if (!format_) return;
  avio_closep(&format_->pb);
  avformat_free_context(format_);
  std::error_code ec;
  fs::remove(temporary_, ec);
}

void Muxer::fail(int error, const char* doing) {
  std::string said = capture_.take();
  throw_av(error,
           std::string(doing) + " " + path_.string() + (said.empty() ? "" : " (" + said + ")"));
}

bool Muxer::holds(const fs::path& path, AVCodecID codec) {
  const AVOutputFormat* format = av_guess_format(muxer_name(path), nullptr, nullptr);
  return format && avformat_query_codec(format, codec, FF_COMPLIANCE_NORMAL) == 1;
}

bool Muxer::holds(AVCodecID codec) const {
  return avformat_query_codec(format_->oformat, codec, FF_COMPLIANCE_NORMAL) == 1;
}

bool Muxer::wants_global_header() const { return format_->oformat->flags & AVFMT_GLOBALHEADER; }

bool Muxer::is_mov_family() const {
  std::string name = format_->oformat->name;
  return name == "mp4" || name == "mov";
}

AVStream* Muxer::add_stream() {
  AVStream* stream = avformat_new_stream(format_, nullptr);
  if (!stream) throw_av(AVERROR(ENOMEM), "no memory for the output");
  return stream;
}

void Muxer::set_tags(const std::map<std::string, std::string>& tags) {
  for (const auto& [key, value] : tags)
    av_dict_set(&format_->metadata, key.c_str(), value.c_str(), 0);
}

void Muxer::write_header(int movie_timescale) {
  AVDictionary* options = nullptr;
  if (is_mov_family()) {
    // Keys of our own need the newer kind of metadata, which players read less widely.
    const bool tagged = av_dict_count(format_->metadata) > 0;
    av_dict_set(&options, "movflags", tagged ? "+faststart+use_metadata_tags" : "+faststart", 0);
    av_dict_set_int(&options, "movie_timescale", movie_timescale, 0);
  }
  int error = avformat_write_header(format_, &options);
  av_dict_free(&options);
  if (error < 0) fail(error, "cannot start");
  header_written_ = true;
}

void Muxer::write(AVPacket& packet, const AVStream& stream, AVRational time_base) {
  packet.stream_index = stream.index;
  packet.pos = -1;
  av_packet_rescale_ts(&packet, time_base, stream.time_base);
  int error = av_interleaved_write_frame(format_, &packet);
  if (error >= 0) error = format_->pb->error;
  if (error < 0) fail(error, "cannot write");
}

void Muxer::finish() {
  int error = header_written_ ? av_write_trailer(format_) : 0;
  avio_flush(format_->pb);
  if (error >= 0) error = format_->pb->error;
  int closed = avio_closep(&format_->pb);
  if (error >= 0) error = closed;
  if (error < 0) fail(error, "cannot finish");
  commit_file(temporary_, path_);
  avformat_free_context(format_);
  format_ = nullptr;
}

}  // namespace likeness::media
