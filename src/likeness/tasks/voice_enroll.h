// SPDX-License-Identifier: Apache-2.0
// Recordings of one person -> clips a voice can be made from: every recording is decoded in pieces
// (any length in constant memory), examined, denoised, freed of clicks, cut at its pauses, made
// equally loud and kept as 24 kHz mono with its text where that is known.
//
// voices/enrolled/SUBJECT/ holds index.safetensors (what is enrolled, the mean speaker vector) and
// pack-*.safetensors (the samples); model.safetensors beside them is what `voice train` makes. Of a
// person all of them are sealed: they open while a Grant for this subject lives, and a revocation
// destroys them.
#pragma once

#include <string>
#include <vector>

#include "likeness/base/audio.h"
#include "likeness/base/options.h"
#include "likeness/tasks/task.h"
#include "likeness/voice/speaker.h"

namespace likeness::tasks {

struct VoiceIndex;

inline constexpr int kEnrolledRateHz = 24000;

struct EnrolledClip {
  std::string id;    ///< recording's name and the clip's number in it: "a0001", "interview.12"
  std::string text;  ///< what is said; empty when it is not known
  AudioClip clip;    ///< 24 kHz mono, 1 to 12 s, -23 LUFS, true peak at most -1.5 dB
};
struct EnrolledVoice {
  std::string subject;
  double speech_s = 0;
  std::vector<EnrolledClip> clips;  ///< in the order they were enrolled
  voice::SpeakerVector speaker;     ///< mean over the recordings by speech, length 1
  double f0_median_hz = 0;          ///< of the voiced frames; 0 when nothing is voiced
};
/// With `most_s` > 0 only so many seconds of clips, evenly chosen over the recordings (those with
/// text first). Throws kNotFound (nothing is enrolled; the hint says what to run), kRefused
/// (sealed, and no grant for the subject is open, or it was revoked), kDamaged.
EnrolledVoice open_enrolled_voice(const project::Project& project, const std::string& subject,
                                  double most_s = 0);
bool has_enrolled_voice(const project::Project& project, const std::string& subject);

/// voices/enrolled/SUBJECT; where a trained model of the subject belongs too. Throws kUsage (not a
/// name).
std::filesystem::path enrolled_folder(const project::Project& project, const std::string& subject);
/// voices/enrolled/SUBJECT/model.safetensors
std::filesystem::path enrolled_model_path(const project::Project& project,
                                          const std::string& subject);
/// SHA-256 of what is enrolled (the ids of the recordings and their texts): changes when a
/// recording is added or taken away. For the key of a training job.
std::string enrolled_version(const project::Project& project, const std::string& subject);

struct EnrollOptions {
  bool replace = false;
  bool leave_out = false;
  bool denoise = true;
};
template <typename V>
void visit(EnrollOptions& o, V&& f) {
  using I = OptionInfo;
  f("replace", o.replace,
    I{.help = "start over: what was enrolled before is removed once the new recordings are in"});
  f("leave_out", o.leave_out,
    I{.help = "leave recordings of another voice out, instead of refusing them all"});
  f("denoise", o.denoise, I{.help = "take steady noise away where there is some"});
}

struct EnrollRequest {
  std::string subject;
  std::vector<std::filesystem::path> recordings;  ///< files with sound, or folders of them
  /// NAME.txt for NAME.wav, or metadata.csv (or such a file) with lines id|text; empty: no texts.
  std::filesystem::path transcripts;
  /// Instead: the one text that is said in all of them, and its number in the bank.
  std::string text, sentence;
};

class EnrollTask : public Task {
 public:
  /// Throws kUsage (no recording), kNotFound (recording, transcripts folder), kMissing (no speaker
  /// encoder).
  EnrollTask(EnrollRequest request, EnrollOptions options);
  std::string name() const override { return "enroll"; }
  nlohmann::json options() const override;
  trust::Request request() const override;
  std::vector<trust::Input> inputs(project::Project& project) const override;
  std::vector<std::string> locks() const override { return {"voice-" + request_.subject}; }
  std::vector<Chunk> plan(Run& run) override;
  void run(const Chunk& chunk, const std::filesystem::path& out, Run& run) override;
  /// Report: {subject, recordings, added, known, left_out: [{recording, rule, text}], warnings:
  /// [{recording, rule, text}], clips, clips_with_text, speech_s, total_speech_s, f0_median_hz,
  /// match: {against, least, lowest, recording}}. Throws kRefused (other-voice: names the
  /// recordings), kBadInput (nothing of it can be used).
  Result join(const std::vector<std::filesystem::path>& parts, Run& run) override;

 private:
  struct Source {
    trust::Input file;
    std::string text;
  };
  struct Heard;
  const std::vector<Source>& sources() const;
  Heard gather(const Source& source, const std::filesystem::path& part, Run& run) const;
  void judge_speakers(std::vector<Heard>& heard, const VoiceIndex& index, Run& run,
                      nlohmann::json& report) const;
  void store(std::vector<Heard>& heard, VoiceIndex& index, Run& run, Result& result) const;

  EnrollRequest request_;
  EnrollOptions options_;
  mutable std::vector<Source> sources_;
  std::vector<size_t> planned_;  ///< of sources_; the others are enrolled already
  double planned_s_ = 0, done_s_ = 0;
};

/// After the task: what an enrolment with `replace` left behind. `report` is the task's.
void remove_replaced_packs(const project::Project& project, const nlohmann::json& report);

}  // namespace likeness::tasks
