// SPDX-License-Identifier: Apache-2.0
// Content gate: footage with sexual content is refused, whatever a consent says. A picture is
// scored by nsfwjs' MobileNetV2 (Keras, alpha 1.0, 224 px, five classes; weights:
// models/nsfwjs_mobilenet_v2.toml) on our executor; a clip by at least one picture a second.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "likeness/base/image.h"
#include "likeness/base/run.h"

namespace likeness::trust {

/// Probabilities that add up to 1.
struct ContentScores {
  float drawing = 0, hentai = 0, neutral = 0, porn = 0, sexy = 0;
  /// What counts as sexual: porn + hentai. "sexy" alone (a swim suit, a dress) is no reason.
  float sexual() const { return porn + hentai; }
};

class ContentNet {
 public:
  /// Throws kMissing (with the command that installs it), kDamaged.
  explicit ContentNet(const std::filesystem::path& models);
  ~ContentNet();
  ContentScores score(const Image8& image) const;
  /// The five numbers before the softmax, for an input of 224 x 224 x 3 in [0, 1]: for tests.
  std::array<float, 5> logits(const std::vector<float>& input) const;
  const std::string& hash() const;  ///< SHA-256 of the weights

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A frame counts above kSexualScore. A clip is refused when more than kSexualShare of its sampled
/// frames count, or kSexualRun in a row: one frame alone is too often a mistake of the network.
inline constexpr float kSexualScore = 0.7f;
inline constexpr double kSexualShare = 0.1;
inline constexpr int kSexualRun = 3;
/// Under a second: no second goes unseen, however the frames fall (23.976 a second, variable
/// rates).
inline constexpr double kSampleEveryS = 0.95;

struct ContentVerdict {
  bool refused = false;
  int64_t sampled = 0, counted = 0;
  double worst = 0, worst_time_s = 0;
};
/// What a row of scores in time order means.
ContentVerdict judge_content(const std::vector<float>& sexual, const std::vector<double>& times_s);
/// A video, a picture, or a folder of pictures. Throws what reading throws, kCancelled.
ContentVerdict check_content(const std::filesystem::path& path, const ContentNet& net,
                             Progress& progress, const Cancel& cancel);

}  // namespace likeness::trust
