// SPDX-License-Identifier: Apache-2.0
// One frame of a swap, fast enough to follow a slider: renderers, track choices and grants are kept
// warm. The gate is asked as for a swap; the picture carries the mark of a still when it is large
// enough, and says in its JPEG comment that it is a preview.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "likeness/media/video.h"
#include "likeness/project/project.h"

namespace likeness::tasks {

struct SwapPreviewRequest {
  project::Project& project;
  int64_t media = 0;
  FrameIndex frame = 0;
  std::string model;                       ///< laid over its performer
  std::map<std::string, std::string> map;  ///< subject, track or "*" -> model
  nlohmann::json options;                  ///< of the swap task
  nlohmann::json polygons;                 ///< drawn over the mask (tasks/swap_polygons.h)
  bool mask = false;                       ///< the mask that was used, in grey, not the picture
  int width = 0;                           ///< of the picture; 0 = the frame's
};
struct SwapPreview {
  std::string jpeg;
  int faces = 0;    ///< that were changed
  std::string why;  ///< when none was
};

/// Thread-safe; one picture is made at a time.
class SwapPreviews {
 public:
  SwapPreviews();
  ~SwapPreviews();
  using Decode = std::function<media::Frame(const std::filesystem::path& clip, FrameIndex)>;
  /// Throws kRefused, kNotFound, kUsage (options), kNoFace (the clip is not analysed).
  SwapPreview render(const SwapPreviewRequest& request, const Decode& decode);
  /// Lets go of every renderer, grant and key.
  void forget();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace likeness::tasks
