// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/session.h"
#include "likeness/tasks/voice_ops.h"

namespace likeness::cli {
namespace {

void add_list(Session& s, CLI::App* group) {
  auto* c = s.command(group, "list", "the voices that can speak here",
                      {"likeness voice list film", "likeness voice list film --json"});
  auto folder = std::make_shared<std::string>();
  c->add_option("project", *folder, "project folder")->required();
  s.on_run(c, [&s, folder] {
    const nlohmann::json j = tasks::list_project_voices(project::Project::open(*folder));
    std::vector<std::vector<std::string>> rows = {
        {"voice", "engine", "language", "licence", "about"}};
    for (const auto& v : j) {
      std::string about = v["title"];
      if (!v["works"].get<bool>()) {
        const std::string why = "cannot speak: " + v["problem"].get<std::string>();
        about = v["engine"] == "enrolled" ? about + "; " + why : why;
      }
      rows.push_back({v["name"].get<std::string>() + (v["default"].get<bool>() ? " *" : ""),
                      v["engine"], v["language"], v["licence"], about});
    }
    s.print(j, table(rows) + "* speaks when no voice is named\n");
    return 0;
  });
}

void add_compare(Session& s, CLI::App* group) {
  auto* c = s.command(group, "compare", "how alike two recordings' speakers sound",
                      {"likeness voice compare take1.wav take2.wav"});
  auto a = std::make_shared<std::string>(), b = std::make_shared<std::string>();
  c->add_option("first", *a, "a recording: wav, flac, mp3, m4a, or a video with sound")->required();
  c->add_option("second", *b, "another")->required();
  s.on_run(c, [&s, a, b] {
    const nlohmann::json j = tasks::compare_speakers(*a, *b);
    const auto percent = [&](const char* key) {
      const double v = 100 * j[key].get<double>();
      return v < 0.1 ? std::string("under 0.1 %") : short_text(v) + " %";
    };
    std::string text = table(
        {{"verdict", j["verdict"]},
         {"cosine", short_text(j["cosine"])},
         {"as alike as this",
          percent("different_speakers_this_alike") + " of pairs of two speakers"},
         {"as unlike as this", percent("one_speaker_this_unlike") + " of pairs of one speaker"}});
    for (const auto& f : j["files"])
      for (const auto& n : f["notes"])
        text += "note on " + f["path"].get<std::string>() + ": " + n.get<std::string>() + "\n";
    s.print(j, text + "Measured on LibriSpeech, one session a speaker; a measure, not a proof.\n");
    return 0;
  });
}

}  // namespace

void add_voice_commands(Session& s) {
  auto* group =
      s.command(&s.app(), "voice",
                "voices: list, enroll, train, convert, stream, bank, compare, abx, pretrain", {});
  group->require_subcommand(1);
  add_list(s, group);
  add_voice_enroll(s, group);
  add_voice_bank(s, group);
  add_compare(s, group);
  add_voice_abx(s, group);
  add_voice_train(s, group);
  add_voice_convert(s, group);
  add_voice_stream(s, group);
  add_voice_pretrain(s, group);
}

}  // namespace likeness::cli
