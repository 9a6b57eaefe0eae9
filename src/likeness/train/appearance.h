// SPDX-License-Identifier: Apache-2.0
// The appearance model: what makes a swap recognisable before the network has learned anything.
//
// Learned in closed form from both facesets, in seconds:
// - shape: for each person the neutral canonical mesh as a quadratic function of head pose (the
// landmark net's
//   errors depend on pose; fitting them away keeps them out of the swap). The identity's shape is
//   brought to the performer's head by scale and translation over the inner face. A performer's
//   mesh becomes the identity's by adding the difference of the two neutrals, so expression and
//   pose stay the performer's.
// - texture: each person's mean in mesh space (face/mesh_warp.h) with light divided out: shading is
// the ratio of
//   low-passed face to low-passed mean, over visible skin. A few linear modes, driven by the mesh's
//   expression (ridge regression on principal components of landmark offsets), say how the mean
//   changes.
// - tone: per channel, the median ratio of the two means, which is that of skin and of the two
// films'
//   light. Eyes have no skin: there it is the ratio of their whites, which is the light's alone,
//   kept between 1 and that of skin.
// - registration: landmark nets are a pixel or two off, differently in every frame. Dense optical
// flow between a
//   face and the model's prediction for it moves the mesh until both agree (refine()); model and
//   meshes are improved in turn, as in groupwise registration. Textures get sharper and stop
//   swimming.
// Images are RGB float [0,1], size_px x size_px; frames and canonical coordinates as in
// face/face.h.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "likeness/base/run.h"
#include "likeness/face/geometry.h"
#include "likeness/face/mesh_warp.h"

namespace likeness::train {

using Shape = std::array<Point3, face::kMeshPoints>;  ///< canonical cm

/// Neutral shape over pose: shape = sum_k term_k(yaw, pitch) * coefficients[k], six quadratic
/// terms.
struct NeutralShape {
  std::array<Shape, 6> coefficients{};
  float yaw_low = 0, yaw_high = 0, pitch_low = 0,
        pitch_high = 0;  ///< pose range seen; inputs are clamped
  Shape at(float yaw_rad, float pitch_rad) const;
};

/// Linear map from expression to texture.
struct ExpressionModel {
  int components = 0;
  std::vector<float> basis;                   ///< components x kDescriptorSize
  std::vector<float> mean, scale, low, high;  ///< per component
  std::vector<ImageF> modes;                  ///< one texture per component
};

struct PersonModel {
  NeutralShape neutral;
  ImageF mean;  ///< light-normalised mean texture
  ExpressionModel expression;
};

class Appearance {
 public:
  /// Sides are indexed as nets::Side (0 identity, 1 performer). `image(side, index)` gives the
  /// picture whose pixels points[side][index] are in. `unwrapped` gets what training needs of every
  /// face. Throws kNoFace below 8 faces per person.
  struct Unwrapped {
    std::vector<ImageF> texture, visible;
    std::vector<ImageF> base;  ///< the linear model's prediction
  };
  static Appearance learn(const std::vector<face::Points> points[2],
                          const std::function<Image8(int side, size_t index)>& image, int size_px,
                          Unwrapped unwrapped[2], Progress& progress, const Cancel& cancel);

  const face::MeshLayout& layout() const { return layout_; }
  const PersonModel& person(int side) const { return person_[side]; }
  std::array<float, 3> tone() const { return tone_; }  ///< performer / identity, of the skin
  /// The same over the layout, three channels, eyes apart.
  const ImageF& tone_map() const { return tone_map_; }
  /// 1 where both faces show skin, 0 where hair or background of either reaches into the layout
  /// from its edge.
  const ImageF& skin() const { return skin_; }

  /// What one frame of a person gives: everything the network and the renderer need.
  struct Analysis {
    face::HeadPose pose;
    std::vector<float> descriptor;  ///< expression, independent of the person
    ImageF texture;                 ///< unwrapped, light divided out
    ImageF visible;
    ImageF shading;  ///< what was divided out: 3 channels
  };
  Analysis analyse(const ImageF& image, const face::Points& points, int side) const;
  /// The points moved so that the face under them agrees with the model's prediction of it. Points
  /// that are not seen stay. Moves at most 2 % of the layout per call. kFine costs twice the time
  /// of kFast and is what makes learned textures sharp.
  enum class Registration { kFast, kFine };
  face::Points refine(const ImageF& image, const face::Points& points, int side,
                      Registration quality) const;
  static int descriptor_size();
  /// The linear prediction of a person's texture for a descriptor.
  ImageF predict(const std::vector<float>& descriptor, int side) const;
  /// The performer's mesh with the identity's shape.
  face::Points identity_points(const face::Points& performer_points) const;

  std::string serialise() const;
  static Appearance parse(const std::string& bytes);  ///< throws kDamaged

 private:
  void learn_shapes(const std::vector<face::Points> points[2]);
  void learn_textures(int side, const std::vector<face::Points>& points,
                      const std::function<Image8(int, size_t)>& image, Unwrapped& u,
                      Progress& progress, const Cancel& cancel);
  std::vector<float> descriptor(const face::Points& points, const face::HeadPose& pose,
                                int side) const;
  void build_layout();
  void build_tone_map();
  int size_px_ = 0;
  std::array<Point2, face::kMeshPoints> layout_shape_{};
  face::MeshLayout layout_;
  PersonModel person_[2];
  float identity_scale_ = 1;  ///< performer_from_identity, canonical
  Point3 identity_offset_cm_{};
  std::array<float, 3> tone_{1, 1, 1};
  ImageF tone_map_;  ///< made of the above
  ImageF skin_;
};

/// Ratio of low-passed `texture` to low-passed `mean` over what is visible; sigma = size / 12.
ImageF shading_of(const ImageF& texture, const ImageF& mean, const ImageF& visible);

}  // namespace likeness::train
