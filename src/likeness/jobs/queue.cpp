// SPDX-License-Identifier: Apache-2.0
#include "likeness/jobs/queue.h"

#include <algorithm>
#include <fstream>

#include "likeness/base/atomic_file.h"
#include "likeness/base/crash_report.h"
#include "likeness/base/error_json.h"

namespace likeness::jobs {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr int kMostCrashes = 3;
constexpr auto kTellEvery = std::chrono::milliseconds(250);

thread_local std::optional<std::pair<std::string, int64_t>> t_job;

bool is_finished(const std::string& state) {
  return state == "done" || state == "failed" || state == "cancelled";
}
bool is_waiting(const std::string& state) { return state == "queued" || state == "paused"; }

json progress_json(const ProgressState& p) {
  return {{"stage", p.stage},
          {"done", p.done},
          {"total", p.total},
          {"unit", p.unit},
          {"detail", p.detail},
          {"elapsed_s", p.elapsed_s},
          {"eta_s", p.eta_s < 0 ? json() : json(p.eta_s)}};
}
json field(const json& entry, const char* name) {
  const auto it = entry.find(name);
  return it == entry.end() ? json() : *it;
}
/// What a crash report says of a job that ran.
std::string note_of(const project::Project& project, int64_t job, const std::string& task) {
  return "job " + std::to_string(job) + " (" + task + ") of " + project.folder().string();
}
[[noreturn]] void wrong_state(const project::QueueRow& row, const std::string& what) {
  throw Error(ErrorCode::kUsage, "job " + std::to_string(row.id) + " is " + row.state, what);
}

void append_log(const fs::path& path, LogLevel level, const std::string& text) {
  std::error_code ec;
  fs::create_directories(path.parent_path(), ec);
  std::ofstream out(path, std::ios::app);  // a log that cannot be written stops nothing
  out << json{{"t", project::now_utc()}, {"level", log_level_name(level)}, {"text", text}}.dump(
             -1, ' ', false, json::error_handler_t::replace)
      << "\n";
}

}  // namespace

const char* log_level_name(LogLevel level) {
  static constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
  return kNames[static_cast<int>(level)];
}

Queue::Queue(MakeWork make, QueueListener listener)
    : make_(std::move(make)), listener_(std::move(listener)) {
  heavy_thread_ = std::thread([this] { runner(false); });
  light_thread_ = std::thread([this] { runner(true); });
}
Queue::~Queue() { stop(); }

void Queue::open(const std::string& id, std::shared_ptr<project::Project> project) {
  std::lock_guard lock(mutex_);
  if (projects_.count(id)) return;
  Open open{project, nullptr};
  try {
    open.lock = std::make_unique<tasks::ProjectLock>(*project, "studio-queue");
  } catch (const Error& e) {
    throw Error(e.code(), "another studio has " + project->name() + " open",
                "use that one, or end it first");
  }
  std::vector<std::pair<int64_t, std::string>> lost;
  for (auto& row : project->queue()) {
    Entry e{.project = id, .row = std::move(row)};
    e.light = e.row.entry.value("light", false);
    if (e.row.state == "running") {  // its process is gone: the lock was free
      const int crashes = e.row.entry.value("crashes", 0) + 1;
      e.row.entry["crashes"] = crashes;
      const fs::path report =
          crash_report_of(note_of(*project, e.row.id, e.row.entry.value("task", "")),
                          e.row.entry.value("started_at", ""));
      if (!report.empty()) e.row.entry["report"] = report.string();
      lost.emplace_back(e.row.id, report.empty() ? "the program ended while this job ran"
                                                 : "the program crashed while this job ran; "
                                                   "the report is " +
                                                       report.string());
      e.row.state = crashes >= kMostCrashes ? "interrupted" : "queued";
      if (e.row.state == "interrupted")
        e.row.entry["error"] = error_json(
            Error(ErrorCode::kInternal, "the program ended three times while this job ran",
                  "look at its log; then retry it, with smaller sizes if memory ran out"));
      project->update_queue(e.row);
    }
    entries_[{id, e.row.id}] = std::move(e);
  }
  projects_[id] = std::move(open);
  for (const auto& [job, what] : lost) {
    std::lock_guard log_lock(log_mutex_);
    append_log(log_path_locked(id, job), LogLevel::kWarning, what);
  }
  wake_.notify_all();
}

