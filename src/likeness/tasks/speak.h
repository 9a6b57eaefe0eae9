// SPDX-License-Identifier: Apache-2.0
// Speech from text: sentence by sentence in the voice that was asked for, joined, made as loud as
// it should be, marked and signed. With the times of every word and sound where they are wanted.
#pragma once

#include <memory>
#include <string>

#include "likeness/base/options.h"
#include "likeness/tasks/task.h"
#include "likeness/trust/label.h"
#include "likeness/voice/clone.h"
#include "likeness/voice/voice.h"

namespace likeness::tasks {

struct SpeakTaskOptions {
  double rate = 1;
  std::string pitch = "0st";
  int sample_rate_hz = 48000;
  double loudness_lufs = -19;
  double sentence_pause_s = 0.3, paragraph_pause_s = 0.7;
  int seed = 1;
  double retrieval = 0.4;
  trust::LabelOptions label;
};
template <typename V>
void visit(SpeakTaskOptions& o, V&& f) {
  using enum OptionLevel;
  using I = OptionInfo;
  f("rate", o.rate,
    I{.help = "how fast: 0.9 is slower than the voice's own", .min = 0.25, .max = 4});
  f("pitch", o.pitch, I{.help = "how high: +1st is a semitone up; -12st to +12st, or in percent"});
  f("sample_rate_hz", o.sample_rate_hz,
    I{.help = "24000 or 48000", .unit = "Hz", .min = 24000, .max = 48000});
  f("loudness_lufs", o.loudness_lufs,
    I{.help = "integrated loudness, EBU R 128", .unit = "LUFS", .min = -40, .max = -12});
  f("sentence_pause_s", o.sentence_pause_s,
    I{.help = "silence between sentences", .unit = "s", .min = 0, .max = 5, .level = kAdvanced});
  f("paragraph_pause_s", o.paragraph_pause_s,
    I{.help = "silence between paragraphs", .unit = "s", .min = 0, .max = 10, .level = kAdvanced});
  f("seed", o.seed,
    I{.help = "another number gives another reading by a neural voice",
      .min = 0,
      .max = 1e9,
      .level = kAdvanced});
  f("retrieval", o.retrieval,
    I{.help = "an enrolled person's voice: share of sound drawn from the person's recordings",
      .min = 0,
      .max = 1,
      .level = kAdvanced});
  visit(o.label, f);
}

struct SpeakRequest {
  std::string text;            ///< plain or SSML
  std::filesystem::path file;  ///< or the file it is in
  std::string voice;  ///< of voice list, or a subject whose voice is trained; empty: the default
  std::filesystem::path out;      ///< .wav
  std::filesystem::path timings;  ///< .json, or empty
  std::filesystem::path lexicon;  ///< or empty
};

class SpeakTask : public Task {
 public:
  /// Declares the voice in the project (subject voice-NAME, licensed) when it is not there. Throws
  /// kUsage (no text, not .wav), kNotFound (voice, file), and what the text or the lexicon is
  /// refused for.
  SpeakTask(project::Project& project, SpeakRequest request, SpeakTaskOptions options);
  ~SpeakTask() override;
  std::string name() const override { return "speak"; }
  nlohmann::json options() const override;
  trust::Request request() const override;
  std::vector<trust::Input> inputs(project::Project& project) const override;
  std::vector<Chunk> plan(Run& run) override;
  void run(const Chunk& chunk, const std::filesystem::path& out, Run& run) override;
  Result join(const std::vector<std::filesystem::path>& parts, Run& run) override;

 private:
  const voice::Voice& voice();

  SpeakRequest request_;
  SpeakTaskOptions options_;
  double pitch_st_ = 0;
  std::vector<std::filesystem::path> folders_;  ///< where the project keeps voices
  voice::VoiceInfo info_;
  voice::Lexicon lexicon_;
  voice::Script script_;
  std::unique_ptr<voice::Voice> voice_;
  std::filesystem::path model_;            ///< of the cloned voice, or empty
  std::string subject_, subject_version_;  ///< whose trained voice it is said in, or empty
  std::shared_ptr<const voice::Clone> clone_;
};

/// "+1st", "-2", "10%" in semitones. Throws kUsage.
double parse_pitch_st(const std::string& text);

/// Where a project keeps voices of its own.
std::filesystem::path project_voices(const project::Project& project);

}  // namespace likeness::tasks
