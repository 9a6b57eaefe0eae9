// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/session.h"
#include "likeness/tasks/model_history.h"
#include "likeness/trust/ledger.h"

namespace likeness::cli {
namespace {
using project::Project;

nlohmann::json show(const Project& p) {
  nlohmann::json subjects = nlohmann::json::array(), media = nlohmann::json::array();
  for (const auto& s : p.subjects())
    subjects.push_back({{"name", s.name},
                        {"kind", project::subject_kind_name(s.kind)},
                        {"licence", s.licence},
                        {"declared_by", s.declared_by},
                        {"declared_at", s.declared_at}});
  for (const auto& m : p.media()) {
    nlohmann::json tracks = nlohmann::json::array();
    for (const auto& t : p.tracks(m.id))
      tracks.push_back(
          {{"track", t.track}, {"first", t.first}, {"last", t.last}, {"subject", t.subject}});
    media.push_back({{"id", m.id},
                     {"path", m.path},
                     {"sha256", m.hash},
                     {"frames", m.frames},
                     {"faces", p.count_faces(m.id)},
                     {"tracks", tracks},
                     {"info", m.info}});
  }
  return {{"name", p.name()},
          {"folder", p.folder().string()},
          {"subjects", subjects},
          {"media", media}};
}

std::string show_text(const nlohmann::json& j) {
  std::vector<std::vector<std::string>> subjects = {{"subject", "kind", "licence", "declared"}};
  for (const auto& s : j["subjects"])
    subjects.push_back(
        {s["name"], s["kind"], s["licence"].empty() || s["licence"] == "" ? "-" : s["licence"],
         s["declared_at"].get<std::string>() + " by " + s["declared_by"].get<std::string>()});
  std::vector<std::vector<std::string>> media = {{"clip", "frames", "faces", "tracks", "path"}};
  for (const auto& m : j["media"])
    media.push_back({m["id"].dump(), m["frames"].dump(), m["faces"].dump(),
                     std::to_string(m["tracks"].size()), m["path"]});
  return j["name"].get<std::string>() + "  " + j["folder"].get<std::string>() + "\n\n" +
         table(subjects) + "\n" + table(media);
}

nlohmann::json jobs_json(const Project& p) {
  nlohmann::json out = nlohmann::json::array();
  for (const auto& job : p.jobs())
    out.push_back({{"id", job.id},
                   {"task", job.task},
                   {"state", job.state},
                   {"started_at", job.started_at},
                   {"ended_at", job.ended_at},
                   {"options", job.options},
                   {"result", job.result}});
  return out;
}

void add_new(Session& s, CLI::App* group) {
  auto* c = s.command(group, "new", "make a project folder",
                      {"likeness project new film", "likeness project new /data/film --json"});
  auto folder = std::make_shared<std::string>();
  c->add_option("folder", *folder, "where; its last part is the project's name")->required();
  s.on_run(c, [&s, folder] {
    const Project p = Project::create(*folder);
    s.print({{"name", p.name()}, {"folder", p.folder().string()}},
            "made " + p.folder().string() + "\n");
    return 0;
  });
}

void add_show(Session& s, CLI::App* group) {
  auto* c = s.command(group, "show", "subjects and clips of a project",
                      {"likeness project show film", "likeness project show film --json"});
  auto folder = std::make_shared<std::string>();
  c->add_option("project", *folder, "project folder")->required();
  s.on_run(c, [&s, folder] {
    const auto j = show(Project::open(*folder));
    s.print(j, show_text(j));
    return 0;
  });
}

void add_jobs(Session& s, CLI::App* group) {
  auto* c = s.command(group, "jobs", "what was run and how it ended",
                      {"likeness project jobs film", "likeness project jobs film --json"});
  auto folder = std::make_shared<std::string>();
  c->add_option("project", *folder, "project folder")->required();
  s.on_run(c, [&s, folder] {
    const auto j = jobs_json(Project::open(*folder));
    std::vector<std::vector<std::string>> rows = {
        {"job", "task", "state", "started", "ended", "error"}};
    for (const auto& job : j)
      rows.push_back({job["id"].dump(), job["task"], job["state"], job["started_at"],
                      job["ended_at"],
                      job["result"].is_object() ? job["result"].value("error", "") : ""});
    s.print(j, table(rows));
    return 0;
  });
}

void add_verify(Session& s, CLI::App* group) {
  auto* c = s.command(group, "verify", "read the whole database and the ledger and check them",
                      {"likeness project verify film", "likeness project verify film --json"});
  auto folder = std::make_shared<std::string>();
  c->add_option("project", *folder, "project folder")->required();
  s.on_run(c, [&s, folder] {
    const Project p = Project::open(*folder);
    p.verify();
    const auto entries = trust::Ledger(trust::ledger_path(p)).read();
    s.print(
        {{"ok", true}, {"ledger_entries", entries.size()}},
        "database and ledger are whole (" + std::to_string(entries.size()) + " ledger entries)\n");
    return 0;
  });
}

void add_trash(Session& s, CLI::App* group) {
  auto* c = s.command(group, "trash", "what was deleted",
                      {"likeness project trash film", "likeness project trash film --json"});
  auto folder = std::make_shared<std::string>();
  c->add_option("project", *folder, "project folder")->required();
  s.on_run(c, [&s, folder] {
    nlohmann::json j = nlohmann::json::array();
    std::vector<std::vector<std::string>> rows = {{"id", "kind", "name", "deleted"}};
    for (const auto& e : Project::open(*folder).trash()) {
      j.push_back({{"id", e.id},
                   {"kind", e.kind},
                   {"name", e.name},
                   {"original", e.original},
                   {"deleted_at", e.deleted_at}});
      rows.push_back({e.id, e.kind, e.name, e.deleted_at});
    }
    s.print(j, j.empty() ? "the trash is empty\n" : table(rows));
    return 0;
  });
}

void add_restore(Session& s, CLI::App* group) {
  auto* c = s.command(group, "restore", "bring something back from the trash",
                      {"likeness project trash film",
                       "likeness project restore film 20260101T101500Z-faceset-ben"});
  auto folder = std::make_shared<std::string>(), id = std::make_shared<std::string>();
  c->add_option("project", *folder, "project folder")->required();
  c->add_option("id", *id, "as `project trash` shows it")->required();
  s.on_run(c, [&s, folder, id] {
    auto p = Project::open(*folder);
    const auto e = tasks::bring_back(p, *id);
    s.print({{"kind", e.kind}, {"name", e.name}, {"original", e.original}},
            e.kind + " " + e.name + " is back\n");
    return 0;
  });
}

}  // namespace

void add_project_commands(Session& s) {
  auto* group = s.command(&s.app(), "project", "make and look at projects",
                          {"likeness project new film", "likeness project show film"});
  group->require_subcommand(1);
  add_new(s, group);
  add_show(s, group);
  add_jobs(s, group);
  add_verify(s, group);
  add_trash(s, group);
  add_restore(s, group);
}

}  // namespace likeness::cli
