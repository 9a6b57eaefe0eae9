// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/checks.h"
#include "likeness/base/error.h"
#include "likeness/media/audio_file.h"
#include "likeness/tasks/voice_ops.h"
#include "likeness/voice/speaker.h"

namespace likeness::tasks {
namespace {

/// Ten minutes say as much about a voice as ten hours.
constexpr double kListensToS = 600;
constexpr double kLeastSpeechS = 2;

struct Listened {
  voice::SpeakerVector vector;
  nlohmann::json json;
};
Listened listen(const std::filesystem::path& path) {
  const auto sound = media::read_audio(path, kListensToS);
  const audio::Recording r = audio::examine_recording(sound.clip);
  nlohmann::json notes = nlohmann::json::array();
  for (const audio::Finding& f : audio::judge_recording(r, {.least_speech_s = kLeastSpeechS})) {
    // Without speech there is nothing to compare; other faults only make the value less sure.
    if (f.rule == "silent" || f.rule == "too-short")
      throw Error(ErrorCode::kBadInput, path.filename().string() + " (" + f.rule + "): " + f.text,
                  "use a recording with at least 2 s of speech");
    notes.push_back(f.rule + ": " + f.text);
  }
  if (sound.cut) notes.push_back("only the first ten minutes were listened to");
  if (!sound.damage.empty())
    notes.push_back("damaged at " + std::to_string(sound.damage.front().time_s) +
                    " s: " + sound.damage.front().what);
  return {voice::SpeakerEncoder::installed().embed(sound.clip),
          {{"path", path.string()}, {"speech_s", r.speech_s}, {"notes", notes}}};
}

}  // namespace

nlohmann::json compare_speakers(const std::filesystem::path& a, const std::filesystem::path& b) {
  const Listened first = listen(a), second = listen(b);
  nlohmann::json out =
      voice::judge_match(static_cast<double>(voice::cosine(first.vector, second.vector))).to_json();
  out["files"] = {first.json, second.json};
  return out;
}

}  // namespace likeness::tasks
