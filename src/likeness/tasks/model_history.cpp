// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/model_history.h"

#include <algorithm>
#include <ctime>
#include <fstream>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/file_facts.h"
#include "likeness/base/sealed_file.h"
#include "likeness/tasks/model_info.h"
#include "likeness/tasks/runner.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

/// The number in step-00000120.EXT; -1 when the name is another.
int64_t step_of(const fs::path& path) {
  const std::string stem = path.stem().string();
  if (stem.rfind("step-", 0) != 0 || stem.size() < 6 || stem.size() > 23 ||
      stem.find_first_not_of("0123456789", 5) != std::string::npos)
    return -1;
  return std::stoll(stem.substr(5));
}

std::vector<HistoryEntry> history(const fs::path& folder, const std::string& extension) {
  std::vector<HistoryEntry> out;
  std::error_code ec;
  for (const auto& f : fs::directory_iterator(folder, ec)) {
    const int64_t step = step_of(f.path());
    if (step >= 0 && f.path().extension() == extension)
      out.push_back({step, f.path(), modified_utc(f.path())});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return out;
}

fs::path existing(const project::Project& project, const std::string& model) {
  const fs::path folder = project.model_folder(model);
  std::error_code ec;
  if (!fs::is_directory(folder, ec))
    throw Error(ErrorCode::kNotFound, "the project has no model '" + model + "'",
                "see the list of its models");
  return folder;
}

std::vector<json> read_log(const fs::path& folder) {
  std::vector<json> rows;
  std::ifstream in(folder / "log.jsonl");
  for (std::string line; std::getline(in, line);) {
    auto row = json::parse(line, nullptr, false);  // a torn last line is left out
    if (row.is_object()) rows.push_back(std::move(row));
  }
  return rows;
}

/// Options of the newest training of this model, as the task takes them; null when none is known.
json last_options(const project::Project& project, const std::string& model) {
  const auto jobs = project.jobs();
  const project::JobRow* newest = nullptr;
  for (const auto& job : jobs)
    if (job.task == "train" && job.options.is_object() && job.options.value("model", "") == model &&
        (!newest || job.id > newest->id))
      newest = &job;
  if (!newest) return nullptr;
  json options = newest->options;
  for (const char* name : {"model", "identity", "performer"}) options.erase(name);
  return options;
}

constexpr const char* kStateKind = "model-state";
/// The card before the weights, as a training job moves them.
constexpr const char* kStateFiles[] = {"log.jsonl", "preview.png", "model.toml",
                                       "model.safetensors"};
constexpr const char* kAbout = "about.json";

/// A second name for what is only ever replaced whole, else a copy. What is sealed stays sealed.
void keep_file(const fs::path& from, const fs::path& to, bool replaced_whole) {
  std::error_code ec;
  if (!fs::exists(from, ec)) return;
  if (replaced_whole) fs::create_hard_link(from, to, ec);
  if (!replaced_whole || ec) fs::copy_file(from, to, fs::copy_options::overwrite_existing, ec);
  if (ec) throw_errno(ec.value(), "cannot keep " + from.string());
}

project::TrashEntry keep_state(project::Project& project, const std::string& model,
                               const json& options) {
  const fs::path folder = project.model_folder(model), kept = folder / "before";
  std::error_code ec;
  fs::remove_all(kept, ec);
  fs::create_directories(kept, ec);
  if (ec) throw_errno(ec.value(), "cannot make " + kept.string());
  for (const std::string name : kStateFiles)
    keep_file(folder / name, kept / name, name != "log.jsonl");
  write_file_atomic(kept / kAbout, json{{"model", model}, {"options", options}}.dump() + "\n");
  return project.move_to_trash(kept, kStateKind, model);
}

}  // namespace

project::TrashEntry discard_model(project::Project& project, const std::string& model) {
  ProjectLock lock(project, "model-" + model);
  return project.move_to_trash(project.model_folder(model), "model", model);
}

