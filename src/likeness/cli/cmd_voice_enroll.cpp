// SPDX-License-Identifier: Apache-2.0
// voice enroll
#include "likeness/cli/option_flags.h"
#include "likeness/cli/session.h"
#include "likeness/tasks/voice_enroll.h"

namespace likeness::cli {
namespace {

std::string minutes(double seconds) { return short_text(seconds / 60) + " min"; }

std::string text_of(const nlohmann::json& j) {
  std::vector<std::vector<std::string>> rows = {
      {"enrolled", j["added"].dump() + " recordings, " + minutes(j["speech_s"]) + " of speech"},
      {"in all", j["clips"].dump() + " clips, " + minutes(j["total_speech_s"]) + " of speech, " +
                     j["clips_with_text"].dump() + " with text"}};
  if (j["known"].get<size_t>() > 0) rows.push_back({"known already", j["known"].dump()});
  const auto& m = j["match"];
  if (m.contains("lowest"))
    rows.push_back({"one voice", "against " + m["against"].get<std::string>() + ": lowest cosine " +
                                     short_text(m["lowest"]) + " (" +
                                     m["recording"].get<std::string>() + "), needed " +
                                     short_text(m["least"])});
  std::string text = table(rows);
  const auto list = [&](const char* key, const char* word) {
    for (const auto& f : j[key])
      text += std::string(word) + f["recording"].get<std::string>() + " (" +
              f["rule"].get<std::string>() + "): " + f["text"].get<std::string>() + "\n";
  };
  list("left_out", "left out: ");
  list("warnings", "note on ");
  return text;
}

}  // namespace

void add_voice_enroll(Session& s, CLI::App* group) {
  auto* c = s.command(group, "enroll",
                      "take in recordings of a subject: check, clean, cut, and keep them",
                      {"likeness voice enroll film ada recordings/*.wav",
                       "likeness voice enroll film ada recordings --transcripts texts",
                       "likeness voice enroll film ada interview.m4a --replace"});
  struct Args {
    std::string folder, subject, transcripts;
    std::vector<std::string> recordings;
  };
  auto a = std::make_shared<Args>();
  auto flags = std::make_shared<OptionFlags<tasks::EnrollOptions>>("enroll");
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("subject", a->subject, "whose voice it is")->required();
  c->add_option("recordings", a->recordings,
                "files with sound (also videos), or folders; one person alone speaks in them")
      ->required();
  c->add_option("--transcripts", a->transcripts,
                "folder with NAME.txt for NAME.wav, or metadata.csv with lines NAME|text");
  flags->add(c, false);
  s.on_run(c, [&s, a, flags] {
    auto p = project::Project::open(a->folder);
    const auto options = flags->resolve(&p);
    tasks::EnrollTask task(
        {a->subject, {a->recordings.begin(), a->recordings.end()}, a->transcripts}, options);
    const auto done = s.run(task, p);
    tasks::remove_replaced_packs(p, done.report);
    s.print(done.report, text_of(done.report));
    return 0;
  });
}

}  // namespace likeness::cli
