// SPDX-License-Identifier: Apache-2.0
// A second speaker encoder that nothing here was trained with: what is reported about clones.
//
// The d-vector encoder of VoiceFilter (Wang et al. 2019, section 3.1; models/voices/
// speaker_judge.toml): 40 log10 mel bands, windows of 80 frames every 40, three LSTM layers of 768;
// the mean of the windows' directions. Its front end is librosa's: frames are not centred, 400
// samples under a Hamming window in the middle of 512.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "likeness/base/audio.h"
#include "likeness/tensor/onnx.h"
#include "likeness/voice/speaker.h"

namespace likeness::bench {

class SpeakerJudge {
 public:
  /// Throws kMissing with what to run.
  SpeakerJudge();
  /// 256 numbers, length 1. Pauses are cut out first. Throws kBadInput with under 0.5 s of speech.
  voice::SpeakerVector embed(const AudioClip& clip) const;

 private:
  std::string bytes_;
  tensor::OnnxModel model_;
};

/// [frames][40]: log10 of mel power. Slaney's bands, areas normalised.
std::vector<float> judge_mel(std::span<const float> mono_16k);

}  // namespace likeness::bench