void Queue::request_stop() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  for (auto& [key, e] : entries_)
    if (e.row.state == "running" && e.cancel) {
      if (e.stop == Stop::kNone) e.stop = Stop::kShutdown;
      e.cancel->request();
    }
  wake_.notify_all();
}

void Queue::stop() {
  request_stop();
  if (heavy_thread_.joinable()) heavy_thread_.join();
  if (light_thread_.joinable()) light_thread_.join();
}

Queue::Open& Queue::open_locked(const std::string& project) {
  const auto it = projects_.find(project);
  if (it == projects_.end())
    throw Error(ErrorCode::kNotFound, "the project is not open here", "open it first");
  return it->second;
}
const Queue::Open& Queue::open_locked(const std::string& project) const {
  return const_cast<Queue*>(this)->open_locked(project);
}
Queue::Entry& Queue::entry_locked(const std::string& project, int64_t job) {
  open_locked(project);
  const auto it = entries_.find({project, job});
  if (it == entries_.end())
    throw Error(ErrorCode::kNotFound, "there is no job " + std::to_string(job),
                "see the list of jobs");
  return it->second;
}
const Queue::Entry& Queue::entry_locked(const std::string& project, int64_t job) const {
  return const_cast<Queue*>(this)->entry_locked(project, job);
}

json Queue::json_locked(const Entry& e) const {
  const json& d = e.row.entry;
  return {{"id", e.row.id},
          {"task", field(d, "task")},
          {"title", field(d, "title")},
          {"arguments", field(d, "arguments")},
          {"options", field(d, "options")},
          {"state", e.row.state},
          {"progress", e.has_progress ? progress_json(e.progress) : json()},
          {"created_at", field(d, "created_at")},
          {"started_at", field(d, "started_at")},
          {"ended_at", field(d, "ended_at")},
          {"error", field(d, "error")},
          {"result", field(d, "result")},
          {"attempt", d.value("attempt", 0)},
          {"crashes", d.value("crashes", 0)},
          {"report", field(d, "report")}};
}

void Queue::save_locked(Entry& e, const std::string& state) {
  e.row.state = state;
  open_locked(e.project).project->update_queue(e.row);
}

json Queue::add(const std::string& project, const std::string& task, const json& arguments,
                const json& options, bool draft) {
  std::shared_ptr<project::Project> p;
  {
    std::lock_guard lock(mutex_);
    p = open_locked(project).project;
  }
  const Work work = make_(*p, task, arguments, options);  // throws before anything is stored
  if (work.authorise) work.authorise();
  json shown;
  {
    std::lock_guard lock(mutex_);
    Entry e{.project = project};
    e.light = work.light;
    e.row.state = draft ? "paused" : "queued";
    e.row.entry = {{"task", task},       {"title", work.title}, {"arguments", arguments},
                   {"options", options}, {"light", work.light}, {"created_at", project::now_utc()},
                   {"attempt", 1}};
    e.row.id = p->add_to_queue(e.row.state, e.row.entry);
    for (const auto& row : p->queue())
      if (row.id == e.row.id) e.row.position = row.position;
    shown = json_locked(e);
    entries_[{project, e.row.id}] = std::move(e);
  }
  wake_.notify_all();
  listener_.changed(project, shown);
  return shown;
}

json Queue::edit(const std::string& project, int64_t job, const json& arguments,
                 const json& options) {
  const auto check = [](const Entry& e) {
    if (e.row.state == "running" || e.row.state == "done")
      wrong_state(e.row, "copy it as a new job instead");
  };
  std::shared_ptr<project::Project> p;
  std::string task;
  {
    std::lock_guard lock(mutex_);
    const Entry& e = entry_locked(project, job);
    check(e);
    p = open_locked(project).project;
    task = e.row.entry.value("task", "");
  }
  const Work work = make_(*p, task, arguments, options);
  if (work.authorise) work.authorise();
  json shown;
  {
    std::lock_guard lock(mutex_);
    Entry& e = entry_locked(project, job);
    check(e);  // it may have begun meanwhile
    e.row.entry.update({{"title", work.title}, {"arguments", arguments}, {"options", options}});
    save_locked(e, e.row.state);
    shown = json_locked(e);
  }
  listener_.changed(project, shown);
  return shown;
}

