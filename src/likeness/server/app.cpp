// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/app.h"

#include <algorithm>
#include <fstream>
#include <set>

#include "likeness/base/atomic_file.h"
#include "likeness/base/file_facts.h"
#include "likeness/base/hash.h"
#include "likeness/server/ranges.h"
#include "likeness/tasks/media_library.h"

namespace likeness::server {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr size_t kMostRecents = 50;

json read_settings(const fs::path& path) {
  if (path.empty()) return json::object();
  try {
    auto j = json::parse(read_file(path, 4 << 20), nullptr, false);
    if (j.is_object()) return j;
  } catch (const Error&) {  // none yet
  }
  return json::object();
}

/// Below work/ of a project.
constexpr const char* kUploadKinds[] = {"evidence", "takes", "recordings", "files"};

void find_uploads(const json& value, std::set<fs::path>& out) {
  if (value.is_structured())
    for (const json& part : value) find_uploads(part, out);
  if (!value.is_string()) return;
  const fs::path path = fs::path(value.get<std::string>()).lexically_normal();
  for (const char* kind : kUploadKinds)
    if (path.parent_path().parent_path() == fs::path("work") / kind) out.insert(path.parent_path());
}

/// Files that were sent for a job that was never queued: they show a person, and nobody would find
/// them again.
void remove_unused_uploads(const fs::path& project, const json& jobs) {
  std::set<fs::path> used;
  for (const json& job : jobs) find_uploads(job["arguments"], used);
  for (const char* kind : kUploadKinds) {
    const fs::path inside = fs::path("work") / kind;
    std::error_code ec, gone;
    for (const auto& set : fs::directory_iterator(project / inside, ec))
      if (!used.count(inside / set.path().filename())) fs::remove_all(set.path(), gone);
  }
}

fs::path clean(const fs::path& folder) {
  std::error_code ec;
  fs::path p = fs::absolute(folder, ec).lexically_normal();
  return p.filename().empty() ? p.parent_path() : p;
}

}  // namespace

std::string App::project_id(const fs::path& folder) {
  return sha256(clean(folder).string()).substr(0, 12);
}

App::App(AppParts parts)
    : parts_(std::move(parts)),
      queue_(parts_.make_work,
             {[this](const std::string& project, const json& job) { job_changed(project, job); },
              [this](const std::string& project, int64_t job, LogLevel level,
                     const std::string& text) {
                if (level != LogLevel::kDebug)
                  events_.publish(
                      "log", project,
                      {{"job", job}, {"level", jobs::log_level_name(level)}, {"text", text}});
              }}),
      live_(queue_, parts_.live) {}
App::~App() { close(); }

std::map<std::string, fs::path> App::known_locked() {
  std::map<std::string, fs::path> out;
  const json settings = read_settings(parts_.settings);
  for (const auto& r : settings.value("recent", json::array()))
    if (r.is_object() && r.contains("path") && r["path"].is_string()) {
      const fs::path path = r["path"].get<std::string>();
      out[project_id(path)] = path;
    }
  std::error_code ec;
  for (const auto& d : fs::directory_iterator(parts_.home, ec))
    if (fs::exists(d.path() / "project.toml", ec)) out[project_id(d.path())] = clean(d.path());
  return out;
}

App::Open App::open(const fs::path& where) {
  const fs::path folder = clean(where);
  const std::string id = project_id(folder);
  std::lock_guard lock(mutex_);
  auto it = open_.find(id);
  if (it == open_.end()) {
    Open open{id, std::make_shared<project::Project>(project::Project::open(folder))};
    std::error_code ec;  // of uploads that a killed server left
    fs::remove_all(folder / "work" / "uploads", ec);
    queue_.open(id, open.project);
    remove_unused_uploads(folder, queue_.jobs(id));
    it = open_.emplace(id, std::move(open)).first;
  }
  if (!parts_.settings.empty()) {
    json settings = read_settings(parts_.settings);
    json recent = json::array({{{"path", folder.string()}, {"opened_at", project::now_utc()}}});
    for (const auto& r : settings.value("recent", json::array()))
      if (r.is_object() && r.value("path", "") != folder.string() && recent.size() < kMostRecents)
        recent.push_back(r);
    settings["recent"] = std::move(recent);
    write_file_atomic(parts_.settings, settings.dump(1) + "\n");
  }
  return it->second;
}

App::Open App::open_id(const std::string& id) {
  fs::path folder;
  {
    std::lock_guard lock(mutex_);
    if (const auto it = open_.find(id); it != open_.end()) return it->second;
    const auto known = known_locked();
    const auto it = known.find(id);
    if (it == known.end())
      throw Error(ErrorCode::kNotFound, "there is no project " + id,
                  "open its folder first; see the list of projects");
    folder = it->second;
  }
  return open(folder);
}

std::shared_ptr<project::Project> App::project(const Request& request) {
  return open_id(request.param("project")).project;
}

void App::forget(const std::string& id) {
  std::lock_guard lock(mutex_);
  json settings = read_settings(parts_.settings), recent = json::array();
  for (const auto& r : settings.value("recent", json::array()))
    if (r.is_object() && project_id(r.value("path", "")) != id) recent.push_back(r);
  settings["recent"] = std::move(recent);
  if (!parts_.settings.empty()) write_file_atomic(parts_.settings, settings.dump(1) + "\n");
}

