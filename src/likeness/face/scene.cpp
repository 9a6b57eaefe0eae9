// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/scene.h"

#include <algorithm>
#include <cmath>

namespace likeness::face {
namespace {

constexpr int kGrid = 3, kLumaBins = 16, kChromaBins = 12;
constexpr int kCellBins = kLumaBins + 2 * kChromaBins;
constexpr int kStep = 2;  ///< every second pixel is enough

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
  for (int y = 0; y < small.height; y += kStep)
    for (int x = 0; x < small.width; x += kStep) {
      const uint8_t* p = &small.at(x, y);
      const float luma = 0.2126f * p[0] + 0.7152f * p[1] + 0.0722f * p[2];
      const int cell = y * kGrid / small.height * kGrid + x * kGrid / small.width;
      float* bins = out.bins.data() + static_cast<size_t>(cell) * kCellBins;
      vote(bins, kLumaBins, luma / 256 * kLumaBins - 0.5f);
      // Most pictures have little colour: the bins lie closer there.
      vote(bins + kLumaBins, kChromaBins, (p[0] - luma) / 12 + kChromaBins / 2.f);
      vote(bins + kLumaBins + kChromaBins, kChromaBins, (p[2] - luma) / 12 + kChromaBins / 2.f);
    }
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

}  // namespace likeness::face
