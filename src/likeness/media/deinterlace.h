// SPDX-License-Identifier: Apache-2.0
// Inside `media` only: interlaced frames -> progressive ones, one for one, with FFmpeg's bwdif
// (Martin Weston's filter of BBC R&D with the motion check of yadif). Progressive frames pass
// unchanged. The result for frame n depends on frames n-1, n and n+1 only.
#pragma once

#include <memory>

#include "likeness/media/ffmpeg.h"

struct AVFilterGraph;
struct AVFilterContext;

namespace likeness::media {

class Deinterlacer {
 public:
  /// For frames of this format and size.
  Deinterlacer(const AVFrame& like, AVRational time_base, int threads);
  ~Deinterlacer();
  void push(const AVFrame& frame);
  void push_end();
  /// A finished frame, or null when more input is needed or all are out. In order of push().
  FramePtr pull();

 private:
  AVFilterGraph* graph_ = nullptr;
  AVFilterContext* source_ = nullptr;
  AVFilterContext* sink_ = nullptr;
};

}  // namespace likeness::media
