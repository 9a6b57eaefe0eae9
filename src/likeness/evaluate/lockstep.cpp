// SPDX-License-Identifier: Apache-2.0
#include "likeness/evaluate/lockstep.h"

#include <fmt/format.h>

#include "likeness/base/error.h"

namespace likeness::evaluate {

Lockstep::Lockstep(const Inputs& inputs) {
  add("target", inputs.target, &FrameSet::target);
  add("result", inputs.result, &FrameSet::result);
  if (!inputs.truth.empty()) add("truth", inputs.truth, &FrameSet::truth);
  if (!inputs.mask.empty()) add("mask", inputs.mask, &FrameSet::mask);
}

void Lockstep::add(const char* name, const std::filesystem::path& path, Image8 FrameSet::*image) {
  Source source{name, media::VideoReader(path), image};
  const int64_t frames = source.reader.count_frames();
  const media::VideoInfo& info = source.reader.info();
  if (!readers_.empty()) {
    const media::VideoInfo& first = target_info();
    if (info.width != first.width || info.height != first.height)
      throw Error(ErrorCode::kBadInput,
                  fmt::format("the {} is {}x{} and the target {}x{} pixels", name, info.width,
                              info.height, first.width, first.height),
                  "give files of the same shot in the same size");
    if (frames != frames_)
      throw Error(ErrorCode::kBadInput,
                  fmt::format("the {} has {} frames and the target {}", name, frames, frames_),
                  "give files of the same shot, cut alike");
  }
  frames_ = frames;
  readers_.push_back(std::move(source));
}

std::vector<FrameSet> Lockstep::next(int most) {
  std::vector<FrameSet> sets;
  while (static_cast<int>(sets.size()) < most) {
    FrameSet set;
    set.index = position_;
    bool ended = false, started = false;
    for (Source& source : readers_) {
      const std::optional<media::Frame> frame = source.reader.next();
      if (!frame && !started) {
        ended = true;
        continue;
      }
      if (!frame || ended)
        throw Error(ErrorCode::kDamaged,
                    fmt::format("frame {} can be read from some of the videos but not from {}",
                                position_, frame ? "the target" : "the " + source.name),
                    "one file is damaged or cut short; make it again");
      started = true;
      set.*source.image = frame->rgb8();
    }
    if (ended) break;
    ++position_;
    sets.push_back(std::move(set));
  }
  return sets;
}

void Lockstep::seek(int64_t index) {
  for (Source& source : readers_) source.reader.seek(index);
  position_ = index;
}

}  // namespace likeness::evaluate
