// SPDX-License-Identifier: Apache-2.0
// dlib's face recognition ResNet as a graph, and its aligned chip. Internal to the face networks.
#pragma once

#include <array>

#include "likeness/base/image.h"
#include "likeness/tensor/faceapi_weights.h"
#include "likeness/tensor/graph.h"

namespace likeness::face {

inline constexpr int kChipSize = 150;

/// Input 1x150x150x3 normalised RGB, output 1x1x1x128. Layers: face-models.md 4.6 (29 convolutions,
/// each with its scale layer folded in). Throws kDamaged when a weight is missing or has a wrong
/// shape.
tensor::Graph dlib_resnet(const tensor::WeightMap& weights);

/// image_from_chip of dlib's get_face_chip_details(shape, 150, 0.25): least-squares similarity of
/// dlib's mean face (eyes, nose, upper lip) onto 68 points.
Affine2 image_from_dlib_chip(const std::array<Point2, 68>& points);

}  // namespace likeness::face
