// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <functional>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/rng.h"
#include "likeness/trust/consent.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/ledger.h"

namespace likeness::trust {
namespace {
namespace fs = std::filesystem;
using project::SubjectKind;

class TrustTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("likeness-trust-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    project_ = std::make_unique<project::Project>(project::Project::create(folder_ / "film"));
    project_->add_subject({.name = "ben"});
    project_->add_subject({.name = "s1", .kind = SubjectKind::kLicensed, .licence = "CC BY 4.0"});
    project_->add_subject({.name = "mary", .kind = SubjectKind::kPerson});
  }
  void TearDown() override {
    project_.reset();
    fs::remove_all(folder_);
  }
  Grant ask(Operation operation, std::vector<SubjectUse> subjects) {
    return authorise(*project_,
                     {.task = "t", .operation = operation, .subjects = std::move(subjects)});
  }
  Error refusal(Operation operation, std::vector<SubjectUse> subjects) {
    try {
      ask(operation, std::move(subjects));
    } catch (const Error& e) {
      return e;
    }
    ADD_FAILURE() << "was not refused";
    return Error(ErrorCode::kInternal, "");
  }
  fs::path folder_;
  std::unique_ptr<project::Project> project_;
};

TEST_F(TrustTest, DeclaredSubjectsPassAndTheGrantSaysWhy) {
  Grant g = ask(Operation::kSwap, {{"ben", Role::kIdentity}, {"s1", Role::kPerformer}});
  EXPECT_EQ(g.id().size(), 32u);
  EXPECT_EQ(g.record()["operation"], "swap");
  ASSERT_EQ(g.record()["subjects"].size(), 2u);
  EXPECT_EQ(g.record()["subjects"][0]["rule"], "synthetic-declared");
  EXPECT_EQ(g.record()["subjects"][1]["rule"], "licensed-declared");
  EXPECT_EQ(g.record()["subjects"][1]["licence"], "CC BY 4.0");
}

TEST_F(TrustTest, PersonsAreRefusedInEveryRoleOfEveryMakingOperation) {
  for (Operation op : {Operation::kTrain, Operation::kSwap}) {
    Error a = refusal(op, {{"mary", Role::kIdentity}, {"ben", Role::kPerformer}});
    EXPECT_EQ(a.code(), ErrorCode::kRefused);
    EXPECT_NE(std::string(a.what()).find("person-needs-consent-record"), std::string::npos)
        << a.what();
    EXPECT_NE(std::string(a.what()).find("mary"), std::string::npos);
    EXPECT_EQ(refusal(op, {{"ben", Role::kIdentity}, {"mary", Role::kPerformer}}).code(),
              ErrorCode::kRefused);
  }
  EXPECT_EQ(ask(Operation::kAnalyse, {{"mary", Role::kFootage}}).record()["subjects"][0]["rule"],
            "analysis-only");
}

TEST_F(TrustTest, DeniesByDefault) {
  Error none = refusal(Operation::kTrain, {});
  EXPECT_EQ(none.code(), ErrorCode::kRefused);
  EXPECT_NE(std::string(none.what()).find("identity-not-named"), std::string::npos);
  EXPECT_EQ(refusal(Operation::kSwap, {{"ben", Role::kPerformer}}).code(), ErrorCode::kRefused);
  EXPECT_EQ(refusal(Operation::kSwap, {{"nobody", Role::kIdentity}}).code(), ErrorCode::kNotFound);
}

TEST_F(TrustTest, WhatWasAllowedIsInTheLedgerEvenWhereNothingWasMade) {
  const Grant g = ask(Operation::kSwap, {{"ben", Role::kIdentity}});
  record_grant(*project_, g, 9, {{project_->folder() / "media/in.mp4", "aa"}});
  const auto entries = Ledger(ledger_path(*project_)).read();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].type, "granted");
  EXPECT_EQ(entries[0].body["job"], 9);
  EXPECT_EQ(entries[0].body["grant"], g.record());
  EXPECT_EQ(entries[0].body["inputs"][0]["path"], "media/in.mp4");
  EXPECT_EQ(entries[0].body["inputs"][0]["sha256"], "aa");
}

