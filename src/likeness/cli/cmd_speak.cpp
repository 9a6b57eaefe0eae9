// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/option_flags.h"
#include "likeness/cli/session.h"
#include "likeness/tasks/speak.h"

namespace likeness::cli {
namespace {

std::string text_of(const nlohmann::json& j) {
  std::string text = table(
      {{"written", j["output"]},
       {"voice", j["voice"].get<std::string>() +
                     (j["spoken_by"] == j["voice"]
                          ? " ("
                          : ", a clone spoken by " + j["spoken_by"].get<std::string>() + " (") +
                     j["engine"].get<std::string>() + ", " + j["licence"].get<std::string>() +
                     "), " + j["voice_was"].get<std::string>()},
       {"length", short_text(j["duration_s"]) + " s, " + j["sentences"].dump() + " sentences, " +
                      j["words"].dump() + " words"},
       {"loudness", short_text(j["loudness_lufs"]) + " LUFS, true peak " +
                        short_text(j["true_peak_db"]) + " dB"},
       {"times", j["timing"].get<std::string>() +
                     (j.contains("timings") ? ", in " + j["timings"].get<std::string>() : "")}});
  for (const auto& w : j["warnings"]) text += "note: " + w.get<std::string>() + "\n";
  return text;
}

}  // namespace

void add_speak_command(Session& s) {
  auto* c = s.command(
      &s.app(), "speak", "make speech from text",
      {"likeness speak film \"The birch canoe slid on the smooth planks.\" -o line.wav",
       "likeness speak film --file script.txt --voice joe -o line.wav --timings line.json",
       "likeness speak film \"<speak>Wait <break time='500ms'/> now.</speak>\" --rate 0.9 --pitch "
       "+1st -o line.wav"});
  struct Args {
    std::string folder, text, file, voice, out, timings, lexicon;
  };
  auto a = std::make_shared<Args>();
  auto flags = std::make_shared<OptionFlags<tasks::SpeakTaskOptions>>("speak");
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("text", a->text, "what to say, plain or SSML");
  c->add_option("--file", a->file, "or the file it is in");
  c->add_option(
      "--voice", a->voice,
      "who says it: of likeness voice list, or a subject whose voice is trained [default: "
      "the best here]");
  c->add_option("-o,--out", a->out, "file to write, .wav [default outputs/ of the project]");
  c->add_option("--timings", a->timings, "also write the times of words and sounds, .json");
  c->add_option("--lexicon", a->lexicon,
                "pronunciations: lines of WORD and ARPAbet, /IPA/ or \"say this\"");
  flags->add(c, false);
  s.on_run(c, [&s, a, flags] {
    auto p = project::Project::open(a->folder);
    const auto options = flags->resolve(&p);
    std::filesystem::path out = a->out;
    if (out.empty()) out = p.outputs_folder() / "speech.wav";
    tasks::SpeakTask task(p, {a->text, a->file, a->voice, out, a->timings, a->lexicon}, options);
    const auto done = s.run(task, p);
    s.print(done.report, text_of(done.report));
    return 0;
  });
}

}  // namespace likeness::cli
