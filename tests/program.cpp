// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#include <chrono>
#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/media/video.h"

namespace likeness::tests {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
namespace {

[[noreturn]] void become_program(const fs::path& folder, const std::vector<std::string>& args,
                                 const RunOptions& options, int out, int err) {
  if (::chdir(folder.c_str()) != 0) ::_exit(99);
  if (!options.stdout_to.empty()) out = ::open(options.stdout_to.c_str(), O_WRONLY);
  ::dup2(::open(options.stdin_from.c_str(), O_RDONLY), 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  if (options.file_size_limit >= 0) {
    const rlimit limit{static_cast<rlim_t>(options.file_size_limit),
                       static_cast<rlim_t>(options.file_size_limit)};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  for (const auto& e : options.environment) ::putenv(::strdup(e.c_str()));
  std::vector<char*> argv = {::strdup(LIKENESS_PROGRAM)};
  for (const auto& a : args) argv.push_back(::strdup(a.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(98);
}

/// Reads both pipes to their end, sending signals when their time has come.
void collect(pid_t child, int out, int err, const RunOptions& options, Outcome& outcome) {
  const auto start = Clock::now();
  bool killed = false, interrupted = false;
  pollfd fds[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
  int open = 2;
  while (open > 0) {
    const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    if (!killed &&
        ((options.kill_after_s >= 0 && elapsed >= options.kill_after_s) || elapsed > 600)) {
      ::kill(child, SIGKILL);
      killed = true;
    }
    if (!interrupted && options.interrupt_when && options.interrupt_when()) {
      ::kill(child, SIGINT);
      interrupted = true;
    }
    ::poll(fds, 2, 2);
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || !(fds[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
      char buffer[65536];
      const ssize_t n = ::read(fds[i].fd, buffer, sizeof buffer);
      if (n > 0) {
        (i == 0 ? outcome.out : outcome.err).append(buffer, static_cast<size_t>(n));
      } else {
        fds[i].fd = -1;
        --open;
      }
    }
  }
}

}  // namespace

nlohmann::json Outcome::json() const {
  auto j = nlohmann::json::parse(out, nullptr, false);
  EXPECT_FALSE(j.is_discarded()) << "not JSON: " << out << "\n" << err;
  return j;
}

Outcome run(const fs::path& folder, const std::vector<std::string>& args,
            const RunOptions& options) {
  int out[2], err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) become_program(folder, args, options, out[1], err[1]);
  ::close(out[1]);
  ::close(err[1]);
  Outcome outcome;
  collect(child, out[0], err[0], options, outcome);
  ::close(out[0]);
  ::close(err[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

void ProgramTest::SetUp() {
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  folder_ = fs::temp_directory_path() / ("likeness-" + std::to_string(::getpid()) + "-" +
                                         info->test_suite_name() + "-" + info->name());
  fs::remove_all(folder_);
  fs::create_directories(folder_);
}
void ProgramTest::TearDown() {
  std::error_code ec;
  fs::remove_all(folder_, ec);
}

nlohmann::json ProgramTest::ok(std::vector<std::string> args, const RunOptions& options) const {
  args.push_back("--json");
  const Outcome o = likeness(args, options);
  EXPECT_EQ(o.status, 0) << o.err;
  return o.status == 0 ? o.json() : nlohmann::json();
}

void ProgramTest::fails(std::vector<std::string> args, const std::string& code,
                        const std::string& word, const RunOptions& options) const {
  static const std::vector<std::pair<std::string, int>> kStatus = {
      {"usage", 2},   {"not_found", 3}, {"bad_input", 4}, {"damaged", 5}, {"unsupported", 6},
      {"refused", 7}, {"no_face", 8},   {"no_space", 9},  {"io", 10},     {"missing", 11}};
  args.push_back("--json");
  const Outcome o = likeness(args, options);
  std::string shown = "likeness";
  for (const auto& a : args) shown += " " + a;
  int wanted = -1;
  for (const auto& [name, status] : kStatus)
    if (name == code) wanted = status;
  EXPECT_EQ(o.status, wanted) << shown << "\n" << o.err;
  EXPECT_NE(o.err.find("error: "), std::string::npos) << shown << "\n" << o.err;
  EXPECT_NE(o.err.find("hint: "), std::string::npos) << shown << "\n" << o.err;
  if (o.status == 0) return;
  const auto j = o.json();
  if (!j.is_object() || !j.contains("error")) {
    ADD_FAILURE() << shown << ": no error object on stdout: " << o.out;
    return;
  }
  EXPECT_EQ(j["error"]["code"], code) << shown << "\n" << o.err;
  const std::string what = j["error"]["what"];
  EXPECT_NE(what.find(word), std::string::npos) << shown << "\n" << what;
}

fs::path performers() { return fs::path(LIKENESS_SOURCE_DIR) / "assets" / "performers"; }

bool models_installed() {
  static const bool there =
      fs::exists(fs::path(LIKENESS_SOURCE_DIR) / ".cache/models/face_landmark.tflite") ||
      std::getenv("LIKENESS_MODELS") != nullptr;
  return there;
}

fs::path ProgramTest::clip(const std::string& name, int first, int frames) const {
  static const fs::path store =
      fs::temp_directory_path() / ("likeness-clips-" + std::to_string(::getpid()));
  static const struct Remove {
    ~Remove() {
      std::error_code ec;
      fs::remove_all(store, ec);
    }
  } remove;
  const fs::path path =
      store / (name + "-" + std::to_string(first) + "-" + std::to_string(frames) + ".mp4");
  if (fs::exists(path)) return path;
  fs::create_directories(store);
  media::VideoReader reader(performers() / (name + ".mp4"));
  media::WriterOptions options;
  options.preset = "veryfast";
  media::VideoInfo like = reader.info();
  media::VideoWriter writer(path, like, options);
  reader.seek(first);
  const double start_s = first / like.frame_rate.value();
  if (like.has_audio) writer.copy_audio_from(performers() / (name + ".mp4"), start_s);
  for (int i = 0; i < frames; ++i) {
    auto frame = reader.next();
    if (!frame) break;
    writer.write(*frame);
  }
  writer.finish();
  return path;
}

std::string raw_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_raw(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::vector<Image8> frames_of(const fs::path& video) {
  std::vector<Image8> out;
  media::VideoReader reader(video);
  while (auto frame = reader.next()) out.push_back(frame->rgb8());
  return out;
}

std::vector<std::string> leftovers(const fs::path& folder) {
  std::vector<std::string> out;
  for (const auto& f : fs::recursive_directory_iterator(folder))
    if (f.path().filename().string().find(".tmp") != std::string::npos)
      out.push_back(f.path().string());
  return out;
}

}  // namespace likeness::tests
