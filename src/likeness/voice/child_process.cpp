// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/child_process.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"

extern char** environ;

namespace likeness::voice {
namespace {

constexpr size_t kMostBytes = 16u << 20;

class Fd {
 public:
  Fd() = default;
  ~Fd() { close(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  void close() {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  int fd = -1;
};

void make_pipe(Fd& read, Fd& write) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_errno(errno, "cannot make a pipe");
  read.fd = ends[0], write.fd = ends[1];
}

class Child {
 public:
  Child(const std::vector<std::string>& arguments, int in, int out) {
    std::vector<char*> argv;
    for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out, 1);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    const int error = ::posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
      pid_ = -1;
      throw Error(ErrorCode::kMissing, arguments[0] + " is not installed",
                  "run scripts/install-packages (apt-get install " + arguments[0] + ")");
    }
  }
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
};

}  // namespace

std::string filter_through(const std::vector<std::string>& arguments, const std::string& input,
                           double most_s) {
  LIKENESS_REQUIRE(!arguments.empty());
  Fd child_in, to_child, from_child, child_out;
  make_pipe(child_in, to_child);
  make_pipe(from_child, child_out);
  Child child(arguments, child_in.fd, child_out.fd);
  child_in.close();
  child_out.close();
  ::fcntl(to_child.fd, F_SETFL, O_NONBLOCK);
  const auto failed = [&](const std::string& why) {
    throw Error(ErrorCode::kInternal, arguments[0] + " " + why,
                "run it by hand to see what is wrong");
  };
  // A child that ends early must not end this program.
  sigset_t pipe_signal, was;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &was);
  std::string out;
  size_t sent = 0;
  std::string problem;
  const auto start = std::chrono::steady_clock::now();
  while (problem.empty()) {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    if (spent.count() > most_s) {
      problem = "does not answer";
      break;
    }
    if (sent >= input.size()) to_child.close();
    std::array<pollfd, 2> wait = {{{from_child.fd, POLLIN, 0}, {to_child.fd, POLLOUT, 0}}};
    if (::poll(wait.data(), to_child.fd >= 0 ? 2 : 1, 200) < 0 && errno != EINTR) {
      problem = "cannot be waited for";
      break;
    }
    if (to_child.fd >= 0 && wait[1].revents) {
      const ssize_t n = ::write(to_child.fd, input.data() + sent, input.size() - sent);
      if (n > 0)
        sent += static_cast<size_t>(n);
      else if (errno != EAGAIN && errno != EINTR)
        sent = input.size();  // it reads no more; what it writes still counts
    }
    if (wait[0].revents) {
      std::array<char, 8192> part{};
      const ssize_t n = ::read(from_child.fd, part.data(), part.size());
      if (n == 0) break;
      if (n > 0) out.append(part.data(), static_cast<size_t>(n));
      if (out.size() > kMostBytes) problem = "writes without end";
    }
  }
  // Take a pending SIGPIPE away before it is let through again.
  const timespec none{0, 0};
  while (::sigtimedwait(&pipe_signal, nullptr, &none) > 0) {
  }
  ::pthread_sigmask(SIG_SETMASK, &was, nullptr);
  if (!problem.empty()) failed(problem);
  const int status = child.wait();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    failed(WIFEXITED(status) ? "ended with status " + std::to_string(WEXITSTATUS(status))
                             : "was stopped by a signal");
  return out;
}

}  // namespace likeness::voice
