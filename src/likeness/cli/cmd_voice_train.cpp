// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/option_flags.h"
#include "likeness/cli/session.h"
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
    s.print(j, table({{"written", j["out"]},
                      {"steps", j["steps"].dump() + " in " + short_text(j["minutes"]) + " min"},
                      {"loss", short_text(j["loss"])},
                      {"held out", j["held_out"].dump()}}));
    return 0;
  });
}

}  // namespace likeness::cli
