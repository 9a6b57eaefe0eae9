// SPDX-License-Identifier: Apache-2.0
// How an enrolled voice lies on the disk. Shared by the files of voice_enroll*.cpp, voice_bank.cpp
// and voice_ops.cpp.
//
// index.safetensors: tensor "vectors" [recordings][256] F32, metadata "index" (JSON of the
// recordings and their clips). pack-HASH.safetensors: a tensor U8 [frames][2] for each clip, PCM
// 16 bit little-endian. A pack belongs to the voice only while the index names it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/tensor/safetensors.h"
#include "likeness/voice/speaker.h"

namespace likeness::tasks {

struct StoredClip {
  std::string id, text;
  std::string pack;  ///< file name
  int64_t frames = 0;
  double speech_s = 0, f0_hz = 0, voiced_s = 0;
};
struct StoredRecording {
  std::string hash, name;  ///< of the file; its name without folder
  std::string text;        ///< the transcript it came with, used or not
  std::string sentence;    ///< of the bank, empty elsewhere
  std::string enrolled_at;
  double duration_s = 0, speech_s = 0;
  nlohmann::json warnings = nlohmann::json::array();  ///< [{rule, text}]
  std::vector<StoredClip> clips;
  voice::SpeakerVector vector;
};
struct VoiceIndex {
  std::string subject;
  std::vector<StoredRecording> recordings;

  double speech_s() const;
  size_t clips() const;
  /// Mean of the recordings, weighted by their speech; length 1. Empty without recordings.
  voice::SpeakerVector speaker() const;
  double f0_median_hz() const;
};

std::filesystem::path enrolled_index_path(const std::filesystem::path& folder);
/// Empty when there is none. Throws kRefused (sealed, no key open), kDamaged.
VoiceIndex read_voice_index(const std::filesystem::path& folder, const std::string& subject);
void write_voice_index(const std::filesystem::path& path, const VoiceIndex& index);

/// Weighted by their time.
double weighted_median(std::vector<std::pair<double, double>> values_and_weights);

}  // namespace likeness::tasks
