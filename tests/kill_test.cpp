// SPDX-License-Identifier: Apache-2.0
// kill -9 at random moments: the same command goes on and finishes, the result is the one of an
// undisturbed run, nothing is torn. LIKENESS_KILLS sets the number of kills per command (default
// 4).
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>

#include "program.h"

#include "likeness/base/atomic_file.h"
#include "likeness/base/hash.h"
#include "likeness/base/rng.h"
#include "likeness/faceset/faceset.h"
#include "likeness/tensor/safetensors.h"

namespace likeness::tests {
namespace {
namespace fs = std::filesystem;

int kills() {
  const char* text = std::getenv("LIKENESS_KILLS");
  return text ? std::max(1, std::atoi(text)) : 4;
}

class Kill : public ProgramTest {
 protected:
  using Args = std::vector<std::string>;
  void new_project(const std::string& name) const {
    ok({"project", "new", name});
    for (const char* s : {"ben", "ava"}) ok({"subject", "add", name, s, "--kind", "synthetic"});
  }
  void copy(const std::string& from, const std::string& to) const {
    fs::remove_all(folder_ / to);
    fs::copy(folder_ / from, folder_ / to, fs::copy_options::recursive);
  }
  /// Seconds that the undisturbed command takes.
  double timed(const Args& command) const {
    const auto start = std::chrono::steady_clock::now();
    ok(command);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  /// Stories on fresh copies of the project `base`: up to four kills of `command` on "film", then
  /// it runs through and `check` looks at the result. A run that was quicker than its kill ends a
  /// story, too, and later kills come earlier: how fast the machine is decides nothing.
  void kill_often(const std::string& base, const Args& command, double seconds,
                  const std::function<void()>& check) const {
    Rng rng(7, kills(), command[0]);
    for (int hits = 0; hits < kills() && !HasFailure();) {
      copy(base, "film");
      for (int in_story = 0; in_story < 4 && hits < kills(); ++in_story) {
        const double moment = rng.uniform() * seconds;
        const Outcome o = likeness(command, {.kill_after_s = moment});
        ASSERT_TRUE(o.status == 0 || o.status == 128 + 9) << o.status << o.err;
        ok({"project", "verify", "film"});
        if (o.status == 0) {
          seconds *= 0.9;
          break;
        }
        ++hits;
      }
      ok(command);
      check();
      EXPECT_GE(ok({"project", "verify", "film"})["ledger_entries"], 1);
    }
  }
};

TEST_F(Kill, ExtractResumesWithTheSameResult) {
  NEEDS_MODELS();
  new_project("base");
  copy("base", "film");
  const Args command = {
      "extract",   "film", clip("ben-train", 0, 60).string(), clip("ben-train", 200, 40).string(),
      "--subject", "ben"};
  const double seconds = timed(command);
  const fs::path faces = folder_ / "film/facesets/ben.faces";
  const std::string wanted = sha256_file(faces);
  kill_often("base", command, seconds, [&] {
    EXPECT_EQ(sha256_file(faces), wanted);
    EXPECT_EQ(faceset::Faceset::open(faces).items().size(), 100u);
  });
}

/// Every weight, as bytes.
std::map<std::string, std::string> weights(const fs::path& path) {
  std::map<std::string, std::string> out;
  const tensor::SafeTensors file(path);
  for (const auto& t : file.tensors())
    out[t.name].assign(reinterpret_cast<const char*>(t.data.data()), t.data.size());
  return out;
}

TEST_F(Kill, TrainAndSwapResumeWithTheSameResult) {
  NEEDS_MODELS();
  new_project("base");
  ok({"extract", "base", clip("ben-train", 0, 60).string(), "--subject", "ben"});
  ok({"extract", "base", clip("ava-train", 0, 60).string(), "--subject", "ava"});
  const Args train = {
      "train",       "film", "--model",           "m",     "--identity",     "ben",
      "--performer", "ava",  "--preset",          "quick", "--minutes",      "0",
      "--steps",     "12",   "--resolution-px",   "64",    "--save-every-s", "1",
      "--batch",     "2",    "--preview-every-s", "0",     "--schedule",     "constant"};
  copy("base", "film");
  const double train_s = timed(train);
  const fs::path model = folder_ / "film/models/m/model.safetensors";
  const auto wanted = weights(model);
  ASSERT_FALSE(wanted.empty());
  copy("film", "trained");
  kill_often("base", train, train_s, [&] {
    const auto got = weights(model);
    ASSERT_EQ(got.size(), wanted.size());
    for (const auto& [name, bytes] : wanted) EXPECT_TRUE(got.at(name) == bytes) << name;
  });

  const std::string take = clip("ava-to-ben-take", 0, 48).string();
  const Args swap = {"swap", "film", "--model", "m", take, "-o", "out.mp4", "--chunk-frames", "12"};
  copy("trained", "film");
  const double swap_s = timed(swap);
  // Manifests differ in number and time; the pictures, marks included, are the same to the bit.
  const auto calm = frames_of(folder_ / "out.mp4");
  ASSERT_EQ(calm.size(), 48u);
  fs::remove(folder_ / "out.mp4");
  kill_often("trained", swap, swap_s, [&] {
    const auto got = frames_of(folder_ / "out.mp4");
    ASSERT_EQ(got.size(), calm.size());
    for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(got[i].data == calm[i].data) << i;
    fs::remove(folder_ / "out.mp4");
  });
}

}  // namespace
}  // namespace likeness::tests
