// SPDX-License-Identifier: Apache-2.0
// Several videos read side by side.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "likeness/evaluate/evaluate.h"
#include "likeness/media/video.h"

namespace likeness::evaluate {

/// The same frame of every input; images that were not given are empty. 8-bit RGB.
struct FrameSet {
  int64_t index = 0;
  Image8 target, result, truth, mask;
};

class Lockstep {
 public:
  /// Throws kBadInput when sizes or frame counts differ, and what media throws.
  explicit Lockstep(const Inputs& inputs);
  /// The next up to `most` frames, in order; empty at the end.
  std::vector<FrameSet> next(int most);
  /// The next call of next() starts at `index`.
  void seek(int64_t index);
  int64_t frames() const { return frames_; }
  const media::VideoInfo& target_info() const { return readers_[0].reader.info(); }

 private:
  struct Source {
    std::string name;
    media::VideoReader reader;
    Image8 FrameSet::*image;
  };
  void add(const char* name, const std::filesystem::path& path, Image8 FrameSet::*image);
  std::vector<Source> readers_;
  int64_t frames_ = 0, position_ = 0;
};

}  // namespace likeness::evaluate