json Queue::jobs(const std::string& project) const {
  std::lock_guard lock(mutex_);
  open_locked(project);
  std::vector<const Entry*> open, finished;
  for (const auto& [key, e] : entries_)
    if (key.first == project) (is_finished(e.row.state) ? finished : open).push_back(&e);
  std::sort(open.begin(), open.end(), [](const Entry* a, const Entry* b) {
    const bool ra = a->row.state == "running", rb = b->row.state == "running";
    return std::tuple(!ra, a->row.position, a->row.id) <
           std::tuple(!rb, b->row.position, b->row.id);
  });
  std::sort(finished.begin(), finished.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->row.entry.value("ended_at", ""), a->row.id) >
           std::pair(b->row.entry.value("ended_at", ""), b->row.id);
  });
  json out = json::array();
  for (const Entry* e : open) out.push_back(json_locked(*e));
  for (const Entry* e : finished) out.push_back(json_locked(*e));
  return out;
}

json Queue::stop_one(const std::string& project, int64_t job, Stop why) {
  json shown;
  {
    std::lock_guard lock(mutex_);
    Entry& e = entry_locked(project, job);
    if (e.row.state == "running") {
      e.stop = why;
      if (e.cancel) e.cancel->request();
    } else if (is_waiting(e.row.state) || e.row.state == "interrupted") {
      if (why == Stop::kCancel) e.row.entry["ended_at"] = project::now_utc();
      save_locked(e, why == Stop::kCancel ? "cancelled" : "paused");
    } else {
      wrong_state(e.row, "only a job that is not finished can be stopped");
    }
    shown = json_locked(e);
  }
  listener_.changed(project, shown);
  return shown;
}
json Queue::cancel(const std::string& project, int64_t job) {
  return stop_one(project, job, Stop::kCancel);
}
json Queue::pause(const std::string& project, int64_t job) {
  return stop_one(project, job, Stop::kPause);
}

json Queue::again(const std::string& project, int64_t job, const std::vector<std::string>& from,
                  bool new_attempt) {
  json shown;
  {
    std::lock_guard lock(mutex_);
    Entry& e = entry_locked(project, job);
    if (std::find(from.begin(), from.end(), e.row.state) == from.end())
      wrong_state(e.row, new_attempt ? "only a job that ended without success can be tried again"
                                     : "only a paused job can go on");
    if (new_attempt) {
      e.row.entry["attempt"] = e.row.entry.value("attempt", 1) + 1;
      e.row.entry["crashes"] = 0;
      e.row.position = 0;
      for (const auto& [key, other] : entries_)
        if (key.first == project) e.row.position = std::max(e.row.position, other.row.position + 1);
    }
    for (const char* name : {"error", "result", "ended_at"}) e.row.entry.erase(name);
    e.stop = Stop::kNone;
    save_locked(e, "queued");
    shown = json_locked(e);
  }
  wake_.notify_all();
  listener_.changed(project, shown);
  return shown;
}
json Queue::resume(const std::string& project, int64_t job) {
  return again(project, job, {"paused"}, false);
}
json Queue::retry(const std::string& project, int64_t job) {
  return again(project, job, {"failed", "cancelled", "interrupted"}, true);
}

json Queue::order(const std::string& project, const std::vector<int64_t>& ids) {
  {
    std::lock_guard lock(mutex_);
    std::vector<Entry*> rest;
    for (int64_t id : ids) entry_locked(project, id);
    for (auto& [key, e] : entries_)
      if (key.first == project && !is_finished(e.row.state) &&
          std::find(ids.begin(), ids.end(), key.second) == ids.end())
        rest.push_back(&e);
    std::sort(rest.begin(), rest.end(), [](const Entry* a, const Entry* b) {
      return std::pair(a->row.position, a->row.id) < std::pair(b->row.position, b->row.id);
    });
    std::vector<Entry*> all;
    for (int64_t id : ids) all.push_back(&entry_locked(project, id));
    all.insert(all.end(), rest.begin(), rest.end());
    int64_t position = 1;
    for (Entry* e : all) {
      e->row.position = position++;
      save_locked(*e, e->row.state);
    }
  }
  const json shown = jobs(project);
  for (const auto& job : shown)
    if (!is_finished(job["state"])) listener_.changed(project, job);
  return shown;
}