TEST_F(TrustTest, FinishNamesTheFileOnlyAfterTheLedgerLine) {
  Grant g = ask(Operation::kSwap, {{"ben", Role::kIdentity}});
  const fs::path out = project_->outputs_folder() / "o.bin";
  const fs::path temporary = temporary_name(out);
  write_file_atomic(temporary, "rendered");
  Finished f = finish(*project_, g, 7, {{"/x/in.mp4", "aa"}}, {"video", temporary, out});
  EXPECT_EQ(read_file(out), "rendered");
  EXPECT_FALSE(fs::exists(temporary));
  auto entries = Ledger(ledger_path(*project_)).read();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].hash, f.ledger_hash);
  EXPECT_EQ(entries[0].body["grant"]["id"], g.id());
  EXPECT_EQ(entries[0].body["output"]["sha256"], sha256("rendered"));
  EXPECT_EQ(entries[0].body["output"]["path"], "outputs/o.bin");
  EXPECT_EQ(entries[0].body["inputs"][0]["sha256"], "aa");

  // The ledger cannot be continued: the file must not appear.
  std::ofstream(ledger_path(*project_), std::ios::app) << "{}\n";
  const fs::path second = project_->outputs_folder() / "p.bin";
  write_file_atomic(temporary, "more");
  EXPECT_THROW(finish(*project_, g, 8, {}, {"video", temporary, second}), Error);
  EXPECT_FALSE(fs::exists(second));
}

TEST_F(TrustTest, LedgerFindsEveryChangedByte) {
  const fs::path file = folder_ / "l.jsonl";
  Ledger ledger(file);
  for (int i = 0; i < 5; ++i) ledger.append("output", {{"n", i}, {"text", "grüße \xff \n"}});
  EXPECT_EQ(ledger.read().size(), 5u);
  const std::string good = read_file(file);
  Rng rng(5);
  for (int round = 0; round < 300; ++round) {
    std::string bad = good;
    const size_t at =
        rng.below(bad.size() - 1);  // the last newline alone only unfinishes the last line
    const char was = bad[at];
    while (bad[at] == was) bad[at] = static_cast<char>(rng.next());
    write_file_atomic(file, bad);
    bool found = false;
    try {
      found = ledger.read().size() != 5;
    } catch (const Error& e) {
      found = e.code() == ErrorCode::kDamaged;
    }
    EXPECT_TRUE(found) << "byte " << at;
  }
  // A line taken out, two lines swapped.
  const size_t cut = good.find('\n', good.find('\n') + 1) + 1, first = good.find('\n') + 1;
  write_file_atomic(file, good.substr(0, first) + good.substr(cut));
  EXPECT_THROW(ledger.read(), Error);
  write_file_atomic(file,
                    good.substr(first, cut - first) + good.substr(0, first) + good.substr(cut));
  EXPECT_THROW(ledger.read(), Error);
}

TEST_F(TrustTest, LedgerCutsOffAnUnfinishedLine) {
  const fs::path file = folder_ / "l.jsonl";
  Ledger ledger(file);
  ledger.append("a", {{"long", std::string(200'000, 'x')}});
  ledger.append("a", 2);
  const std::string good = read_file(file);
  for (size_t cut : {size_t{1}, size_t{40}, good.size() - 200'500, good.size() - 1}) {
    write_file_atomic(file, good.substr(0, good.size() - cut));
    const size_t whole = ledger.read().size();
    ledger.append("a", 3);
    auto entries = ledger.read();
    ASSERT_EQ(entries.size(), whole + 1);
    EXPECT_EQ(entries.back().body, 3);
  }
}

TEST_F(TrustTest, LedgerTakesLinesOfSeveralProcesses) {
  const fs::path file = folder_ / "l.jsonl";
  std::vector<pid_t> children;
  for (int c = 0; c < 4; ++c) {
    pid_t child = ::fork();
    if (child == 0) {
      for (int i = 0; i < 25; ++i) Ledger(file).append("x", c);
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (pid_t child : children) ::waitpid(child, nullptr, 0);
  EXPECT_EQ(Ledger(file).read().size(), 100u);
}

TEST_F(TrustTest, LedgerOnAFullDiskKeepsItsLines) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  try {
    Ledger("/dev/full").append("x", 1);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kNoSpace) << e.what();
  }
}

}  // namespace
}  // namespace likeness::trust
