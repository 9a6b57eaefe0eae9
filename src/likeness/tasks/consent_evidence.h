// SPDX-License-Identifier: Apache-2.0
// Is a video the person of a faceset, in one take, turning the head, and speaking live?
// The limits come from measured impostor pairs: docs/guide/consent.md, bench/quality/consent.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/run.h"
#include "likeness/face/face.h"

namespace likeness::tasks {

struct EvidenceReport {
  std::string failed, why, hint;  ///< first check that failed; empty = all held
  int64_t frames = 0, faces = 0;
  double duration_s = 0;
  int compared = 0;  ///< frames whose embedding was compared
  double distance_mean = 0, distance_max = 0;
  double yaw_range_deg = 0, pitch_range_deg = 0;
  int cuts = 0, people = 0;
  double sync_correlation = 0, sync_detail = 0, sync_lag_ms = 0, speech_s = 0;
  face::Embedding face{};  ///< mean of the compared frames
  nlohmann::json to_json() const;
};

/// Throws what opening the video throws. Everything else is in the report.
EvidenceReport check_evidence(const std::filesystem::path& video, const face::Embedding& known,
                              Progress& progress, const Cancel& cancel);
/// Names of the networks used, with the start of their hashes.
std::vector<std::string> evidence_models();

/// Mouth opening (inner lips over the distance of the eyes, logarithm) against the loudness of the
/// sound: best correlation over lags of +-0.4 s, and the lag (> 0: the sound is late). `detail` is
/// that of what changes within a second, over +-0.2 s: pauses alone, which all speech has, give
/// none. Both at frame times.
struct LipSync {
  double correlation = 0, detail = 0, lag_s = 0, speech_s = 0;
  double score() const { return correlation + detail; }
};
LipSync lip_sync(const std::vector<float>& mouth, const std::vector<float>& loudness,
                 double frame_rate);
/// Loudness in dB of each frame's time, from mono samples.
std::vector<float> loudness_per_frame(const std::vector<float>& samples, int rate_hz,
                                      double frame_rate, size_t frames);

/// Of the person who is longest in a video.
struct MouthAndSound {
  double frame_rate = 0;
  std::vector<float> mouth, loudness;
};
MouthAndSound mouth_and_sound(const std::filesystem::path& video, Progress& progress,
                              const Cancel& cancel);

// Limits.
inline constexpr double kMaxFaceDistance = 0.45;
inline constexpr double kMinTurnDeg = 12, kMinDurationS = 4;
inline constexpr double kMinSync = 0.75;  ///< of LipSync::score()
inline constexpr double kMaxLagS = 0.2, kMinSpeechS = 1.5;
inline constexpr int kMinCompared = 5;

}  // namespace likeness::tasks
