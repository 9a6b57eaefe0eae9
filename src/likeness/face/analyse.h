// SPDX-License-Identifier: Apache-2.0
// The face networks: detect, mesh, iris, embedding, person matte. Models: see models/*.toml.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "likeness/face/face.h"

namespace likeness::face {

struct Detection {
  Box box;
  float score = 0;
  std::array<Point2, 6> keypoints;  ///< right eye, left eye, nose tip, mouth, right ear, left ear
};

/// All functions are const and may be called from several threads at once.
class FaceNets {
 public:
  /// Throws kMissing (with the command that installs them) or kDamaged (hash differs).
  explicit FaceNets(const std::filesystem::path& folder = models_folder());
  ~FaceNets();

  /// Short-range (near faces) then full-range (faces of 24 px and up); NMS over both.
  std::vector<Detection> detect(const Image8& image, bool far = true) const;
  /// 478 points for a face roughly at `crop` (side, centre, rotation). Presence < 0.5 means no
  /// face.
  struct Crop {
    Point2 centre;
    float side_px = 0;
    float angle_rad = 0;  ///< of the eye line in the image
  };
  static Crop crop_of(const Detection& detection);
  static Crop crop_of(const Points& points);
  /// `attention`: the finer net with irises and lips; without it the irises are filled from the
  /// eyes.
  Face mesh(const Image8& image, const Crop& crop, bool attention = true) const;
  /// dlib's 150 px chip from the 5-point or 68-point geometry, then the ResNet.
  Embedding embed(const Image8& image, const Points& points) const;
  std::vector<Embedding> embed(
      const std::vector<std::pair<const Image8*, const Points*>>& faces) const;
  /// Person matte in [0,1] at the image's size.
  ImageF person_matte(const Image8& image) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

float embedding_distance(const Embedding& a, const Embedding& b);

}  // namespace likeness::face
