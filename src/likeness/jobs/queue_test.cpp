// SPDX-License-Identifier: Apache-2.0
#include "likeness/jobs/queue.h"

#include <atomic>
#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

namespace likeness::jobs {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

/// A queue whose jobs do what their options say: {"steps": n, "fail": bool, "light": bool,
/// "keep": end early but whole}. Steps are let through one by one.
class QueueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("likeness-queue-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    project_ = std::make_shared<project::Project>(project::Project::create(folder_));
  }
  void TearDown() override {
    queue_.reset();
    project_.reset();
    fs::remove_all(folder_);
  }

  std::unique_ptr<Queue> make_queue() {
    return std::make_unique<Queue>(
        [this](project::Project&, const std::string& task, const json&, const json& options) {
          if (task == "unknown") throw Error(ErrorCode::kUsage, "no task", "another one");
          Work work{.title = task, .light = options.value("light", false)};
          if (options.value("refused", false))
            work.authorise = [] { throw Error(ErrorCode::kRefused, "no consent", "ask"); };
          work.run = [this, task, options](Progress& progress, const Cancel& cancel) {
            return act(task, options, progress, cancel);
          };
          return work;
        },
        QueueListener{[this](const std::string&, const json& job) {
                        std::lock_guard lock(mutex_);
                        seen_.push_back(job);
                      },
                      {}});
  }
  json act(const std::string& task, const json& options, Progress& progress, const Cancel& cancel) {
    {
      std::lock_guard lock(mutex_);
      order_.push_back(task);
    }
    const int steps = options.value("steps", 0);
    progress.begin(task, steps, "steps");
    for (int i = 0; i < steps; ++i) {
      while (allowed_ <= 0) {
        if (cancel.requested() && options.value("keep", false)) return {{"stopped_by", "cancel"}};
        cancel.check();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      --allowed_;
      progress.advance();
    }
    progress.end();
    if (options.value("fail", false)) throw Error(ErrorCode::kDamaged, "broken", "repair it");
    return {{"steps", steps}};
  }

  json job(int64_t id) const {
    for (const auto& j : queue_->jobs("p"))
      if (j["id"] == id) return j;
    return nullptr;
  }
  /// Waits for the condition; the state machine has no time in it, so the limit is only a net.
  void wait_state(int64_t id, const std::string& state) const {
    for (int i = 0; i < 20000 && job(id)["state"] != state; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_EQ(job(id)["state"], state) << job(id);
  }
  int64_t add(const std::string& task, const json& options = json::object()) {
    return queue_->add("p", task, json::object(), options)["id"];
  }

  fs::path folder_;
  std::shared_ptr<project::Project> project_;
  std::unique_ptr<Queue> queue_;
  std::atomic<int> allowed_{0};
  std::mutex mutex_;
  std::vector<std::string> order_;
  std::vector<json> seen_;
};

TEST_F(QueueTest, RunsInOrderAndKeepsResults) {
  queue_ = make_queue();
  queue_->open("p", project_);
  const auto a = add("a", {{"steps", 1}}), b = add("b"), c = add("c", {{"fail", true}});
  wait_state(a, "running");
  EXPECT_EQ(job(b)["state"], "queued");
  allowed_ = 1;
  wait_state(c, "failed");
  EXPECT_EQ(order_, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(job(a)["result"]["steps"], 1);
  EXPECT_EQ(job(c)["error"]["code"], "damaged");
  EXPECT_EQ(job(c)["error"]["hint"], "repair it");
  EXPECT_TRUE(job(a)["started_at"].is_string());
}

TEST_F(QueueTest, NewOrderDecidesWhatIsNext) {
  queue_ = make_queue();
  queue_->open("p", project_);
  const auto a = add("a", {{"steps", 1}}), b = add("b"), c = add("c"), d = add("d");
  wait_state(a, "running");
  queue_->order("p", {d, b});
  const json shown = queue_->jobs("p");
  EXPECT_EQ(shown[0]["id"], a);
  EXPECT_EQ(shown[1]["id"], d);
  EXPECT_EQ(shown[2]["id"], b);
  EXPECT_EQ(shown[3]["id"], c);
  EXPECT_THROW(queue_->order("p", {999}), Error);
  allowed_ = 1;
  wait_state(c, "done");
  EXPECT_EQ(order_, (std::vector<std::string>{"a", "d", "b", "c"}));
}

TEST_F(QueueTest, AJobThatWaitsCanBeChanged) {
  queue_ = make_queue();
  queue_->open("p", project_);
  const auto first = add("first", {{"steps", 1}}), second = add("second", {{"steps", 1}});
  wait_state(first, "running");
  EXPECT_EQ(queue_->edit("p", second, {{"a", 1}}, {{"steps", 2}})["options"]["steps"], 2);
  EXPECT_EQ(job(second)["arguments"], (json{{"a", 1}}));
  EXPECT_THROW(queue_->edit("p", first, json::object(), {{"steps", 2}}), Error);
  EXPECT_THROW(queue_->edit("p", second, json::object(), {{"refused", true}}), Error);
  EXPECT_THROW(queue_->edit("p", 999, json::object(), json::object()), Error);
  EXPECT_EQ(job(second)["options"], (json{{"steps", 2}})) << "what was refused changed nothing";
  EXPECT_EQ(project_->queue().back().entry["options"]["steps"], 2) << "it is kept";
  queue_->pause("p", second);
  queue_->edit("p", second, json::object(), {{"steps", 3}});
  EXPECT_EQ(job(second)["state"], "paused");
  queue_->resume("p", second);
  allowed_ = 4;
  wait_state(second, "done");
  EXPECT_EQ(job(second)["result"]["steps"], 3);
  EXPECT_THROW(queue_->edit("p", second, json::object(), json::object()), Error);
}

TEST_F(QueueTest, WhatFailedIsChangedAndTriedAgain) {
  queue_ = make_queue();
  queue_->open("p", project_);
  const auto id = add("a", {{"fail", true}});
  wait_state(id, "failed");
  EXPECT_EQ(queue_->edit("p", id, json::object(), {{"fail", false}})["state"], "failed");
  EXPECT_EQ(job(id)["error"]["hint"], "repair it") << "until it is tried again";
  queue_->retry("p", id);
  wait_state(id, "done");
}

TEST_F(QueueTest, ADraftWaitsUntilItIsResumed) {
  queue_ = make_queue();
  queue_->open("p", project_);
  const int64_t draft = queue_->add("p", "draft", json::object(), json::object(), true)["id"];
  const auto other = add("other");
  wait_state(other, "done");
  EXPECT_EQ(job(draft)["state"], "paused");
  queue_.reset();  // and after a restart
  queue_ = make_queue();
  queue_->open("p", project_);
  EXPECT_EQ(job(draft)["state"], "paused");
  queue_->resume("p", draft);
  wait_state(draft, "done");
  EXPECT_EQ(order_, (std::vector<std::string>{"other", "draft"}));
}

TEST_F(QueueTest, PauseFreesTheRunnerAndResumeGoesOn) {
  queue_ = make_queue();
  queue_->open("p", project_);
  const auto a = add("a", {{"steps", 2}}), b = add("b");
  wait_state(a, "running");
  queue_->pause("p", a);
  wait_state(a, "paused");
  wait_state(b, "done");
  EXPECT_THROW(queue_->retry("p", a), Error);
  queue_->resume("p", a);
  allowed_ = 2;
  wait_state(a, "done");
  EXPECT_EQ(job(a)["attempt"], 1);
}

TEST_F(QueueTest, EndingEarlyButWholeIsPausedToo) {
  queue_ = make_queue();
  queue_->open("p", project_);
  const auto a = add("a", {{"steps", 5}, {"keep", true}});
  wait_state(a, "running");
  queue_->pause("p", a);
  wait_state(a, "paused");
  EXPECT_EQ(job(a)["result"]["stopped_by"], "cancel");
}

TEST_F(QueueTest, CancelRetryAndRemove) {
  queue_ = make_queue();
  queue_->open("p", project_);
  const auto a = add("a", {{"steps", 2}}), b = add("b");
  wait_state(a, "running");
  EXPECT_THROW(queue_->remove("p", a), Error);
  queue_->cancel("p", b);  // still waiting
  EXPECT_EQ(job(b)["state"], "cancelled");
  queue_->cancel("p", a);
  wait_state(a, "cancelled");
  allowed_ = 2;
  queue_->retry("p", a);
  wait_state(a, "done");
  EXPECT_EQ(job(a)["attempt"], 2);
  EXPECT_THROW(queue_->cancel("p", a), Error);
  queue_->remove("p", a);
  EXPECT_TRUE(job(a).is_null());
  EXPECT_EQ(project_->queue().size(), 1u);
}

TEST_F(QueueTest, ALightJobRunsBesideAHeavyOne) {
  queue_ = make_queue();
  queue_->open("p", project_);
  const auto heavy = add("heavy", {{"steps", 1}});
  wait_state(heavy, "running");
  const auto light = add("light", {{"light", true}});
  wait_state(light, "done");
  EXPECT_EQ(job(heavy)["state"], "running");
  allowed_ = 1;
  wait_state(heavy, "done");
}

TEST_F(QueueTest, WhileItIsHeldOnlyLightJobsBegin) {
  queue_ = make_queue();
  queue_->open("p", project_);
  const auto heavy = add("heavy", {{"steps", 1}});
  wait_state(heavy, "running");
  try {
    queue_->hold();
    FAIL() << "held while a job computes";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kIo);
    EXPECT_NE(std::string(e.what()).find("heavy"), std::string::npos) << e.what();
  }
  allowed_ = 1;
  wait_state(heavy, "done");
  for (int i = 0; i < 20000 && !queue_->running().is_null(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  queue_->hold();
  const auto next = add("next"), light = add("light", {{"light", true}});
  wait_state(light, "done");
  EXPECT_EQ(job(next)["state"], "queued");
  queue_->release();
  wait_state(next, "done");
}

TEST_F(QueueTest, WhatCannotBeIsNotQueued) {
  queue_ = make_queue();
  queue_->open("p", project_);
  EXPECT_THROW(add("unknown"), Error);
  EXPECT_THROW(add("a", {{"refused", true}}), Error);
  EXPECT_THROW(queue_->add("other", "a", {}, {}), Error);
  EXPECT_TRUE(queue_->jobs("p").empty());
}

TEST_F(QueueTest, AnOrderlyStopKeepsEverythingQueued) {
  queue_ = make_queue();
  queue_->open("p", project_);
  const auto a = add("a", {{"steps", 1}}), b = add("b");
  wait_state(a, "running");
  queue_.reset();
  for (const auto& row : project_->queue()) EXPECT_EQ(row.state, "queued") << row.id;
  order_.clear();
  allowed_ = 1;
  queue_ = make_queue();
  queue_->open("p", project_);
  wait_state(b, "done");
  EXPECT_EQ(order_, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(job(a)["state"], "done");
}

/// As after kill -9: the row says running, nobody holds the lock.
TEST_F(QueueTest, AJobOfADeadProcessGoesOnButNotForEver) {
  const json entry = {{"task", "a"}, {"title", "a"}, {"options", json::object()}};
  const int64_t id = project_->add_to_queue("running", entry);
  queue_ = make_queue();
  queue_->open("p", project_);
  wait_state(id, "done");
  queue_.reset();
  project::QueueRow row = project_->queue().at(0);
  row.state = "running";
  row.entry["crashes"] = 2;
  project_->update_queue(row);
  queue_ = make_queue();
  queue_->open("p", project_);
  EXPECT_EQ(job(id)["state"], "interrupted");
  EXPECT_FALSE(job(id)["error"]["hint"].get<std::string>().empty());
  queue_->retry("p", id);
  wait_state(id, "done");
}

TEST_F(QueueTest, OneStudioPerProject) {
  queue_ = make_queue();
  queue_->open("p", project_);
  auto other = make_queue();
  EXPECT_THROW(other->open("p", project_), Error);
}

TEST_F(QueueTest, LogsOfAJobAreKept) {
  queue_ = make_queue();
  queue_->open("p", project_);
  const auto a = add("a", {{"fail", true}});
  wait_state(a, "failed");
  for (int i = 0; i < 5000 && queue_->log("p", a, 0)["lines"].size() < 3; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const json log = queue_->log("p", a, 0);
  ASSERT_GE(log["lines"].size(), 3u);
  EXPECT_EQ(log["lines"][0]["text"], "started: a");
  EXPECT_EQ(log["lines"][1]["level"], "error");
  EXPECT_EQ(queue_->log("p", a, 1)["lines"][0], log["lines"][1]);
  EXPECT_THROW(queue_->log("p", 99, 0), Error);
}

}  // namespace
}  // namespace likeness::jobs
