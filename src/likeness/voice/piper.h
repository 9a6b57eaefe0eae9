// SPDX-License-Identifier: Apache-2.0
// Piper voices: a VITS network as NAME.onnx with NAME.onnx.json beside it, and our licence card
// NAME.toml. Their sounds are espeak-ng's IPA; espeak-ng runs as a child process and is never
// linked (GPL).
//
// The network is cut in two where its durations are rounded up (see tensor/onnx_graph.h): the first
// half gives the number of frames of every sound, the second makes the sound for durations it is
// given. So times are exact, rates can differ from word to word, and nothing can be skipped or said
// twice. A network that cannot be cut is run whole, and its times are marked as estimated.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "likeness/voice/voice.h"

namespace likeness::voice {

struct PiperConfig {
  int rate_hz = 22050;
  std::string espeak_voice = "en-us";
  std::string language;  ///< "en-us"
  std::string dataset, quality;
  float noise_scale = 0.667f, length_scale = 1, noise_w = 0.8f;
  int symbols = 256, speakers = 1;
  std::map<char32_t, std::vector<int64_t>> ids;  ///< of a code point; 0: padding, ^ begin, $ end
  /// Throws kBadInput (not JSON), kDamaged (fields missing or out of range), kUnsupported (phonemes
  /// that are not espeak's).
  static PiperConfig parse(const std::string& json, const std::string& name_for_errors);
};

/// The .onnx in a folder that has a .onnx.json beside it; empty when there is none.
std::filesystem::path find_piper_model(const std::filesystem::path& folder);
VoiceInfo piper_info(const std::filesystem::path& model, const std::string& name);
std::unique_ptr<Voice> open_piper(const std::filesystem::path& model, const std::string& name);

/// IPA of each word, as espeak-ng says them in their sentence; words it joins ("of the") are taken
/// apart again. Empty for a word it is silent about. Throws kMissing without espeak-ng.
std::vector<std::string> espeak_ipa(const Sentence& sentence, const std::string& voice);

}  // namespace likeness::voice
