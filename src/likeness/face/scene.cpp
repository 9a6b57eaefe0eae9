// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/scene.h"

#include <algorithm>
#include <cmath>

namespace likeness::face {
namespace {

constexpr int kGrid = 3, kLumaBins = 16, kChromaBins = 12;
constexpr int kCellBins = kLumaBins + 2 * kChromaBins;
constexpr int kStep = 2;  ///< every second pixel is enough
constexpr int kThumbWidth = 48, kThumbHeight = 27;

// Jump cuts: measured on signers filmed in one room (0.068 to 0.078 at the cuts, under 0.015 beside
// them) against fast motion, where the frames around are alike (0.064 beside 0.058).
constexpr float kJump = 0.03f, kJumpRatio = 3.f, kJumpOfThreshold = 0.1f;
constexpr size_t kMemory = 6;  ///< frames; more than a repeated-frame cadence has

/// Adds 1 shared between the two nearest bins, so that a small change of light moves little.
void vote(float* bins, int count, float position) {
  const float p = std::clamp(position, 0.f, static_cast<float>(count - 1));
  const int low = std::min(static_cast<int>(p), count - 2);
  bins[low] += 1 - (p - static_cast<float>(low));
  bins[low + 1] += p - static_cast<float>(low);
}

}  // namespace

SceneSignature scene_signature(const Image8& small) {
  SceneSignature out;
  out.bins.assign(static_cast<size_t>(kGrid * kGrid) * kCellBins, 0.f);
  std::vector<float> pixels(kThumbWidth * kThumbHeight, 0.f);
  out.thumb.assign(pixels.size(), 0.f);
  for (int y = 0; y < small.height; y += kStep)
    for (int x = 0; x < small.width; x += kStep) {
      const uint8_t* p = &small.at(x, y);
      const float luma = 0.2126f * p[0] + 0.7152f * p[1] + 0.0722f * p[2];
      const int spot =
          y * kThumbHeight / small.height * kThumbWidth + x * kThumbWidth / small.width;
      out.thumb[spot] += luma / 255;
      pixels[spot] += 1;
      const int cell = y * kGrid / small.height * kGrid + x * kGrid / small.width;
      float* bins = out.bins.data() + static_cast<size_t>(cell) * kCellBins;
      vote(bins, kLumaBins, luma / 256 * kLumaBins - 0.5f);
      // Most pictures have little colour: the bins lie closer there.
      vote(bins + kLumaBins, kChromaBins, (p[0] - luma) / 12 + kChromaBins / 2.f);
      vote(bins + kLumaBins + kChromaBins, kChromaBins, (p[2] - luma) / 12 + kChromaBins / 2.f);
    }
  for (size_t i = 0; i < pixels.size(); ++i) out.thumb[i] /= std::max(1.f, pixels[i]);
  for (int cell = 0; cell < kGrid * kGrid; ++cell) {
    float* bins = out.bins.data() + static_cast<size_t>(cell) * kCellBins;
    float sum = 0;
    for (int i = 0; i < kLumaBins; ++i) sum += bins[i];
    for (int i = 0; i < kCellBins; ++i) bins[i] /= std::max(1.f, sum);
  }
  return out;
}

float scene_distance(const SceneSignature& a, const SceneSignature& b) {
  if (a.bins.size() != b.bins.size() || a.bins.empty()) return 0;
  std::vector<float> cells;
  for (int cell = 0; cell < kGrid * kGrid; ++cell) {
    float sum = 0;
    for (int i = cell * kCellBins; i < (cell + 1) * kCellBins; ++i)
      sum += std::fabs(a.bins[i] - b.bins[i]);
    cells.push_back(sum / 6);  // three histograms, each at most 2 apart
  }
  // A cut changes most of the picture; a person who walks in changes some cells.
  std::sort(cells.begin(), cells.end());
  float sum = 0;
  for (int i = 0; i < 7; ++i) sum += cells[i];
  return sum / 7;
}

float picture_difference(const SceneSignature& a, const SceneSignature& b) {
  if (a.thumb.size() != b.thumb.size() || a.thumb.empty()) return 0;
  float sum = 0;
  for (size_t i = 0; i < a.thumb.size(); ++i) sum += std::fabs(a.thumb[i] - b.thumb[i]);
  return sum / static_cast<float>(a.thumb.size());
}

bool SceneCuts::decide(float next_difference) const {
  if (frames_ < 2) return false;
  if (distance_ > threshold_) return true;
  if (difference_ < kJump || distance_ < kJumpOfThreshold * threshold_) return false;
  float around = next_difference;
  for (float d : before_) around = std::max(around, d);
  return difference_ > kJumpRatio * around;
}

bool SceneCuts::add(SceneSignature signature) {
  const float difference = frames_ ? picture_difference(newest_, signature) : 0;
  const bool before_began = decide(difference);
  if (frames_ > 1) before_.push_back(difference_);
  if (before_began) before_.clear();
  if (before_.size() > kMemory) before_.pop_front();
  distance_ = frames_ ? scene_distance(newest_, signature) : 0;
  difference_ = difference;
  newest_ = std::move(signature);
  ++frames_;
  return before_began;
}

bool SceneCuts::last() { return decide(0); }

}  // namespace likeness::face