std::vector<std::string> model_folders(const project::Project& project) {
  std::vector<std::string> out;
  std::error_code ec;
  for (const auto& f : fs::directory_iterator(project.folder() / "models", ec))
    if (f.is_directory(ec) && f.path().filename().string()[0] != '.')
      out.push_back(f.path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

json model_overview(const project::Project& project, const std::string& model) {
  const fs::path folder = existing(project, model);
  std::error_code ec;
  json j = {{"name", model},      {"identity", ""}, {"performer", ""},     {"step", 0},
            {"elapsed_s", 0.0},   {"state", "new"}, {"held_out", nullptr}, {"loss", nullptr},
            {"preview", nullptr}, {"bytes", 0},     {"sealed", false},     {"exported", false}};
  j["bytes"] = folder_bytes(folder);
  if (fs::exists(folder / "model.safetensors", ec)) {
    j["exported"] = true;
    j["state"] = "ready";
    try {
      const ModelInfo info = model_info(project, model);
      j["identity"] = info.identity;
      j["performer"] = info.performer;
      j["step"] = info.step;
      j["exported_step"] = info.step;
      j["sealed"] = info.metadata.value("sealed", false);
    } catch (const Error& e) {
      j["state"] = "damaged";
      j["why"] = e.what();
    }
  } else if (!history(folder, ".checkpoint").empty()) {
    j["state"] = "partial";
  }
  for (const auto& job : project.jobs())  // newest last or first: the one with names wins
    if (j["identity"] == "" && job.task == "train" && job.options.is_object() &&
        job.options.value("model", "") == model) {
      j["identity"] = job.options.value("identity", "");
      j["performer"] = job.options.value("performer", "");
    }
  for (const json& row : read_log(folder)) {
    j["step"] = row.value("step", int64_t{0});
    j["elapsed_s"] = row.value("time_s", 0.0);
    if (row.value("event", "") == "held_out")
      j["held_out"] = row;
    else if (row.contains("loss"))
      j["loss"] = row["loss"];
  }
  if (fs::exists(folder / "preview.png", ec)) {
    const auto past = model_previews(project, model);
    j["preview"] = {{"step", past.empty() ? j["step"] : json(past.back().step)},
                    {"at", modified_utc(folder / "preview.png")}};
  }
  return j;
}

std::vector<HistoryEntry> model_previews(const project::Project& project,
                                         const std::string& model) {
  return history(existing(project, model) / "previews", ".png");
}
std::string preview_bytes(const project::Project& project, const std::string& model,
                          const fs::path& picture) {
  if (!sealed_info(picture)) return read_file(picture, 64 << 20);
  // It shows a person: whoever may train the model may see how it comes along.
  const json about = model_overview(project, model);
  const trust::Grant grant =
      trust::authorise(project, {.task = "training-preview",
                                 .operation = trust::Operation::kTrain,
                                 .subjects = {{about.at("identity"), trust::Role::kIdentity},
                                              {about.at("performer"), trust::Role::kPerformer}},
                                 .preview = true});
  return read_file(picture, 64 << 20);
}
std::vector<HistoryEntry> model_checkpoints(const project::Project& project,
                                            const std::string& model) {
  return history(existing(project, model), ".checkpoint");
}

json model_log(const project::Project& project, const std::string& model, int64_t from_step,
               size_t most) {
  std::vector<json> rows = read_log(existing(project, model));
  std::erase_if(rows, [&](const json& r) { return r.value("step", int64_t{0}) < from_step; });
  const size_t total = rows.size();
  size_t plain = 0;
  for (const json& r : rows) plain += !r.contains("event");
  json out = json::array();
  size_t seen = 0, taken = 0;
  for (json& r : rows) {
    if (!r.contains("event")) {
      // The k-th of n rows stays when it begins a new one of `most` equal parts; the last one does.
      const bool keep = plain <= most || ++seen * most / plain > taken;
      if (!keep) continue;
      if (plain > most) taken = seen * most / plain;
    }
    out.push_back(std::move(r));
  }
  return {{"rows", out}, {"total", total}};
}

json restore_checkpoint(project::Project& project, const std::string& model, int64_t step) {
  const auto all = model_checkpoints(project, model);
  if (std::none_of(all.begin(), all.end(), [&](const auto& c) { return c.step == step; }))
    throw Error(ErrorCode::kNotFound,
                "the model '" + model + "' has no checkpoint of step " + std::to_string(step),
                "see the list of its checkpoints");
  json options = last_options(project, model);
  if (options.is_null())
    throw Error(ErrorCode::kNotFound, "it is not known how '" + model + "' was trained",
                "train it with the same options as before; then its checkpoints can be restored");
  options["steps"] = std::max<int64_t>(1, step);
  options["minutes"] = 0;
  options["plateau_minutes"] = 0;
  // A schedule follows its target; without one the rate does not matter, no step is made.
  options["schedule"] = "constant";
  ProjectLock lock(project, "model-" + model);
  json trash = json::array({keep_state(project, model, options).id});
  for (const auto& c : all)
    if (c.step > step)
      trash.push_back(
          project.move_to_trash(c.path, "checkpoint", model + "-" + std::to_string(c.step)).id);
  return {{"step", step}, {"trash", trash}, {"options", options}};
}

json model_state(const project::Project& project, const std::string& trash_id) {
  for (const auto& e : project.trash())
    if (e.id == trash_id && e.kind == kStateKind)
      return json::parse(
          read_file(project.trash_folder() / e.id / fs::path(e.original).filename() / kAbout,
                    1 << 20),
          nullptr, false);
  return nullptr;
}

project::TrashEntry bring_back(project::Project& project, const std::string& trash_id) {
  const json about = model_state(project, trash_id);
  if (!about.is_object()) return project.restore(trash_id);
  const fs::path folder = existing(project, about.value("model", ""));
  ProjectLock lock(project, "model-" + about.value("model", ""));
  auto entry = project.restore(trash_id);
  const fs::path kept = project.folder() / entry.original;
  std::error_code ec;
  for (const char* name : kStateFiles) {
    // What was not there before the restore is of the restored checkpoint.
    if (fs::exists(kept / name, ec))
      fs::rename(kept / name, folder / name, ec);
    else
      fs::remove(folder / name, ec);
    if (ec) throw_errno(ec.value(), "cannot bring " + (folder / name).string() + " back");
  }
  fs::remove_all(kept, ec);
  return entry;
}

}  // namespace likeness::tasks
