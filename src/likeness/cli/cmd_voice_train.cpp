// SPDX-License-Identifier: Apache-2.0
#include <csignal>

#include <unistd.h>

#include "likeness/cli/option_flags.h"
#include "likeness/cli/session.h"
#include "likeness/tasks/voice_clone.h"
#include "likeness/tasks/voice_stream.h"
#include "likeness/voice/pretrain.h"

namespace likeness::cli {

void add_voice_pretrain(Session& s, CLI::App* group) {
  auto* c = s.command(
      group, "pretrain", "make the base weights of a part of the voice from recordings",
      {"likeness voice pretrain kathleen --part vocoder --licence \"CC0 1.0\" -o "
       "vocoder.safetensors",
       "likeness voice pretrain kathleen more --part content --minutes 30 --licence CC0 -o "
       "content.safetensors"});
  auto r = std::make_shared<voice::PretrainRequest>();
  auto corpora = std::make_shared<std::vector<std::string>>();
  auto out = std::make_shared<std::string>(), work = std::make_shared<std::string>(),
       content = std::make_shared<std::string>();
  auto flags = std::make_shared<OptionFlags<voice::PretrainOptions>>("voice_pretrain");
  std::string parts;
  for (const auto& p : voice::pretrain_parts()) parts += (parts.empty() ? "" : ", ") + p;
  c->add_option("corpus", *corpora,
                "folders of recordings, with metadata.csv (id|text) or NAME.txt")
      ->required();
  c->add_option("--part", r->part, "what to train: " + parts)->required();
  c->add_option("--licence", r->licence, "of the recordings; it is written into the weights' card");
  c->add_option("-o,--out", *out, "weights to write, .safetensors")->required();
  c->add_option("--work", *work, "folder of checkpoints, gone on from [default OUT.work]");
  c->add_option("--content", *content, "content encoder for acoustic and converter [default ours]");
  flags->add(c, false);
  s.on_run(c, [&s, r, corpora, out, work, content, flags] {
    for (const auto& one : *corpora) r->corpora.emplace_back(one);
    r->out = *out;
    r->content = *content;
    r->work = work->empty() ? *out + ".work" : *work;
    const auto j = voice::pretrain(*r, flags->resolve(nullptr), s.progress(), Session::cancel());
    if (!j.contains("out")) {  // g2p learns a number of rounds, not of minutes
      s.print(j, "stopped before the end; the same command goes on\n");
      return 0;
    }
    std::vector<std::vector<std::string>> rows = {{"written", j["out"]}};
    if (j.contains("steps"))
      rows.push_back({"steps", j["steps"].dump() + " in " + short_text(j["minutes"]) + " min"});
    if (j.contains("loss")) rows.push_back({"loss", short_text(j["loss"])});
    rows.push_back({"held out", j["held_out"].dump()});
    s.print(j, table(rows));
    return 0;
  });
}

void add_voice_train(Session& s, CLI::App* group) {
  auto* c = s.command(group, "train", "teach our converter the voice of an enrolled person",
                      {"likeness voice train film ada",
                       "likeness voice train film ada --minutes 15   # goes on from the last run"});
  auto folder = std::make_shared<std::string>(), subject = std::make_shared<std::string>();
  auto flags = std::make_shared<OptionFlags<voice::CloneOptions>>("voice_train");
  c->add_option("project", *folder, "project folder")->required();
  c->add_option("subject", *subject, "whose voice; enrolled before")->required();
  auto resume = std::make_shared<bool>(false);
  c->add_flag("--resume", *resume, "go on from the last run; that is also what happens without it");
  flags->add(c, false);
  s.on_run(c, [&s, folder, subject, flags] {
    auto p = project::Project::open(*folder);
    tasks::VoiceTrainTask task(p, *subject, flags->resolve(&p));
    const auto j = s.run(task, p).report;
    s.print(j, table({{"voice", j["model"]},
                      {"learned from", short_text(j["speech_s"]) + " s of speech"},
                      {"steps", j["steps"].dump() + " in " + short_text(j["minutes"]) + " min"},
                      {"loss", short_text(j["loss"])},
                      {"height", short_text(j["f0_median_hz"]) + " Hz"}}));
    return 0;
  });
}

void add_voice_convert(Session& s, CLI::App* group) {
  auto* c = s.command(
      group, "convert", "say a recorded take in an enrolled and trained person's voice",
      {"likeness voice convert film take.wav --voice ada -o as-ada.wav",
       "likeness voice convert film take.wav --voice ada --retrieval 0.7 --pitch -1st -o low.wav"});
  struct Args {
    std::string folder, take, voice, out;
  };
  auto a = std::make_shared<Args>();
  auto flags = std::make_shared<OptionFlags<tasks::VoiceConvertOptions>>("voice_convert");
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("take", a->take, "what is said: any file with sound")->required();
  c->add_option("--voice", a->voice, "whose voice to say it in")->required();
  c->add_option("-o,--out", a->out, "file to write, .wav [default outputs/ of the project]");
  flags->add(c, false);
  s.on_run(c, [&s, a, flags] {
    auto p = project::Project::open(a->folder);
    std::filesystem::path out = a->out;
    if (out.empty())
      out = p.outputs_folder() /
            (std::filesystem::path(a->take).stem().string() + "-as-" + a->voice + ".wav");
    tasks::VoiceConvertTask task(p, a->take, a->voice, out, flags->resolve(&p));
    const auto j = s.run(task, p).report;
    std::string text = table({{"written", j["output"]},
                              {"voice", j["voice"]},
                              {"length", short_text(j["duration_s"]) + " s"}});
    for (const auto& w : j["warnings"]) text += "note: " + w.get<std::string>() + "\n";
    s.print(j, text);
    return 0;
  });
}

void add_voice_stream(Session& s, CLI::App* group) {
  auto* c = s.command(
      group, "stream", "speak in an enrolled and trained person's voice while you speak",
      {"arecord -q -t raw -f S16_LE -r 24000 -c 1 | likeness voice stream film --voice ada | "
       "aplay -q -t raw -f S16_LE -r 24000 -c 1",
       "likeness voice stream film --voice ada -o said.wav < take.raw > as-ada.raw"});
  c->footer(
      c->get_footer() +
      "\nSound in and out: raw, mono, 24000 Hz, 16 bit, little endian. What is heard is marked; "
      "what was said is kept as a file. The report goes to stderr.");
  auto folder = std::make_shared<std::string>(), who = std::make_shared<std::string>(),
       out = std::make_shared<std::string>();
  auto flags = std::make_shared<OptionFlags<tasks::VoiceStreamOptions>>("voice_stream");
  c->add_option("project", *folder, "project folder")->required();
  c->add_option("--voice", *who, "whose voice to speak in")->required();
  c->add_option("-o,--out", *out,
                "file that keeps what was said, .wav [default outputs/ of the "
                "project, named after the time]");
  flags->add(c, false);
  s.on_run(c, [&s, folder, who, out, flags] {
    if (::isatty(STDIN_FILENO) || ::isatty(STDOUT_FILENO))
      throw Error(ErrorCode::kUsage, "this command takes raw sound and gives raw sound",
                  "pipe it between a recorder and a player; see likeness voice stream --help");
    auto p = project::Project::open(*folder);
    std::filesystem::path record = *out;
    if (record.empty()) record = tasks::live_record(p, *who);
    std::signal(SIGPIPE, SIG_IGN);  // a player that goes away ends the stream, not the program
    tasks::VoiceStreamTask task(p, *who, record, flags->resolve(&p), STDIN_FILENO, STDOUT_FILENO);
    const auto j = s.run(task, p).report;
    std::string text = table(
        {{"written", j["output"]},
         {"voice", j["voice"]},
         {"length", short_text(j["duration_s"]) + " s"},
         {"latency", short_text(j["latency_ms"]) + " ms, without the sound "
                                                   "card's"},
         {"computing", short_text(j["compute_ms_mean"]) + " ms a piece of 10.7 ms; at worst " +
                           short_text(j["behind_ms_worst"]) + " ms behind"}});
    for (const auto& w : j["warnings"]) text += "note: " + w.get<std::string>() + "\n";
    s.print(j, text, stderr);
    return 0;
  });
}

}  // namespace likeness::cli
