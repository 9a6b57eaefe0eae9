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
    for (const auto& v : j)
      rows.push_back({v["name"].get<std::string>() + (v["default"].get<bool>() ? " *" : ""),
                      v["engine"], v["language"], v["licence"],
                      v["works"].get<bool>() ? v["title"].get<std::string>()
                                             : "cannot speak: " + v["problem"].get<std::string>()});
    s.print(j, table(rows) + "* speaks when no voice is named\n");
    return 0;
  });
}

}  // namespace

void add_voice_commands(Session& s) {
  auto* group = s.command(&s.app(), "voice", "voices: list", {});
  group->require_subcommand(1);
  add_list(s, group);
}

}  // namespace likeness::cli
