// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdlib>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/tasks/demo.h"
#include "likeness/tasks/evaluate_task.h"
#include "likeness/tasks/extract.h"
#include "likeness/tasks/runner.h"
#include "likeness/tasks/swap.h"
#include "likeness/trust/finish.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
namespace {

project::Project open_or_create(const fs::path& folder) {
  std::error_code ec;
  auto p = fs::exists(folder / "project.toml", ec) ? project::Project::open(folder)
                                                   : project::Project::create(folder);
  for (const char* name : {"ben", "ava"}) {
    bool there = false;
    for (const auto& s : p.subjects()) there = there || s.name == name;
    if (!there) p.add_subject({.name = name, .kind = project::SubjectKind::kSynthetic});
  }
  return p;
}

std::string processor() {
  const std::string text = read_file("/proc/cpuinfo");
  const size_t at = text.find("model name");
  if (at == std::string::npos) return "unknown";
  const size_t colon = text.find(": ", at);
  return text.substr(colon + 2, text.find('\n', colon) - colon - 2);
}

}  // namespace

fs::path performers_folder() {
  std::vector<fs::path> places;
  if (const char* set = std::getenv("LIKENESS_ASSETS"))
    places.push_back(fs::path(set) / "performers");
  places.push_back(LIKENESS_ASSETS_DIR "/performers");
  places.push_back("/usr/share/likeness/performers");
  std::error_code ec;
  for (const auto& p : places)
    if (fs::exists(p / "ben-train.mp4", ec)) return p;
  throw Error(ErrorCode::kMissing, "the built-in performers were not found",
              "run from a complete source tree, or set LIKENESS_ASSETS to its assets folder");
}

nlohmann::json run_demo(const fs::path& out, const TrainTaskOptions& train_options,
                        Progress& progress, const Cancel& cancel) {
  const fs::path clips = performers_folder();
  std::error_code ec;
  fs::create_directories(out, ec);
  if (ec) throw_errno(ec.value(), "cannot create " + out.string());
  auto project = open_or_create(out / "project");
  nlohmann::json report = {{"seconds", nlohmann::json::object()}};
  auto step = [&](const std::string& name, Task& task) {
    const auto start = std::chrono::steady_clock::now();
    JobResult r = run_task(task, project, progress, cancel);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    report["seconds"][name] = report["seconds"].value(name, 0.0) + seconds;
    cancel.check();
    return r.report;
  };
  const fs::path take = clips / "ava-to-ben-take.mp4";
  ExtractTask ben({clips / "ben-train.mp4"}, "ben", {}),
      ava({clips / "ava-train.mp4", take}, "ava", {});
  report["extract"] = {step("extract", ben), step("extract", ava)};
  TrainTask train("ben-on-ava", "ben", "ava", train_options);
  report["train"] = step("train", train);

  const fs::path result = out / "swap.mp4";
  SwapTask swap(project, take, result, "ben-on-ava", {}, {});
  report["swap"] = step("swap", swap);
  report["swap"]["frames_per_second"] =
      report["swap"]["frames"].get<double>() / report["seconds"]["swap"].get<double>();

  const double minutes = report["train"]["elapsed_s"].get<double>() / 60;
  char trained[64];
  std::snprintf(trained, sizeof trained, "%.1f minutes, %lld steps", minutes,
                static_cast<long long>(report["train"]["step"].get<int64_t>()));
  EvaluateTaskOptions evaluate_options;
  evaluate_options.per_frame = false;
  evaluate_options.goals_minutes = std::max(0.1, minutes);
  EvaluateTask evaluate(
      {result, take, clips / "ava-to-ben-truth-toned.mp4", clips / "ava-to-ben-mask.mp4"}, "ben",
      "ava", {out / "report.html", out / "contact-sheet.png", out / "side-by-side.mp4"},
      evaluate_options, project.model_folder("ben-on-ava") / "log.jsonl",
      {{"trained", trained},
       {"machine", processor() + ", " + std::to_string(thread_count()) + " threads"},
       {"likeness", program_version()}});
  report["evaluation"] = step("evaluate", evaluate);
  report["files"] = {{"video", result.string()},
                     {"side_by_side", (out / "side-by-side.mp4").string()},
                     {"sheet", (out / "contact-sheet.png").string()},
                     {"report", (out / "report.html").string()}};
  trust::deliver_text(out / "report.json", report.dump(2) + "\n");
  return report;
}

}  // namespace likeness::tasks