json App::recents() {
  std::lock_guard lock(mutex_);
  const json settings = read_settings(parts_.settings);
  std::map<std::string, std::string> opened;
  for (const auto& r : settings.value("recent", json::array()))
    if (r.is_object()) opened[project_id(r.value("path", ""))] = r.value("opened_at", "");
  json out = json::array();
  auto known = known_locked();
  for (const auto& [id, open] : open_) known[id] = open.project->folder();
  for (const auto& [id, path] : known) {
    std::error_code ec;
    const bool exists = fs::exists(path / "project.toml", ec);
    out.push_back({{"id", id},
                   {"name", path.filename().string()},
                   {"path", path.string()},
                   {"exists", exists},
                   {"size_bytes", exists ? folder_bytes(path) : 0},
                   {"opened_at", opened.count(id) ? json(opened[id]) : json()}});
  }
  std::sort(out.begin(), out.end(), [](const json& a, const json& b) {
    const auto at = [](const json& j) {
      return j["opened_at"].is_string() ? j["opened_at"].get<std::string>() : std::string();
    };
    return std::pair(at(a), a["name"]) > std::pair(at(b), b["name"]);
  });
  return out;
}

void App::changed(const std::string& project, const std::string& what) {
  events_.publish("project", project, {{"what", what}});
}

void App::job_changed(const std::string& project, const json& job) {
  events_.publish("job", project, {{"job", job}});
  const std::string state = job["state"], task = job["task"];
  if (state != "done" && state != "paused" && state != "cancelled") return;
  if (task == "train") watch_training();  // the last rows
  static const std::map<std::string, std::vector<const char*>> kTouches = {
      {"analyse", {"faces"}},       {"extract", {"faces", "facesets", "subjects"}},
      {"train", {"models"}},        {"swap", {"outputs", "faces"}},
      {"evaluate", {"outputs"}},    {"consent-record", {"consents", "subjects"}},
      {"speak", {"outputs"}},       {"voice-convert", {"outputs"}},
      {"voice-enroll", {"voices"}}, {"voice-train", {"voices"}}};
  const auto it = kTouches.find(task);
  if (it == kTouches.end()) return;
  for (const char* what : it->second) changed(project, what);
}

void App::watch_training() {
  const json job = queue_.running();
  std::lock_guard lock(watch_mutex_);
  if (!job.is_object() || job["task"] != "train") {
    watched_ = {};
    return;
  }
  const std::string project = job["project"],
                    model = job["arguments"].value("model", std::string());
  fs::path folder;
  {
    std::lock_guard open_lock(mutex_);
    const auto it = open_.find(project);
    if (it == open_.end() || model.empty()) return;
    folder = it->second.project->folder() / "models" / model;
  }
  std::error_code ec;
  const fs::path log = folder / "log.jsonl";
  const std::string key = project + "/" + model + "/" + job["id"].dump();
  if (watched_.key != key) {  // what was there before this job is not news
    watched_ = {key, fs::exists(log, ec) ? fs::file_size(log, ec) : 0, 0,
                file_tag(folder / "preview.png")};
  }
  if (fs::exists(log, ec) && fs::file_size(log, ec) < watched_.offset)
    watched_.offset = 0;  // cut back to a checkpoint, or begun anew
  std::ifstream in(log);
  in.seekg(static_cast<std::streamoff>(watched_.offset));
  for (std::string line; std::getline(in, line) && !in.eof();) {
    watched_.offset += line.size() + 1;
    auto row = json::parse(line, nullptr, false);
    if (!row.is_object()) continue;
    watched_.step = row.value("step", watched_.step);
    row["model"] = model;
    events_.publish("train", project, std::move(row));
  }
  const std::string preview = file_tag(folder / "preview.png");
  if (!preview.empty() && preview != watched_.preview) {
    watched_.preview = preview;
    events_.publish("preview", project, {{"model", model}, {"step", watched_.step}});
  }
}

std::vector<fs::path> uploads_of(const json& arguments) {
  std::set<fs::path> found;
  find_uploads(arguments, found);
  return {found.begin(), found.end()};
}

std::string keep_upload(App& app, const Request& r, const project::Project& p,
                        const std::string& kind, const std::string& set) {
  const std::string upload = r.json().value("upload", "");
  if (!is_id(upload) || (!set.empty() && !is_id(set)))
    throw HttpError{400, "bad_request", "that is no upload", "begin one"};
  const fs::path file = app.uploads().finish(r.param("project"), upload);
  const fs::path inside = fs::path("work") / kind / (set.empty() ? upload : set);
  const fs::path folder = p.folder() / inside;
  std::error_code ec;
  fs::create_directories(folder, ec);
  const fs::path to = tasks::free_name(folder, file.filename().string());
  fs::rename(file, to, ec);
  app.uploads().drop(r.param("project"), upload);
  if (ec) throw_errno(ec.value(), "cannot keep the upload");
  return (inside / to.filename()).string();
}

void add_routes(Router& router, App& app) {
  add_project_routes(router, app);
  add_media_routes(router, app);
  add_face_routes(router, app);
  add_faceset_routes(router, app);
  add_job_routes(router, app);
  add_model_routes(router, app);
  add_swap_routes(router, app);
  add_consent_routes(router, app);
  add_voice_routes(router, app);
  add_output_routes(router, app);
  add_doctor_routes(router, app);
}

}  // namespace likeness::server
