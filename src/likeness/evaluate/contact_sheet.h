// SPDX-License-Identifier: Apache-2.0
// Pictures for people: frames beside each other.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "likeness/base/image.h"
#include "likeness/base/run.h"
#include "likeness/evaluate/evaluate.h"
#include "likeness/media/video.h"

namespace likeness::evaluate {

/// One row per frame: target, result, truth (where given) and the difference of result and truth
/// (else target) times 4 about mid-grey. Every picture is `tile_px` high; columns and frame numbers
/// are labelled. Throws what media throws; frames beyond the end are left out, kUsage when none is
/// left.
Image8 contact_sheet(const Inputs& inputs, std::vector<int64_t> frames, int tile_px = 256);

/// `count` frames spread evenly over the clip; the named ones (worst frames) come first in line.
std::vector<int64_t> choose_frames(int64_t frames, int count,
                                   const std::vector<int64_t>& also = {});

/// Where the frames of a video go: who opens it decides on mark and proof of origin.
struct VideoSink {
  std::function<void(const media::Frame&)> write;
  std::function<void()> finish;
};
using OpenVideo = std::function<VideoSink(const media::VideoInfo& like, const media::WriterOptions&,
                                          const std::filesystem::path& audio_source)>;

/// target | result | truth as a video with the target's sound (`audio_source` is empty without
/// any).
void side_by_side(const Inputs& inputs, const OpenVideo& open, Progress& progress,
                  const Cancel& cancel, int height_px = 0);

}  // namespace likeness::evaluate
