// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/voice_enroll_match.h"

#include <algorithm>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/memory_file.h"
#include "likeness/media/audio_file.h"
#include "likeness/tasks/voice_enroll_store.h"
#include "likeness/trust/consent_store.h"
#include "likeness/trust/finish.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using voice::SpeakerVector;
namespace {

// Two windows of 3 s overlap by half: three of them are 6 s of speech.
constexpr size_t kLeastWindows = 3;
// Measured on LibriSpeech: the halves of one speaker are at least 0.90 alike (24 speakers), those
// of a speaker with three windows of another at most 0.78 (168 pairs).
constexpr double kTwoVoices = 0.82;
// Kathleen's sentences of 2 to 5 s against three others of hers: 0.735 at least (21).
constexpr double kShortSpeechS = 6, kShortAllowance = 0.04;

SpeakerVector mean_of_group(const std::vector<SpeakerVector>& v, const std::vector<int>& group,
                            int which) {
  SpeakerVector sum(v.front().size());
  for (size_t i = 0; i < v.size(); ++i)
    for (size_t k = 0; group[i] == which && k < sum.size(); ++k) sum[k] += v[i][k];
  voice::to_unit_length(sum);
  return sum;
}

size_t least_alike(const std::vector<SpeakerVector>& v, const SpeakerVector& to) {
  size_t out = 0;
  for (size_t i = 1; i < v.size(); ++i)
    if (voice::cosine(v[i], to) < voice::cosine(v[out], to)) out = i;
  return out;
}

}  // namespace

SpeakerVector mean_vector(const std::vector<SpeakerVector>& vectors) {
  if (vectors.empty()) return {};
  return mean_of_group(vectors, std::vector<int>(vectors.size()), 0);
}

TwoVoices find_two_voices(const std::vector<SpeakerVector>& v) {
  TwoVoices out;
  if (v.size() < 2 * kLeastWindows) return out;
  SpeakerVector a = v[least_alike(v, mean_vector(v))], b = v[least_alike(v, a)];
  std::vector<int> group(v.size());
  for (int round = 0; round < 12; ++round) {  // k-means on the sphere, k = 2
    const auto before = group;
    for (size_t i = 0; i < v.size(); ++i)
      group[i] = voice::cosine(v[i], a) >= voice::cosine(v[i], b) ? 0 : 1;
    a = mean_of_group(v, group, 0), b = mean_of_group(v, group, 1);
    if (group == before && round > 0) break;
  }
  const auto ones = static_cast<size_t>(std::count(group.begin(), group.end(), 1));
  const int fewer = ones * 2 <= v.size() ? 1 : 0;
  out.fewer = fewer ? ones : v.size() - ones;
  if (out.fewer == 0) return out;
  out.first = static_cast<size_t>(std::find(group.begin(), group.end(), fewer) - group.begin());
  out.cosine = static_cast<double>(voice::cosine(a, b));
  out.found = out.fewer >= kLeastWindows && out.cosine < kTwoVoices;
  return out;
}

SpeakerVector common_voice(const std::vector<SpeakerVector>& vectors,
                           const std::vector<double>& weights) {
  if (vectors.size() < 2) return {};
  const auto mean = [&](const SpeakerVector* near) {
    SpeakerVector sum(vectors.front().size());
    for (size_t i = 0; i < vectors.size(); ++i) {
      if (near && static_cast<double>(voice::cosine(vectors[i], *near)) < least_match(weights[i]))
        continue;
      for (size_t k = 0; k < sum.size(); ++k)
        sum[k] += static_cast<float>(weights[i]) * vectors[i][k];
    }
    voice::to_unit_length(sum);
    return sum;
  };
  // From the recording that is nearest to all others, so that a loud minority does not win.
  size_t best = 0;
  double most = -1;
  for (size_t i = 0; i < vectors.size(); ++i) {
    double sum = 0;
    for (size_t k = 0; k < vectors.size(); ++k)
      if (i != k) sum += weights[k] * static_cast<double>(voice::cosine(vectors[i], vectors[k]));
    if (sum > most) most = sum, best = i;
  }
  SpeakerVector out = vectors[best];
  for (int round = 0; round < 3; ++round) out = mean(&out);
  return out;
}

double least_match(double speech_s) {
  const double limit = voice::speaker_calibration().threshold;
  return speech_s < kShortSpeechS ? limit - kShortAllowance : limit;
}

std::optional<VoiceReference> consent_voice(const project::Project& project,
                                            const trust::Grant& grant, const std::string& subject) {
  const bool person =
      std::any_of(grant.consents().begin(), grant.consents().end(),
                  [&](const trust::GrantedConsent& c) { return c.subject == subject; });
  if (!person) return std::nullopt;
  const auto ledger = trust::Ledger(trust::ledger_path(project)).read();
  const auto history = trust::subject_history(ledger, subject);
  const auto stored = trust::load_consent(project, history.consent);
  const std::string type = stored.record.at("evidence").at(0).at("type");
  if (type != "SpokenPasscodeVideo") return std::nullopt;  // a document has no voice
  const auto refused = [&](const std::string& why) {
    throw Error(
        ErrorCode::kRefused,
        "enrolling '" + subject +
            "' is refused (consent-voice): no voice can be heard in the statement that the "
            "consent rests on (" +
            why + ")",
        "record the consent again, with sound: likeness consent request PROJECT " + subject);
  };
  try {
    const MemoryFile file(
        read_file(trust::consent_folder(project, history.consent) / "evidence.sealed", 4ull << 30));
    const auto sound = media::read_audio(file.path(), 600);
    return VoiceReference{voice::SpeakerEncoder::installed().embed(sound.clip),
                          "the voice of the consent statement", true};
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kBadInput && e.code() != ErrorCode::kDamaged &&
        e.code() != ErrorCode::kUnsupported)
      throw;
    std::string why = e.what();
    if (why.rfind("/proc", 0) == 0) why.replace(0, why.find_first_of(": "), "the statement");
    refused(why);
  }
  return std::nullopt;
}

}  // namespace likeness::tasks
