// SPDX-License-Identifier: Apache-2.0
// Inside `media` only: opening what a path names.
#pragma once

#include <filesystem>
#include <vector>

#include "likeness/media/ffmpeg.h"
#include "likeness/media/picture.h"
#include "likeness/media/video.h"

namespace likeness::media {

inline constexpr int kMaxSidePx = 16384;

/// A container that was opened and has a usable video stream.
struct Container {
  InputPtr format;
  int video = -1;
  int audio = -1;  ///< the first audio stream, or -1
  /// Where time 0 of our Frames is, in the video stream's time base: the earliest start of any
  /// stream, so that sound and picture keep their distance.
  int64_t origin = 0;
  AVStream* video_stream() const { return format->streams[video]; }
};

/// One image file per frame.
struct ImageList {
  std::vector<std::filesystem::path> files;
};

enum class SourceKind { kContainer, kImages };
/// Throws kNotFound and kBadInput (no such path, device file, folder without images, 0 bytes).
/// Fills `images` for a folder, a printf pattern or a still.
SourceKind classify_source(const std::filesystem::path& path, ImageList& images);

/// Without a video stream: video = -1 (the caller decides whether that is an error). `capture` gets
/// the demuxer's messages and must outlive the container.
Container open_container(const std::filesystem::path& path, LogCapture& capture);
/// As open_container, but throws kBadInput without a video stream or with a bad size.
Container open_video(const std::filesystem::path& path, LogCapture& capture);
Orientation stream_orientation(const AVStream& stream);
VideoInfo container_info(const Container& container, const std::filesystem::path& path);

/// Decodes a still of any format FFmpeg knows: upright, supported layout. Throws as probe().
FramePtr decode_still(const std::filesystem::path& path, LogCapture& capture,
                      std::string* codec = nullptr, std::string* pixel_format = nullptr,
                      int* rotation_deg = nullptr);
VideoInfo images_info(const ImageList& images, const std::filesystem::path& path);

/// A decoder for a stream, opened with `threads`. Throws kUnsupported.
CodecPtr open_decoder(const AVStream& stream, int threads, LogCapture& capture);
ColorTags stream_color(const AVCodecParameters& parameters);

}  // namespace likeness::media
