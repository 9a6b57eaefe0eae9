// SPDX-License-Identifier: Apache-2.0
// Projects, subjects and the trash.
#include <algorithm>
#include <thread>

#include "likeness/base/atomic_file.h"
#include "likeness/base/file_facts.h"
#include "likeness/server/app.h"
#include "likeness/tasks/consent_ops.h"
#include "likeness/tasks/faceset_ops.h"
#include "likeness/tasks/media_library.h"
#include "likeness/tasks/model_history.h"
#include "likeness/tasks/model_info.h"
#include "likeness/tasks/output_library.h"
#include "likeness/trust/consent_store.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/ledger.h"

namespace likeness::server {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr size_t kMostUi = 512 << 10;

json project_json(App& app, const App::Open& open) {
  const project::Project& p = *open.project;
  json disk = json::object();
  uint64_t total = 0;
  for (const char* part : {"media", "facesets", "models", "outputs", "trash", "work"}) {
    const uint64_t bytes = folder_bytes(p.folder() / part);
    disk[part] = bytes;
    total += bytes;
  }
  std::error_code ec;
  disk["total"] = total;
  disk["free"] = fs::space(p.folder(), ec).available;
  size_t outputs = 0;
  for (const auto& f : fs::directory_iterator(p.outputs_folder(), ec))
    outputs += f.path().filename().string()[0] != '.';
  return {{"id", open.id},
          {"name", p.name()},
          {"path", p.folder().string()},
          {"disk", disk},
          {"counts",
           {{"subjects", p.subjects().size()},
            {"media", p.media().size()},
            {"models", tasks::model_names(p).size()},
            {"outputs", outputs},
            {"jobs", app.queue().jobs(open.id).size()},
            {"trash", p.trash().size()}}}};
}

json subjects_json(const project::Project& p) {
  json out = json::array();
  std::map<std::string, json> sets;
  for (const auto& set : tasks::faceset_list(p)) sets[set.value("subject", "")] = set;
  for (const auto& s : p.subjects()) {
    json consent = {{"state", "declared"}, {"text", "no consent record is needed"}};
    if (s.kind == project::SubjectKind::kPerson) consent = {{"state", "unknown"}, {"text", ""}};
    const auto it = sets.find(s.name);
    out.push_back({{"name", s.name},
                   {"kind", project::subject_kind_name(s.kind)},
                   {"licence", s.licence},
                   {"declared_by", s.declared_by},
                   {"declared_at", s.declared_at},
                   {"faces", it == sets.end() ? 0 : it->second.value("crops", 0)},
                   {"consent", consent}});
  }
  return out;
}

/// What the gate would say, in one word and one sentence.
void add_consent_states(const project::Project& p, json& subjects) {
  static const std::map<std::string, std::string> kTexts = {
      {"none", "no consent is recorded: training and swapping are refused"},
      {"valid", "agreed, and every rule holds"},
      {"revoked", "withdrawn: nothing can be made any more"},
      {"expired", "the time agreed on is over"},
      {"not-yet-valid", "the time agreed on has not begun"}};
  if (std::none_of(subjects.begin(), subjects.end(),
                   [](const json& s) { return s["kind"] == "person"; }))
    return;
  std::map<std::string, json> shown;
  for (auto& j : tasks::consent_show(p, "")) shown[j.value("subject", "")] = j;
  for (json& s : subjects) {
    if (s["kind"] != "person") continue;
    const json& j = shown[s["name"]];
    const std::string state = j.value("state", "none");
    const auto it = kTexts.find(state);
    std::string text = it == kTexts.end() ? "it does not hold: " + state : it->second;
    if (state == "valid" && j.contains("valid_until"))
      text += ", until " + j["valid_until"].get<std::string>().substr(0, 10);
    s["consent"] = {{"state", state}, {"text", text}};
  }
}

json trash_json(const project::Project& p) {
  json out = json::array();
  for (const auto& e : p.trash())
    out.push_back({{"id", e.id},
                   {"kind", e.kind},
                   {"name", e.name},
                   {"original", e.original},
                   {"deleted_at", e.deleted_at}});
  return out;
}

void add_project_lists(Router& router, App& app) {
  auto& list = router.add("GET", "/v1/projects", "recent projects and those of the home folder",
                          [&app](const Request&) { return Response::json(app.recents()); });
  list.lane = Lane::kSlow;  // sizes of folders
  auto& make = router.add(
      "POST", "/v1/projects", "make a project in the home folder", [&app](const Request& r) {
        const std::string name = r.json().at("name");
        project::check_name("project", name);
        std::error_code ec;
        fs::create_directories(app.parts().home, ec);
        if (ec) throw_errno(ec.value(), "cannot create " + app.parts().home.string());
        project::Project::create(app.parts().home / name);
        return Response::json(project_json(app, app.open(app.parts().home / name)), 201);
      });
  make.body = object_schema({"name: string of the new folder"});
  auto& open = router.add(
      "POST", "/v1/projects/open", "open a folder that holds a project", [&app](const Request& r) {
        const fs::path path = r.json().at("path").get<std::string>();
        if (!path.is_absolute())
          throw Error(ErrorCode::kUsage, "the folder must be named from the root on",
                      "for example /home/you/film");
        return Response::json(project_json(app, app.open(path)));
      });
  open.body = object_schema({"path: string the project's folder"});
  router.add("DELETE", "/v1/projects/{project}", "forget it; its files stay",
             [&app](const Request& r) {
               app.forget(r.param("project"));
               return Response::json({{"forgotten", r.param("project")}});
             });
  router.add("GET", "/v1/projects/{project}", "name, disk use and counts",
             [&app](const Request& r) {
               return Response::json(project_json(app, app.open_id(r.param("project"))));
             });
}

void add_check(Router& router, App& app) {
  auto& check =
      router.add("POST", "/v1/projects/{project}/check", "read the whole database and the ledger",
                 [&app](const Request& r) {
                   const auto p = app.project(r);
                   p->verify();
                   return Response::json(
                       {{"ok", true},
                        {"ledger_entries", trust::Ledger(trust::ledger_path(*p)).read().size()}});
                 });
  check.lane = Lane::kSlow;
}

void add_ui(Router& router, App& app) {
  router.add("GET", "/v1/projects/{project}/ui", "what the page keeps here: room, points, ranges",
             [&app](const Request& r) {
               const json ui = app.project(r)->setting("studio");
               return Response::json(ui.is_null() ? json::object() : ui);
             });
  auto& put = router.add("PUT", "/v1/projects/{project}/ui", "keep it", [&app](const Request& r) {
    const json ui = r.json();
    app.project(r)->set_setting("studio", ui);
    return Response::json({{"kept", true}});
  });
  put.body_limit = kMostUi;
}

void add_subjects(Router& router, App& app) {
  router.add("GET", "/v1/projects/{project}/subjects", "the people of the project",
             [&app](const Request& r) {
               const auto p = app.project(r);
               json out = subjects_json(*p);
               add_consent_states(*p, out);
               return Response::json(out);
             });
  auto& add =
      router.add("POST", "/v1/projects/{project}/subjects",
                 "name somebody and declare whose face it is", [&app](const Request& r) {
                   const json body = r.json();
                   const auto p = app.project(r);
                   trust::add_declared_subject(*p, {.name = body.at("name"),
                                                    .kind = project::subject_kind(body.at("kind")),
                                                    .licence = body.value("licence", "")});
                   app.changed(r.param("project"), "subjects");
                   json out = subjects_json(*p);
                   add_consent_states(*p, out);
                   for (const json& s : out)
                     if (s["name"] == body["name"]) return Response::json(s, 201);
                   return Response::json(out, 201);
                 });
  add.body = object_schema({"name: string", "kind: string synthetic, licensed or person",
                            "licence?: string reference to the licence, for licensed"});
  router.add("DELETE", "/v1/projects/{project}/subjects/{subject}",
             "a subject and its faceset to the trash", [&app](const Request& r) {
               const auto p = app.project(r);
               tasks::ProjectLock lock(*p, "faceset-" + p->subject(r.param("subject")).name);
               p->remove_subject(r.param("subject"));
               app.changed(r.param("project"), "subjects");
               app.changed(r.param("project"), "trash");
               const auto trash = trash_json(*p);
               return Response::json({{"trash", trash.empty() ? json() : trash[0]["id"]}});
             });
}

/// The export of a restored checkpoint is not wanted any more: it would write over what comes back.
void end_export(App& app, const std::string& project, const json& about) {
  constexpr auto kMost = std::chrono::seconds(60);
  const auto until = std::chrono::steady_clock::now() + kMost;
  for (bool waits = true; waits && std::chrono::steady_clock::now() < until;) {
    waits = false;
    for (const json& job : app.queue().jobs(project)) {
      const std::string state = job["state"];
      if (job["task"] != "train" || job["options"] != about["options"] ||
          job["arguments"].value("model", "") != about.value("model", "") ||
          (state != "running" && state != "queued" && state != "paused"))
        continue;
      app.queue().cancel(project, job["id"]);
      waits = waits || state == "running";
    }
    if (waits) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void add_trash(Router& router, App& app) {
  router.add("GET", "/v1/projects/{project}/trash", "what was deleted, newest first",
             [&app](const Request& r) { return Response::json(trash_json(*app.project(r))); });
  auto& back = router.add(
      "POST", "/v1/projects/{project}/trash/{entry}/restore", "bring it back",
      [&app](const Request& r) {
        const auto p = app.project(r);
        if (const json about = tasks::model_state(*p, r.param("entry")); about.is_object())
          end_export(app, r.param("project"), about);
        const auto e = tasks::bring_back(*p, r.param("entry"));
        const std::string what =
            e.kind == "media"                                                        ? "media"
            : e.kind == "output"                                                     ? "outputs"
            : e.kind == "subject"                                                    ? "subjects"
            : e.kind == "model" || e.kind == "checkpoint" || e.kind == "model-state" ? "models"
                                                                                     : "facesets";
        app.changed(r.param("project"), what);
        app.changed(r.param("project"), "trash");
        return Response::json({{"kind", e.kind}, {"name", e.name}, {"original", e.original}});
      });
  back.lane = Lane::kSlow;
}

}  // namespace

void add_project_routes(Router& router, App& app) {
  add_project_lists(router, app);
  add_check(router, app);
  add_ui(router, app);
  add_subjects(router, app);
  add_trash(router, app);
}

}  // namespace likeness::server
