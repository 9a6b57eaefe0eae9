// SPDX-License-Identifier: Apache-2.0
// Whose voice is in the recordings: one person's each, all the same, and the one that agreed.
// The limits are measured: docs/guide/voice.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "likeness/project/project.h"
#include "likeness/trust/consent.h"
#include "likeness/voice/speaker.h"

namespace likeness::tasks {

/// Windows of 3 s of one recording, divided into the two groups that differ most.
struct TwoVoices {
  double cosine = 1;   ///< of the groups' means; 1 when there are too few windows
  size_t fewer = 0;    ///< windows of the smaller group
  size_t first = 0;    ///< the first of them
  bool found = false;  ///< cosine under the limit, and the smaller group is no accident
};
TwoVoices find_two_voices(const std::vector<voice::SpeakerVector>& windows);

/// A recording's voice: the mean of its windows.
voice::SpeakerVector mean_vector(const std::vector<voice::SpeakerVector>& vectors);

struct VoiceReference {
  voice::SpeakerVector vector;  ///< empty: nothing to compare with
  std::string what;             ///< "the consent statement", "what is enrolled", "the others"
  bool consent = false;
};
/// The voice of the statement that the subject's consent rests on, where there is one. The grant
/// must be open. Throws kRefused (consent-voice) when no voice can be heard in it.
std::optional<VoiceReference> consent_voice(const project::Project& project,
                                            const trust::Grant& grant, const std::string& subject);
/// The voice most of the recordings share, by weight. Empty with fewer than two.
voice::SpeakerVector common_voice(const std::vector<voice::SpeakerVector>& vectors,
                                  const std::vector<double>& weights);

/// The least cosine with the reference that passes, for so much speech.
double least_match(double speech_s);

}  // namespace likeness::tasks
