// SPDX-License-Identifier: Apache-2.0
// Speaking in an enrolled person's voice while one speaks: raw sound in, raw sound out, a quarter
// of a second later. What is heard carries the mark already; what was said is kept as a file like
// any other output.
#pragma once

#include <functional>

#include "likeness/base/options.h"
#include "likeness/tasks/task.h"
#include "likeness/tasks/voice_clone.h"

namespace likeness::tasks {

struct VoiceStreamOptions {
  ConversionOptions how;
  double speaker_hz = 0;
};
template <typename V>
void visit(VoiceStreamOptions& o, V&& f) {
  visit(o.how, f);
  f("speaker_hz", o.speaker_hz,
    OptionInfo{.help = "usual height of whoever speaks, so that the first words are right too; 0 "
                       "finds it out while listening",
               .unit = "Hz",
               .min = 0,
               .max = 900});
}

inline constexpr double kMostRehearsal_s = 300;

/// The last second of a stream.
struct VoiceStreamStats {
  double heard_s = 0;       ///< so far
  double waiting_ms = 0;    ///< before a sound can be computed at all
  double computing_ms = 0;  ///< of a piece, mean
  double behind_ms = 0;     ///< at worst: how late a piece was ready
  size_t pieces = 0;        ///< of 10.7 ms, in all
  size_t late = 0;          ///< that were ready later than when the next one came, in all
};

/// For whoever stands between the stream and a listener.
struct VoiceStreamListener {
  std::function<void()> ready;  ///< from now on sound is expected
  std::function<void(const VoiceStreamStats&)> stats;
};

class VoiceStreamTask : public Task {
 public:
  /// `in` and `out`: file descriptors of raw sound, mono, 24 kHz, 16 bit, little endian. `record`:
  /// the .wav file that keeps what was said. Empty: a rehearsal, a preview in the sense of the
  /// consent gate; it is heard (marked) for at most kMostRehearsal_s, nothing of it is kept, and
  /// the ledger says so. Throws kUsage (not .wav), kNotFound (subject, a voice that is not
  /// trained).
  VoiceStreamTask(const project::Project& project, std::string subject,
                  std::filesystem::path record, VoiceStreamOptions options, int in, int out,
                  VoiceStreamListener listener = {});
  std::string name() const override { return "voice-stream"; }
  nlohmann::json options() const override;
  trust::Request request() const override;
  std::vector<trust::Input> inputs(project::Project&) const override;
  std::vector<Chunk> plan(Run& run) override;
  void run(const Chunk& chunk, const std::filesystem::path& out, Run& run) override;
  Result join(const std::vector<std::filesystem::path>& parts, Run& run) override;

 private:
  bool rehearses() const { return record_.empty(); }

  std::string subject_, started_;
  std::filesystem::path record_;
  VoiceStreamOptions options_;
  voice::ConvertOptions how_;
  int in_, out_;
  VoiceStreamListener listener_;
};

/// outputs/live-as-SUBJECT-TIME.wav
std::filesystem::path live_record(const project::Project& project, const std::string& subject);

}  // namespace likeness::tasks
