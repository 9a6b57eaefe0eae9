// SPDX-License-Identifier: Apache-2.0
// Random changes of training faces. Input and target share an affine map (and flip); the input
// alone is also bent by a random grid and recoloured, so that the network cannot copy and must know
// faces. Everything is a function of the random numbers given, so of (seed, step, sample).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "likeness/base/image.h"
#include "likeness/base/rng.h"
#include "likeness/train/train_options.h"

namespace likeness::train {

/// One sample's random numbers, drawn.
struct Augmentation {
  Affine2 source_from_output;   ///< pixels of the stored crop from pixels of the batch
  bool affine = false;          ///< false: identity, pixels are copied
  int cells = 0;                ///< grid of (cells + 1)^2 nodes; 0 = no bending
  std::vector<Point2> bend_px;  ///< displacement at the nodes, zero at the border
  std::array<float, 3> gain{1, 1, 1}, offset{0, 0, 0};  ///< of the input's colours
};
Augmentation draw_augmentation(const TrainOptions& options, int side_px, Rng& rng);

/// Where every output pixel reads: positions in pixels of the source, pixel centres at integers
/// here.
struct SampleMap {
  std::vector<float> x, y;
  bool identity = false;
};
void affine_map(const Augmentation& augmentation, int side_px, SampleMap& map);
/// The affine map followed by the bending.
void bent_map(const Augmentation& augmentation, int side_px, SampleMap& map);

/// planes: source planes of side x side uint8, one after another; out: same, float in [0,1].
/// Bilinear; outside the source the border repeats, or (`zero_outside`) is 0.
void sample_bilinear(const uint8_t* source, int planes, int side_px, const SampleMap& map,
                     bool zero_outside, float* out);
/// Catmull-Rom, border repeats, clamped to [0,1]: keeps targets sharp.
void sample_bicubic(const uint8_t* source, int planes, int side_px, const SampleMap& map,
                    float* out);
void recolour(const Augmentation& augmentation, int side_px, float* rgb);

}  // namespace likeness::train
