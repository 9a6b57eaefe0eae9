// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "likeness/voice/speaker.h"

namespace likeness::voice {

const SpeakerCalibration& speaker_calibration() {
  // 226 recordings of 136 speakers of LibriSpeech (test-other and train-clean-100): 450 pairs of
  // one speaker and 24 975 of two, with `bench_voice speakers`. Pairs of one speaker come from one
  // reading session, which flatters them: other days and microphones lower the values of one
  // speaker.
  static const SpeakerCalibration calibration{0.8699, 0.0525, 0.5554, 0.0790, 0.0141, 0.743};
  return calibration;
}

SpeakerMatch judge_match(double cosine) {
  const SpeakerCalibration& c = speaker_calibration();
  SpeakerMatch m;
  m.cosine = cosine;
  m.different_share =
      0.5 * std::erfc((cosine - c.different_mean) / (c.different_deviation * std::sqrt(2.0)));
  m.same_share = 0.5 * std::erfc((c.same_mean - cosine) / (c.same_deviation * std::sqrt(2.0)));
  m.verdict = cosine >= 0.82   ? "same"
              : cosine >= 0.76 ? "probably same"
              : cosine >= 0.66 ? "uncertain"
              : cosine >= 0.58 ? "probably different"
                               : "different";
  return m;
}

nlohmann::json SpeakerMatch::to_json() const {
  return {{"cosine", cosine},
          {"verdict", verdict},
          {"different_speakers_this_alike", different_share},
          {"one_speaker_this_unlike", same_share},
          {"equal_error_rate", speaker_calibration().equal_error_rate},
          {"calibrated_on", "LibriSpeech, one session a speaker"}};
}

}  // namespace likeness::voice
