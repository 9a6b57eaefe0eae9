// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/crash_report.h"

#include <csignal>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"

namespace likeness {
namespace {
namespace fs = std::filesystem;

class CrashReport : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef LIKENESS_OTHER_HANDLERS
    GTEST_SKIP() << "the sanitizer reports crashes itself";
#endif
    folder_ = fs::temp_directory_path() / ("likeness-crash-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// What a child leaves that crashes by `how`; the signal it ended by, and what it said.
  template <typename F>
  std::string report_of(F how, int signal) {
    int pipes[2];
    EXPECT_EQ(::pipe(pipes), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(pipes[1], STDERR_FILENO);
      install_crash_report(folder_ / "crashes", "version: 1.2\ncommand: likeness train film\n");
      how();
      ::_exit(0);
    }
    ::close(pipes[1]);
    char buffer[4096];
    said_.clear();
    for (ssize_t n = 0; (n = ::read(pipes[0], buffer, sizeof buffer)) > 0;)
      said_.append(buffer, static_cast<size_t>(n));
    ::close(pipes[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << status;
    std::string text;
    for (const auto& f : fs::directory_iterator(folder_ / "crashes")) {
      struct stat st {};
      ::stat(f.path().c_str(), &st);
      EXPECT_EQ(st.st_mode & 0777, 0600u);
      EXPECT_NE(said_.find(f.path().string()), std::string::npos) << said_;
      text = read_file(f.path(), 1 << 20);
    }
    return text;
  }
  static void expect(const std::string& report, std::initializer_list<const char*> words) {
    for (const char* word : words)
      EXPECT_NE(report.find(word), std::string::npos) << word << "\n" << report;
  }

  fs::path folder_;
  std::string said_;
};

TEST_F(CrashReport, ASignalLeavesOne) {
  const std::string report = report_of(
      [] {
        const CrashNote note("job 3 of /film");
        { const CrashNote gone("something that is over"); }
        ::raise(SIGSEGV);
      },
      SIGSEGV);
  expect(report, {"Likeness crash report\ntime: 20", "what: SIGSEGV, sent by process ",
                  "version: 1.2\ncommand: likeness train film\n", "\ndoing: job 3 of /film\n",
                  "libc.so", "\nthread: ", "interrupted: "});
  EXPECT_EQ(report.find("something that is over"), std::string::npos);
  EXPECT_NE(said_.find("error: likeness crashed (SIGSEGV)"), std::string::npos) << said_;
  EXPECT_GT(std::count(report.begin(), report.end(), '['), 3);
}

TEST_F(CrashReport, AWrongAddressIsNamed) {
  expect(report_of(
             [] {
               volatile int* nowhere = reinterpret_cast<int*>(0x1234);
               *nowhere = 1;
             },
             SIGSEGV),
         {"what: SIGSEGV at address 0x1234"});
}

TEST_F(CrashReport, AnExceptionThatNobodyCaughtIsNamedWithoutItsWords) {
  const std::string report = report_of(
      [] {
        std::thread([] {
          throw Error(ErrorCode::kDamaged, "six secret words", "of a person");
        }).join();
      },
      SIGABRT);
  expect(report,
         {"what: SIGABRT", "why: an exception that nobody caught: likeness::Error (damaged)"});
  EXPECT_EQ(report.find("secret"), std::string::npos);
  fs::remove_all(folder_);
  expect(report_of([] { std::thread([] { throw std::runtime_error("two\nlines"); }).join(); },
                   SIGABRT),
         {"why: an exception that nobody caught: std::runtime_error: two lines\n"});
}

TEST_F(CrashReport, AStackThatIsFullToo) {
  struct Deep {
    static int down(int n) {
      volatile char fill[4096];
      fill[0] = static_cast<char>(n);
      return n > 0 ? down(n + 1) + fill[0] : 0;
    }
  };
  expect(report_of([] { ::_exit(Deep::down(1)); }, SIGSEGV), {"what: SIGSEGV at address"});
}

TEST_F(CrashReport, IsFoundByWhatWasDone) {
  report_of(
      [] {
        const CrashNote a("job 1 of /film"), b("job 2 of /film");
        ::raise(SIGBUS);
      },
      SIGBUS);
  const pid_t child = ::fork();  // so that this process keeps its own handlers
  if (child == 0) {
    install_crash_report(folder_ / "crashes", "");
    const bool good =
        crash_reports().size() == 1 &&
        crash_report_of("job 2 of /film", "2026-01-01T00:00:00Z") == crash_reports()[0] &&
        crash_report_of("job 3 of /film", "2026-01-01T00:00:00Z").empty() &&
        crash_report_of("job 1 of /fil", "2026-01-01T00:00:00Z").empty() &&
        crash_report_of("job 1 of /film", "9999-01-01T00:00:00Z").empty();
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(PublicCommand, LeavesOutWhatMayBeSecret) {
  EXPECT_EQ(public_command({"likeness", "train", "film", "--minutes", "5"}),
            "likeness train film --minutes 5");
  EXPECT_EQ(public_command({"likeness", "speak", "film", "Hello there.", "-o", "a.wav"}),
            "likeness speak film (text) -o a.wav");
  EXPECT_EQ(
      public_command({"x", "--person-key", "a.pem", "--phrase", "birch", "--text=so it is",
                      "--token=abc", "--quiet"}),
      "x --person-key (left out) --phrase (left out) --text=(text) --token=(left out) --quiet");
  EXPECT_EQ(public_command({"x", std::string(201, 'a')}), "x (text)");
}

}  // namespace
}  // namespace likeness