void Queue::remove(const std::string& project, int64_t job) {
  std::lock_guard lock(mutex_);
  Entry& e = entry_locked(project, job);
  if (!is_finished(e.row.state) && e.row.state != "interrupted")
    wrong_state(e.row, "cancel it first");
  open_locked(project).project->remove_from_queue(job);
  std::error_code ec;
  fs::remove(log_path_locked(project, job), ec);
  entries_.erase({project, job});
}

std::optional<Queue::Key> Queue::next_locked(bool light) const {
  const Entry* best = nullptr;
  if (held_ && !light) return std::nullopt;
  for (const auto& [key, e] : entries_) {
    if (e.row.state != "queued" || e.light != light) continue;
    if (!best ||
        std::tuple(e.row.position, e.row.entry.value("created_at", ""), e.project) <
            std::tuple(best->row.position, best->row.entry.value("created_at", ""), best->project))
      best = &e;
  }
  if (!best) return std::nullopt;
  return Key{best->project, best->row.id};
}

void Queue::runner(bool light) {
  for (;;) {
    Key key;
    {
      std::unique_lock lock(mutex_);
      std::optional<Key> next;
      wake_.wait(lock, [&] { return stopping_ || (next = next_locked(light)); });
      if (stopping_) return;
      key = *next;
      Entry& e = entries_.at(key);
      e.cancel = std::make_unique<Cancel>();
      e.stop = Stop::kNone;
      e.has_progress = false;
      e.row.entry["started_at"] = project::now_utc();
      try {
        save_locked(e, "running");
      } catch (const Error& error) {  // a full disk: waiting for ever would be worse
        e.row.state = "failed";
        e.row.entry["error"] = error_json(error);
        continue;
      }
      if (!light) heavy_ = key;
    }
    run(key);
    std::lock_guard lock(mutex_);
    if (!light) heavy_.reset();
  }
}

void Queue::run(Key key) {
  std::shared_ptr<project::Project> project;
  json entry, shown;
  const Cancel* cancel = nullptr;
  {
    std::lock_guard lock(mutex_);
    const Entry& e = entries_.at(key);
    project = open_locked(key.first).project;
    entry = e.row.entry;
    cancel = e.cancel.get();
    shown = json_locked(e);
  }
  listener_.changed(key.first, shown);
  t_job = key;
  const CrashNote note(note_of(*project, key.second, entry.value("task", "")));
  Progress progress([&](const ProgressState& s, bool ends) { this->progress(key, s, ends); });
  try {
    const Work work =
        make_(*project, entry.at("task"), field(entry, "arguments"), field(entry, "options"));
    on_log(LogLevel::kInfo, "started: " + work.title);
    const json result = work.run(progress, *cancel);
    finish(key, &result, nullptr);
  } catch (const Error& e) {
    finish(key, nullptr, &e);
  } catch (const std::bad_alloc&) {
    const Error e(ErrorCode::kNoSpace, "out of memory",
                  "close other programs, or lower sizes (batch, resolution_px)");
    finish(key, nullptr, &e);
  } catch (const std::exception& ex) {
    const Error e(ErrorCode::kInternal, ex.what(), "please report this with the job's log");
    finish(key, nullptr, &e);
  }
  t_job.reset();
}

