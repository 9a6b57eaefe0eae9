// SPDX-License-Identifier: Apache-2.0
// kill -9 at random moments: the same command finishes, the result is the one of an undisturbed
// run, nothing is torn. LIKENESS_KILLS sets the number of kills per command (default 4).
#include <chrono>
#include <cstdlib>

#include "program.h"

#include "likeness/base/atomic_file.h"
#include "likeness/base/hash.h"
#include "likeness/base/rng.h"
#include "likeness/faceset/faceset.h"

namespace likeness::tests {
namespace {
namespace fs = std::filesystem;

int kills() {
  const char* text = std::getenv("LIKENESS_KILLS");
  return text ? std::max(1, std::atoi(text)) : 4;
}

class Kill : public ProgramTest {
 protected:
  void new_project(const std::string& name) const {
    ok({"project", "new", name});
    for (const char* s : {"ben", "ava"}) ok({"subject", "add", name, s, "--kind", "synthetic"});
  }
  /// Seconds that the undisturbed command takes.
  double timed(const std::vector<std::string>& command) const {
    const auto start = std::chrono::steady_clock::now();
    ok(command);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  /// Kills the command again and again, each time later or anew, until one run comes through.
  void kill_until_done(const std::vector<std::string>& command, double seconds, int times) const {
    Rng rng(7, times, command[0]);
    int hit = 0;
    for (int i = 0; i < times; ++i) {
      const Outcome o = likeness(command, {.kill_after_s = rng.uniform() * seconds});
      EXPECT_TRUE(o.status == 0 || o.status == 128 + 9) << o.status << o.err;
      hit += o.status != 0;
      ok({"project", "verify", command[1]});
      if (o.status == 0) break;  // nothing left to interrupt
    }
    EXPECT_GT(hit, 0) << "no kill came in time";
    ok(command);
  }
};

TEST_F(Kill, ExtractResumesWithTheSameResult) {
  NEEDS_MODELS();
  const auto clips = std::vector<std::string>{clip("ben-train", 0, 60).string(),
                                              clip("ben-train", 200, 40).string()};
  new_project("calm");
  const double seconds = timed({"extract", "calm", clips[0], clips[1], "--subject", "ben"});
  const std::string wanted = sha256_file(folder_ / "calm/facesets/ben.faces");
  // Several short stories: after one is through there is nothing more to interrupt in it.
  for (int done = 0, round = 0; done < kills(); ++round) {
    const std::string name = "wild" + std::to_string(round);
    new_project(name);
    const int times = std::min(4, kills() - done);
    kill_until_done({"extract", name, clips[0], clips[1], "--subject", "ben"}, seconds, times);
    done += times;
    EXPECT_EQ(sha256_file(folder_ / name / "facesets/ben.faces"), wanted);
    EXPECT_EQ(faceset::Faceset::open(folder_ / name / "facesets/ben.faces").items().size(), 100u);
    EXPECT_TRUE(fs::is_empty(folder_ / name / "work/locks") ||
                fs::exists(folder_ / name / "work/locks"));
    EXPECT_GE(ok({"project", "verify", name})["ledger_entries"], 1);
    fs::remove_all(folder_ / name);
  }
}

TEST_F(Kill, TrainResumesAndSwapGivesTheSameBits) {
  NEEDS_MODELS();
  new_project("film");
  ok({"extract", "film", clip("ben-train", 0, 60).string(), "--subject", "ben"});
  ok({"extract", "film", clip("ava-train", 0, 60).string(), "--subject", "ava"});
  const std::vector<std::string> train = {
      "train",       "film", "--model",           "m",     "--identity",     "ben",
      "--performer", "ava",  "--preset",          "quick", "--minutes",      "0",
      "--steps",     "12",   "--resolution-px",   "64",    "--save-every-s", "1",
      "--batch",     "2",    "--preview-every-s", "0",     "--schedule",     "constant"};
  fs::copy(folder_ / "film", folder_ / "calm", fs::copy_options::recursive);
  auto calm = train;
  calm[1] = "calm";
  const double train_s = timed(calm);
  kill_until_done(train, train_s, kills());
  EXPECT_EQ(sha256_file(folder_ / "film/models/m/model.safetensors").size(), 64u);

  const std::string take = clip("ava-to-ben-take", 0, 48).string();
  const std::vector<std::string> swap = {"swap", "film",    "--model",        "m", take,
                                         "-o",   "out.mp4", "--chunk-frames", "12"};
  auto undisturbed = swap;
  undisturbed[6] = "calm.mp4";
  const double swap_s = timed(undisturbed);
  kill_until_done(swap, swap_s, kills());
  // The manifests differ in number and time; picture, mark included, is the same to the bit.
  const auto killed = frames_of(folder_ / "out.mp4"), calm_frames = frames_of(folder_ / "calm.mp4");
  ASSERT_EQ(killed.size(), calm_frames.size());
  for (size_t i = 0; i < killed.size(); ++i) EXPECT_EQ(killed[i].data, calm_frames[i].data) << i;
}

}  // namespace
}  // namespace likeness::tests
