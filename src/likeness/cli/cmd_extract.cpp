// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/option_flags.h"
#include "likeness/cli/session.h"
#include "likeness/tasks/extract.h"

namespace likeness::cli {
namespace {

std::string text_of(const nlohmann::json& j) {
  std::vector<std::vector<std::string>> rows = {
      {"file", "frames", "faces", "tracks", "crops added", "jitter"}};
  for (const auto& f : j["files"])
    rows.push_back({f["path"], f["frames"].dump(), f["faces"].dump(), f["tracks"].dump(),
                    f["crops_added"].dump(),
                    short_text(f["info"]["jitter_before_pct"]) + " -> " +
                        short_text(f["info"]["jitter_after_pct"]) + " %"});
  std::string text = table(rows) + "\n" + j["subject"].get<std::string>() + ": " +
                     j["crops"].dump() + " crops (" + j["crops_added"].dump() + " new, " +
                     j["crops_known_already"].dump() + " known already); " +
                     j["choice"].get<std::string>() + "\n";
  for (const auto& f : j["files"])
    for (const auto& d : f["info"]["damage"])
      text += f["path"].get<std::string>() + " is damaged at " + short_text(d["time_s"]) +
              " s: " + d["what"].get<std::string>() + "\n";
  for (const auto& f : j["skipped"]) text += "skipped: " + f["why"].get<std::string>() + "\n";
  return text;
}

}  // namespace

void add_extract_command(Session& s) {
  auto* c = s.command(
      &s.app(), "extract", "find a subject's faces in footage and store them as a faceset",
      {"likeness extract film ben-train.mp4 --subject ben",
       "likeness extract film take1.mov photos/ --subject ava --near-duplicate 0.02"});
  struct Args {
    std::string folder, subject;
    std::vector<std::string> inputs;
  };
  auto a = std::make_shared<Args>();
  auto flags = std::make_shared<OptionFlags<tasks::ExtractOptions>>("extract");
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("inputs", a->inputs, "videos, photos, image sequences (frame%05d.png), folders")
      ->required();
  c->add_option("--subject", a->subject, "whose faces")->required();
  flags->add(c);
  s.on_run(c, [&s, a, flags] {
    auto p = project::Project::open(a->folder);
    tasks::ExtractTask task({a->inputs.begin(), a->inputs.end()}, a->subject, flags->resolve(&p));
    const auto done = s.run(task, p);
    s.print(done.report, text_of(done.report));
    return 0;
  });
}

}  // namespace likeness::cli
