// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/runner.h"

#include <cerrno>
#include <chrono>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/tasks/consent_check.h"
#include "likeness/tasks/media_inputs.h"
#include "likeness/trust/keys.h"
#include "likeness/trust/provenance.h"

#ifndef LIKENESS_VERSION
#define LIKENESS_VERSION "0.1.0"
#endif

namespace likeness::tasks {
namespace fs = std::filesystem;
namespace {

/// Temporary files of processes that were killed in this folder; the lock says that nobody is in
/// it.
void remove_leftovers(const fs::path& folder) {
  std::error_code ec;
  for (const auto& f : fs::directory_iterator(folder, ec)) {
    const std::string name = f.path().filename().string();
    if (name.size() > 1 && name[0] == '.' && name.find(".tmp") != std::string::npos)
      fs::remove_all(f.path(), ec);
  }
}

void make_folder(const fs::path& folder) {
  std::error_code ec;
  fs::create_directories(folder, ec);
  if (ec) throw_errno(ec.value(), "cannot create " + folder.string());
}

/// Parts of a job are for its owner alone: an encoder writes them in clear.
void make_private(const fs::path& path) {
  std::error_code ec;
  const bool folder = fs::is_directory(path, ec);
  fs::permissions(
      path, folder ? fs::perms::owner_all : fs::perms::owner_read | fs::perms::owner_write, ec);
  if (ec) throw_errno(ec.value(), "cannot keep others out of " + path.string());
}

std::vector<fs::path> run_chunks(Task& task, Run& run) {
  std::vector<fs::path> parts;
  for (const Chunk& chunk : task.plan(run)) {
    run.cancel.check();
    fs::path out = run.work / (chunk.name + chunk.extension);
    std::error_code ec;
    if (!fs::exists(out, ec)) task.run(chunk, out, run);
    if (!fs::exists(out, ec))
      throw Error(ErrorCode::kInternal, task.name() + " did not write its part " + chunk.name,
                  "please report this with the command you ran");
    make_private(out);
    parts.push_back(std::move(out));
  }
  return parts;
}

/// The same work on the same material carries the same mark, wherever it is written and however it
/// is cut into chunks; another project's never does.
uint64_t draw_mark(project::Project& project, const Task& task,
                   const std::vector<trust::Input>& inputs) {
  nlohmann::json j = task.options();
  for (const char* key : {"output", "chunk_frames"}) j.erase(key);
  std::string text =
      task.name() + "\n" + j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  for (const auto& in : inputs) text += in.hash + "\n";
  const auto id =
      trust::watermark_id(trust::hmac_sha256_hex(watermark_secret(project), text).substr(0, 16));
  return id && *id ? *id : trust::draw_watermark();
}

/// Kept beside the chunks; the job's lock says that nobody else draws it now.
uint64_t watermark_of_job(project::Project& project, const Task& task,
                          const std::vector<trust::Input>& inputs, const fs::path& work) {
  const fs::path path = work / "watermark";
  std::error_code ec;
  if (fs::exists(path, ec))
    if (const auto id = trust::watermark_id(read_file(path, 64))) return *id;
  const uint64_t id = draw_mark(project, task, inputs);
  write_file_atomic(path, trust::watermark_text(id));
  return id;
}

/// So that a revocation finds the parts of unfinished jobs.
void note_persons(const trust::Grant& grant, const fs::path& work) {
  std::string names;
  for (const auto& s : grant.record().at("subjects"))
    if (s.at("kind") == project::subject_kind_name(project::SubjectKind::kPerson))
      names += s.at("name").get<std::string>() + "\n";
  if (!names.empty()) write_file_atomic(work / kPersonsOfJob, names);
}

JobResult run_job(Task& task, Run& run, const std::vector<trust::Input>& inputs, int64_t job) {
  const auto began = std::chrono::steady_clock::now();
  JobResult done;
  done.job = job;
  const std::vector<fs::path> parts = run_chunks(task, run);
  Result result = task.join(parts, run);
  nlohmann::json outputs = nlohmann::json::array();
  std::vector<fs::path> read;
  for (const auto& input : inputs) read.push_back(input.path);
  for (const trust::Output& output : result.outputs) {
    refuse_overwriting(output.path, read);  // whatever the task itself has looked at
    trust::Finished f = trust::finish(run.project, run.grant, job, inputs, output, run.watermark);
    outputs.push_back({{"kind", f.kind}, {"path", f.path.string()}, {"sha256", f.hash}});
    if (!f.manifest.empty()) outputs.back()["manifest"] = f.manifest;
    outputs.back()["finish_s"] = f.seconds;
    done.outputs.push_back(std::move(f));
  }
  done.report = std::move(result.report);
  done.report["job"] = job;
  done.report["seconds"] =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  done.report["outputs"] = std::move(outputs);
  std::error_code ec;
  fs::remove_all(run.work, ec);
  return done;
}

}  // namespace

std::string watermark_secret(project::Project& project) {
  constexpr const char* kSecret = "watermark_secret";
  if (!project.setting(kSecret).is_string())
    project.set_setting(kSecret, hex(trust::random_bytes(16)));
  return project.setting(kSecret);
}

const char* program_version() { return LIKENESS_VERSION; }

std::string job_key(const Task& task, const std::vector<trust::Input>& inputs) {
  nlohmann::json j = {
      {"task", task.name()}, {"version", program_version()}, {"options", task.options()}};
  for (const auto& in : inputs) j["inputs"].push_back(in.hash);
  return task.name() + "-" +
         sha256(j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)).substr(0, 16);
}

