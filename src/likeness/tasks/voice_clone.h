// SPDX-License-Identifier: Apache-2.0
// A consented person's voice: training it from what was enrolled, and turning a take into it. The
// rest of the engine is the same as for pictures: a grant before, mark and manifest after.
#pragma once

#include "likeness/base/options.h"
#include "likeness/tasks/task.h"
#include "likeness/trust/label.h"
#include "likeness/voice/clone.h"

namespace likeness::tasks {

/// Fine-tunes our converter; writes voices/enrolled/SUBJECT/model.safetensors. Goes on from the
/// checkpoints of the last run; minutes count over all runs.
class VoiceTrainTask : public Task {
 public:
  /// Throws kNotFound (nothing is enrolled).
  VoiceTrainTask(const project::Project& project, std::string subject, voice::CloneOptions options);
  std::string name() const override { return "voice-train"; }
  nlohmann::json options() const override;
  trust::Request request() const override;
  std::vector<trust::Input> inputs(project::Project&) const override { return {}; }
  std::vector<std::string> locks() const override { return {"voice-" + subject_}; }
  std::vector<Chunk> plan(Run& run) override;
  void run(const Chunk& chunk, const std::filesystem::path& out, Run& run) override;
  Result join(const std::vector<std::filesystem::path>& parts, Run& run) override;

 private:
  std::string subject_, version_;
  voice::CloneOptions options_;
};

/// How somebody's speech becomes another's.
struct ConversionOptions {
  double retrieval = 0.4;
  std::string pitch = "0st";
  bool map_pitch = true;
};
template <typename V>
void visit(ConversionOptions& o, V&& f) {
  using I = OptionInfo;
  f("retrieval", o.retrieval,
    I{.help = "share of the sound that is drawn from the person's own recordings; more is more "
              "alike and less clear",
      .min = 0,
      .max = 1});
  f("pitch", o.pitch,
    I{.help = "on top of the person's own height: -12st to +12st, or in percent"});
  f("map_pitch", o.map_pitch,
    I{.help = "move the melody to the person's height and range; off keeps it as it is"});
}
/// Throws kUsage (pitch).
voice::ConvertOptions resolved(const ConversionOptions& options);

struct VoiceConvertOptions {
  ConversionOptions how;
  int sample_rate_hz = 48000;
  trust::LabelOptions label;
};
template <typename V>
void visit(VoiceConvertOptions& o, V&& f) {
  visit(o.how, f);
  f("sample_rate_hz", o.sample_rate_hz,
    OptionInfo{.help = "24000 or 48000", .unit = "Hz", .min = 24000, .max = 48000});
  visit(o.label, f);
}

class VoiceConvertTask : public Task {
 public:
  /// Throws kUsage (not .wav), kNotFound (take, subject, voice that is not trained).
  VoiceConvertTask(const project::Project& project, std::filesystem::path take, std::string subject,
                   std::filesystem::path out, VoiceConvertOptions options);
  std::string name() const override { return "voice-convert"; }
  nlohmann::json options() const override;
  trust::Request request() const override;
  std::vector<trust::Input> inputs(project::Project&) const override;
  std::vector<Chunk> plan(Run& run) override;
  void run(const Chunk& chunk, const std::filesystem::path& out, Run& run) override;
  Result join(const std::vector<std::filesystem::path>& parts, Run& run) override;

 private:
  std::filesystem::path take_, out_;
  std::string subject_;
  VoiceConvertOptions options_;
  voice::ConvertOptions how_;
};

/// The trained voice of a subject. Throws kNotFound with what to run first.
std::filesystem::path trained_voice(const project::Project& project, const std::string& subject);

}  // namespace likeness::tasks
