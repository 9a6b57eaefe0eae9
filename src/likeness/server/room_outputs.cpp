// SPDX-License-Identifier: Apache-2.0
// What was made: play, look at, verify, show in the file manager, delete; and the ledger.
#include <algorithm>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "likeness/server/app.h"
#include "likeness/server/ranges.h"
#include "likeness/tasks/output_library.h"
#include "likeness/tasks/runner.h"
#include "likeness/tasks/verify.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/keys.h"
#include "likeness/trust/ledger.h"

extern char** environ;

namespace likeness::server {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

tasks::OutputRow output_of(App& app, const Request& r) {
  return tasks::output_row(*app.project(r), r.param("output"));
}

json output_json(App& app, const project::Project& p, const tasks::OutputRow& row) {
  json j = {{"id", row.id},
            {"name", row.name},
            {"kind", row.kind},
            {"bytes", row.bytes},
            {"made_at", row.made_at},
            {"job", row.job ? json(row.job) : json()},
            {"in_ledger", row.in_ledger},
            {"media", nullptr},
            {"model", row.models.empty() ? json() : json(row.models.front())},
            {"models", row.models},
            {"width", nullptr},
            {"height", nullptr},
            {"fps", nullptr},
            {"frames", nullptr},
            {"audio", false},
            {"duration_s", nullptr}};
  for (const auto& m : p.media())
    if (std::find(row.inputs.begin(), row.inputs.end(), m.hash) != row.inputs.end())
      j["media"] = m.id;
  if (row.kind != "video" && row.kind != "image") return j;
  try {
    const auto info = app.frames().info(row.path);
    j.update({{"width", info.width},
              {"height", info.height},
              {"fps", info.frame_rate.value()},
              {"frames", app.frames().count(row.path)},
              {"audio", info.has_audio},
              {"codec", info.codec},
              {"duration_s", info.duration_s}});
  } catch (const Error& e) {
    j["why"] = e.what();
  }
  return j;
}

/// Verification reads the whole picture: kept until the file or the ledger changes.
struct Verified {
  json report;
  std::string html;
};
class Verifier {
 public:
  Verified get(const project::Project& p, const tasks::OutputRow& row) {
    const std::string key =
        row.path.string() + "|" + file_tag(row.path) + "|" + file_tag(trust::ledger_path(p));
    {
      std::lock_guard lock(mutex_);
      if (const auto it = known_.find(key); it != known_.end()) return it->second;
    }
    Progress silent;
    const Cancel never;
    const auto report = tasks::verify_files(
        {.files = {row.path}, .projects = {p.folder()}, .read_watermark = true}, silent, never);
    const json all = report.to_json();
    Verified v{all["files"].empty() ? json() : all["files"][0], report.to_html()};
    v.report["exit_status"] = report.exit_status;
    std::lock_guard lock(mutex_);
    if (known_.size() > 64) known_.clear();
    return known_[key] = v;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Verified> known_;
};

/// The file manager at the folder; where there is no screen, an error that says where the file is.
void reveal(const fs::path& path) {
  const auto none = [&] {
    throw Error(ErrorCode::kUnsupported, "no file manager can be opened here",
                "the file is " + path.string());
  };
  if (!std::getenv("DISPLAY") && !std::getenv("WAYLAND_DISPLAY")) none();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd : {0, 1, 2}) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  std::string program = "xdg-open", folder = path.parent_path().string();
  char* argv[] = {program.data(), folder.data(), nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, "xdg-open", &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) none();
  int status = 0;
  ::waitpid(child, &status, 0);
}

json ledger_json(const project::Project& p) {
  const trust::Ledger book(trust::ledger_path(p));
  const auto report = book.verify(trust::trusted_studios());
  json lines = json::array();
  if (report.ok)
    for (const auto& e : book.read())
      lines.push_back(
          {{"seq", e.seq}, {"at", e.at}, {"type", e.type}, {"hash", e.hash}, {"body", e.body}});
  return {{"ok", report.ok},           {"entries", report.entries},   {"head", report.head},
          {"studios", report.studios}, {"problems", report.problems}, {"lines", lines}};
}

void add_proof(Router& router, App& app, const std::string& base) {
  const auto verifier = std::make_shared<Verifier>();
  auto& verify = router.add(
      "GET", base + "/{output}/verify", "what the file proves", [&app, verifier](const Request& r) {
        return Response::json(verifier->get(*app.project(r), output_of(app, r)).report);
      });
  verify.lane = Lane::kSlow;
  auto& page = router.add(
      "GET", base + "/{output}/verify.html", "the same as a page of its own",
      [&app, verifier](const Request& r) {
        Response out = Response::bytes(verifier->get(*app.project(r), output_of(app, r)).html,
                                       "text/html; charset=utf-8");
        // Its styles are inside; nothing else may run or be loaded.
        out.header("Content-Security-Policy",
                   "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; "
                   "frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
        out.header("Cache-Control", "no-store");
        return out;
      });
  page.answer = "text/html";
  page.lane = Lane::kSlow;
}

}  // namespace

void add_output_routes(Router& router, App& app) {
  const std::string base = "/v1/projects/{project}/outputs";
  auto& list = router.add("GET", base, "what was made, newest first", [&app](const Request& r) {
    const auto p = app.project(r);
    json out = json::array();
    for (const auto& row : tasks::list_outputs(*p)) out.push_back(output_json(app, *p, row));
    return Response::json(out);
  });
  list.lane = Lane::kSlow;
  auto& file = router.add(
      "GET", base + "/{output}/file", "the file, with byte ranges", [&app](const Request& r) {
        const auto row = output_of(app, r);
        Response out = file_response(r, row.path);
        if (r.flag("download")) {
          save_as(out, row.name);
        } else if (row.kind == "report") {
          // A listening test is a program: it runs, but as a stranger here, and reaches nobody.
          out.header("Content-Security-Policy",
                     r.flag("run")
                         ? "default-src 'none'; style-src 'unsafe-inline'; script-src "
                           "'unsafe-inline'; media-src data:; sandbox allow-scripts "
                           "allow-downloads; frame-ancestors 'none'; base-uri 'none'; form-action "
                           "'none'"
                         : "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; "
                           "frame-ancestors 'none'");
        }
        return out;
      });
  file.query = {{"download", "1: to be saved"}, {"run", "1: a listening test may run"}};
  file.answer = "video/mp4";
  auto& frame =
      router.add("GET", base + "/{output}/frame/{n}", "one frame", [&app](const Request& r) {
        const auto row = output_of(app, r);
        Response out;
        const bool png = r.text("format") == "png";
        out.type = png ? "image/png" : "image/jpeg";
        const int width = static_cast<int>(r.number("width", 0, 0, 16384));
        out.body = app.frames().picture(row.path, r.id("n"), width, png);
        return with_etag(r, std::move(out),
                         file_tag(row.path) + "-" + r.param("n") + "-" + std::to_string(width) +
                             (png ? "p" : "j"));
      });
  frame.query = {{"width", "of the picture, never enlarged"}, {"format", "jpg or png"}};
  frame.answer = "image/jpeg";
  add_proof(router, app, base);
  router.add("POST", base + "/{output}/reveal", "show it in the file manager",
             [&app](const Request& r) {
               const auto row = output_of(app, r);
               reveal(row.path);
               return Response::json({{"path", row.path.string()}});
             });
  router.add("DELETE", base + "/{output}", "to the trash", [&app](const Request& r) {
    const auto p = app.project(r);
    const auto row = output_of(app, r);
    const auto e = p->move_to_trash(row.path, "output", id_of(row.path.stem().string()));
    app.changed(r.param("project"), "outputs");
    app.changed(r.param("project"), "trash");
    return Response::json({{"trash", e.id}});
  });
  auto& ledger = router.add(
      "GET", "/v1/projects/{project}/ledger", "the signed record of what was allowed and made",
      [&app](const Request& r) {
        const auto p = app.project(r);
        if (!r.flag("download")) return Response::json(ledger_json(*p));
        Response out = Response::bytes(tasks::export_ledger(*p).dump(1) + "\n", "application/json");
        save_as(out, p->name() + "-ledger.json");
        return out;
      });
  ledger.query = {{"download", "1: the whole of it as a file, as `likeness ledger export`"}};
  ledger.lane = Lane::kSlow;
}

}  // namespace likeness::server