ProjectLock::ProjectLock(const project::Project& project, const std::string& name) {
  const fs::path folder = project.folder() / "work" / "locks";
  make_folder(folder);
  const fs::path path = folder / (name + ".lock");
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) throw_errno(errno, "cannot lock " + path.string());
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = "";
    ssize_t n = ::pread(fd_, pid, sizeof pid - 1, 0);
    ::close(fd_);
    throw Error(ErrorCode::kIo,
                "another job works on " + name + " in this project" +
                    (n > 0 ? " (process " + std::string(pid, static_cast<size_t>(n)) + ")" : ""),
                "wait until it is done, or stop it; then run this command again");
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd_, 0) != 0 ||
      ::pwrite(fd_, pid.data(), pid.size(), 0) < 0) { /* only for the message */
  }
}
ProjectLock::~ProjectLock() { ::close(fd_); }

JobResult run_task(Task& task, project::Project& project, Progress& progress,
                   const Cancel& cancel) {
  nlohmann::json options = task.options();
  const int64_t job = project.begin_job(task.name(), options);
  auto fail = [&](const std::string& state, const nlohmann::json& why) {
    try {
      project.end_job(job, state, why);
    } catch (const Error& e) {  // the first error matters more
      log_warning(std::string("the job's state could not be stored: ") + e.what());
    }
  };
  try {
    const trust::Grant grant = trust::authorise(project, task.request());
    check_material(project, grant);
    const std::vector<trust::Input> inputs = task.inputs(project);
    check_footage(project, grant, inputs, progress, cancel);
    const std::string key = job_key(task, inputs);
    std::vector<std::unique_ptr<ProjectLock>> locks;
    locks.push_back(std::make_unique<ProjectLock>(project, key));
    for (const std::string& name : task.locks())
      locks.push_back(std::make_unique<ProjectLock>(project, name));
    const fs::path work = project.work_folder(key);
    make_folder(work);
    make_private(work);
    remove_leftovers(work);
    grant.seal_folder(work);
    note_persons(grant, work);
    trust::record_grant(project, grant, job, inputs);
    Run run{project, progress, cancel, grant, work, watermark_of_job(project, task, inputs, work)};
    JobResult done = run_job(task, run, inputs, job);
    // A task that can stop early and still give something whole (training) ends so.
    project.end_job(job, cancel.requested() ? "cancelled" : "done", done.report);
    return done;
  } catch (const Error& e) {
    fail(e.code() == ErrorCode::kCancelled ? "cancelled" : "failed",
         {{"code", error_code_name(e.code())}, {"error", e.what()}, {"hint", e.hint()}});
    throw;
  } catch (const std::exception& e) {
    fail("failed", {{"code", "internal"}, {"error", e.what()}});
    throw;
  }
}

}  // namespace likeness::tasks