void Queue::finish(Key key, const json* result, const Error* error) {
  const bool stopped = error ? error->code() == ErrorCode::kCancelled
                             : result->is_object() && result->value("stopped_by", "") == "cancel";
  if (error && !stopped)
    on_log(LogLevel::kError, std::string(error->what()) + " (" + error->hint() + ")");
  json shown;
  std::string not_stored;
  {
    std::lock_guard lock(mutex_);
    Entry& e = entries_.at(key);
    std::string state = error ? "failed" : "done";
    if (stopped)
      state = e.stop == Stop::kPause      ? "paused"
              : e.stop == Stop::kShutdown ? "queued"
              : e.stop == Stop::kCancel   ? "cancelled"
                                          : "interrupted";
    if (result) e.row.entry["result"] = *result;
    if (error && !stopped) e.row.entry["error"] = error_json(*error);
    if (is_finished(state)) e.row.entry["ended_at"] = project::now_utc();
    e.row.entry["crashes"] = 0;
    e.cancel.reset();
    try {
      save_locked(e, state);
    } catch (const Error& failed) {
      not_stored = failed.what();
    }
    shown = json_locked(e);
  }
  // Not under the lock: the line comes back to on_log.
  if (!not_stored.empty()) log_warning("the job's state could not be stored: " + not_stored);
  on_log(LogLevel::kInfo, "ended: " + shown["state"].get<std::string>());
  listener_.changed(key.first, shown);
}

void Queue::progress(Key key, const ProgressState& state, bool ends) {
  json shown;
  {
    std::lock_guard lock(mutex_);
    Entry& e = entries_.at(key);
    const auto now = std::chrono::steady_clock::now();
    const bool new_stage = !e.has_progress || e.progress.stage != state.stage;
    e.progress = state;
    e.has_progress = true;
    if (!ends && !new_stage && now - e.told < kTellEvery) return;
    e.told = now;
    shown = json_locked(e);
  }
  listener_.changed(key.first, shown);
}

fs::path Queue::log_path_locked(const std::string& project, int64_t job) const {
  return open_locked(project).project->folder() / "logs" /
         ("job-" + std::to_string(job) + ".jsonl");
}

void Queue::on_log(LogLevel level, const std::string& text) {
  Key key;
  fs::path path;
  {
    std::lock_guard lock(mutex_);
    if (t_job)
      key = *t_job;
    else if (heavy_)
      key = *heavy_;
    else
      return;
    path = log_path_locked(key.first, key.second);
  }
  {
    std::lock_guard lock(log_mutex_);
    append_log(path, level, text);
  }
  if (listener_.logged) listener_.logged(key.first, key.second, level, text);
}

std::string Queue::report(const std::string& project, int64_t job) const {
  fs::path path;
  {
    std::lock_guard lock(mutex_);
    path = entry_locked(project, job).row.entry.value("report", "");
  }
  for (const fs::path& known : crash_reports())  // nothing else is read
    if (known.filename() == path.filename()) return read_file(known, 1 << 20);
  throw Error(ErrorCode::kNotFound, "there is no crash report of job " + std::to_string(job),
              "the newest reports are kept; look at its log");
}

json Queue::log(const std::string& project, int64_t job, size_t from) const {
  fs::path path;
  {
    std::lock_guard lock(mutex_);
    entry_locked(project, job);
    path = log_path_locked(project, job);
  }
  json lines = json::array();
  std::lock_guard lock(log_mutex_);
  std::ifstream in(path);
  std::string line;
  size_t n = 0;
  for (; std::getline(in, line); ++n) {
    if (n < from || lines.size() >= 2000) continue;
    auto j = json::parse(line, nullptr, false);  // a torn last line is left out
    if (j.is_object()) lines.push_back(std::move(j));
  }
  return {{"lines", lines}, {"next", n}};
}

void Queue::hold() {
  std::lock_guard lock(mutex_);
  if (heavy_)
    throw Error(ErrorCode::kIo,
                "the machine is busy: " +
                    entries_.at(*heavy_).row.entry.value("title", std::string("a job")),
                "pause that job, or wait until it is done");
  held_ = true;
}
void Queue::release() {
  {
    std::lock_guard lock(mutex_);
    held_ = false;
  }
  wake_.notify_all();
}

json Queue::running() const {
  std::lock_guard lock(mutex_);
  if (!heavy_) return nullptr;
  const Entry& e = entries_.at(*heavy_);
  return {{"project", e.project},
          {"id", e.row.id},
          {"task", field(e.row.entry, "task")},
          {"arguments", field(e.row.entry, "arguments")}};
}

}  // namespace likeness::jobs
