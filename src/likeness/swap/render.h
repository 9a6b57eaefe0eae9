// SPDX-License-Identifier: Apache-2.0
// One frame of a swap: a pure function of the frame, its stored face rows, the model and the
// options.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "likeness/face/face.h"
#include "likeness/media/video.h"
#include "likeness/swap/polygon.h"
#include "likeness/swap/swap_options.h"

namespace likeness::swap {

/// A face of the performer in this frame, with its motion for motion blur.
struct Target {
  face::Face face;         ///< smoothed row from the project
  Point2 motion_px{0, 0};  ///< of the face from the previous frame to the next, halved
};

/// Thread-safe: render() may run for several frames at once.
class Renderer {
 public:
  /// Throws kNotFound, kDamaged (model), kUsage (options), kMissing (device).
  Renderer(const std::filesystem::path& model, const SwapOptions& options);
  /// The same loaded model with other options (device and precision must be those of `other`).
  Renderer(const Renderer& other, const SwapOptions& options);
  ~Renderer();
  /// Replaces the faces in place. Pixels outside the masks keep their exact value. Of `polygons`
  /// those of frame.index count, in their order; they change the mask before it is eroded and
  /// blurred. An include reaches as far as the network has made a face.
  /// `used`, when given, gets what was laid over the frame: the frame's size, one channel; it is
  /// made when it is empty, otherwise raised.
  void render(media::Frame& frame, const std::vector<Target>& targets,
              const std::vector<Polygon>& polygons = {}, ImageF* used = nullptr) const;
  /// The generated face alone, as the network made it (size R x R), and its mask: for previews and
  /// masks.
  struct Generated {
    ImageF rgb, mask;
  };
  Generated generate(const media::Frame& frame, const face::Face& face) const;
  int64_t step() const;

 private:
  struct Loaded;
  struct Impl;
  static std::shared_ptr<const Loaded> load(const std::filesystem::path& path,
                                            const SwapOptions& options);
  std::unique_ptr<Impl> impl_;
};

}  // namespace likeness::swap
