// SPDX-License-Identifier: Apache-2.0
// One take of the bank: is it good enough, and does it say what it should?
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "likeness/audio/checks.h"
#include "likeness/base/error.h"
#include "likeness/media/audio_file.h"
#include "likeness/tasks/recogniser.h"
#include "likeness/tasks/voice_bank.h"
#include "likeness/tasks/voice_enroll.h"
#include "likeness/tasks/voice_enroll_match.h"
#include "likeness/tasks/voice_enroll_store.h"
#include "likeness/voice/text.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr double kMostTakeS = 60, kQuietPeakDb = -30;
/// The recogniser mistakes about one word in five of natural speech, so half of them must be there.
constexpr double kLeastWordsRight = 0.5;

/// As they are said: "7" is "seven".
std::vector<std::string> spoken_words(const std::string& text) {
  std::string all;
  for (const auto& s : voice::read_script(text).sentences) all += s.text() + " ";
  return words_of(all);
}

void check_words(const AudioClip& clip, const BankSentence& sentence, TakeCheck& out) {
  try {
    out.heard = hear_words(clip);
  } catch (const Error& e) {
    out.words = std::string("not checked: ") + e.what() +
                (e.code() == ErrorCode::kMissing ? " (" + e.hint() + ")" : "");
    return;
  }
  const auto want = spoken_words(sentence.text);
  const double share = want.empty()
                           ? 0
                           : static_cast<double>(words_in_order(want, words_of(out.heard))) /
                                 static_cast<double>(want.size());
  out.words = share >= kLeastWordsRight ? "right" : "wrong";
  if (share < kLeastWordsRight)
    out.findings.push_back(
        {{"rule", "other-words"},
         {"text", "the recogniser heard: \"" + out.heard +
                      "\"; read the sentence as it stands, or confirm that it is right"},
         {"refused", true}});
}

}  // namespace

json TakeCheck::to_json() const {
  return {{"good", good},         {"findings", findings}, {"heard", heard},    {"words", words},
          {"speech_s", speech_s}, {"snr_db", snr_db},     {"peak_db", peak_db}};
}

TakeCheck check_take(const fs::path& take, const BankSentence& sentence, bool confirmed) {
  const auto sound = media::read_audio(take, kMostTakeS);
  TakeCheck out;
  const auto say = [&](const std::string& rule, const std::string& text, bool refused) {
    out.findings.push_back({{"rule", rule}, {"text", text}, {"refused", refused}});
  };
  if (sound.cut) say("too-long", "it is longer than a minute; one sentence a take", true);
  const audio::Recording r = audio::examine_recording(sound.clip);
  out.speech_s = r.speech_s, out.snr_db = r.snr_db(), out.peak_db = r.true_peak_db;
  for (const auto& f : audio::judge_recording(r, {.least_speech_s = 0.6}))
    say(f.rule, f.text, f.severity == audio::Severity::kRefusal);
  if (r.true_peak_db < kQuietPeakDb && r.speech_s > 0)
    say("quiet",
        "it is very quiet (peak " + std::to_string(std::lround(r.true_peak_db)) +
            " dB); raise the level or come closer",
        false);
  if (!sound.damage.empty()) say("damaged", "a part of the file cannot be read", true);
  const auto refused = [&] {
    return std::any_of(out.findings.begin(), out.findings.end(),
                       [](const json& f) { return f["refused"].get<bool>(); });
  };
  if (!refused()) {
    if (confirmed)
      out.words = "confirmed";
    else
      check_words(sound.clip, sentence, out);
  }
  if (out.words.empty()) out.words = "not checked: the take is not good enough";
  out.good = !refused();
  return out;
}

void check_voice(const project::Project& project, const trust::Grant& grant,
                 const std::string& subject, const fs::path& take, TakeCheck& out) {
  auto reference = consent_voice(project, grant, subject);
  const VoiceIndex index = read_voice_index(enrolled_folder(project, subject), subject);
  if (!reference && !index.recordings.empty())
    reference = VoiceReference{index.speaker(), "what is enrolled already", false};
  if (!reference || reference->vector.empty()) return;
  const auto sound = media::read_audio(take, kMostTakeS);
  const double got = static_cast<double>(
      voice::cosine(voice::SpeakerEncoder::installed().embed(sound.clip), reference->vector));
  if (got >= least_match(out.speech_s)) return;
  out.good = false;
  out.findings.push_back(
      {{"rule", reference->consent ? "other-voice-than-consent" : "other-voice"},
       {"text", "this is not the voice of " + reference->what + "; " + subject + " has to read it"},
       {"refused", true}});
}

}  // namespace likeness::tasks
