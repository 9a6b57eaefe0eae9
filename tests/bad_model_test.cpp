// SPDX-License-Identifier: Apache-2.0
// Bad input to what comes after extraction: models, checkpoints, targets and outputs.
#include <fstream>

#include <sys/mount.h>
#include <unistd.h>

#include "program.h"

#include "likeness/base/atomic_file.h"
#include "likeness/base/hash.h"
#include "likeness/media/video.h"

namespace likeness::tests {
namespace {
namespace fs = std::filesystem;

class BadModel : public ProgramTest {
 protected:
  static const fs::path& store() {
    static const fs::path path =
        fs::temp_directory_path() / ("likeness-trained-" + std::to_string(::getpid()));
    return path;
  }
  static void TearDownTestSuite() { fs::remove_all(store()); }

  std::vector<std::string> train(int steps) const {
    return {"train",
            "film",
            "--model",
            "m",
            "--identity",
            "ben",
            "--performer",
            "ava",
            "--preset",
            "quick",
            "--minutes",
            "0",
            "--steps",
            std::to_string(steps),
            "--resolution-px",
            "64",
            "--batch",
            "2",
            "--preview-every-s",
            "0",
            "--schedule",
            "constant"};
  }
  /// A project with facesets and a model of three steps; trained once, copied for each test.
  void trained_project() const {
    if (!fs::exists(store())) {
      ok({"project", "new", "film"});
      for (const char* s : {"ben", "ava"}) ok({"subject", "add", "film", s, "--kind", "synthetic"});
      ok({"extract", "film", clip("ben-train", 0, 30).string(), "--subject", "ben"});
      ok({"extract", "film", clip("ava-train", 0, 30).string(), "--subject", "ava"});
      ok(train(2));
      ok(train(3));  // two checkpoints
      fs::rename(folder_ / "film", store());
    }
    fs::copy(store(), folder_ / "film", fs::copy_options::recursive);
  }
  fs::path take() const { return clip("ava-to-ben-take", 0, 12); }
  std::vector<std::string> swap(const fs::path& target, const std::string& out = "o.mp4") const {
    return {"swap", "film", "--model", "m", target.string(), "-o", out};
  }
  void swap_fails(const fs::path& target, const std::string& code, const std::string& word) const {
    fails(swap(target), code, word);
    EXPECT_FALSE(fs::exists(folder_ / "o.mp4"));
    EXPECT_TRUE(leftovers(folder_).empty());
    ok({"project", "verify", "film"});
  }
  void put(const fs::path& path, const std::string& bytes) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
};

TEST_F(BadModel, DamagedWeights) {
  NEEDS_MODELS();
  trained_project();
  const fs::path weights = folder_ / "film/models/m/model.safetensors";
  const std::string good = read_file(weights);
  for (const std::string& bytes :
       {std::string(), std::string("garbage"), good.substr(0, good.size() / 2),
        good.substr(0, good.size() - 1), good + "x",
        std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10)}) {
    put(weights, bytes);
    const Outcome o = likeness({"swap", "film", "--model", "m", take().string(), "-o", "o.mp4"});
    EXPECT_TRUE(o.status == 4 || o.status == 5) << o.err;
    EXPECT_NE(o.err.find("model.safetensors"), std::string::npos) << o.err;
    EXPECT_NE(o.err.find("hint: "), std::string::npos) << o.err;
    EXPECT_EQ(read_file(weights), bytes);
    EXPECT_FALSE(fs::exists(folder_ / "o.mp4"));
  }
  put(weights, good);
  EXPECT_EQ(ok(swap(take()))["frames_swapped"], 12);
}

TEST_F(BadModel, DamagedCheckpoints) {
  NEEDS_MODELS();
  trained_project();
  std::vector<fs::path> checkpoints;
  for (const auto& f : fs::directory_iterator(folder_ / "film/models/m"))
    if (f.path().extension() == ".checkpoint") checkpoints.push_back(f.path());
  std::sort(checkpoints.begin(), checkpoints.end());
  ASSERT_GE(checkpoints.size(), 2u);
  // The newest is damaged: the one before it is taken, and the user is told.
  std::string bytes = read_file(checkpoints.back());
  bytes[bytes.size() - 100] ^= 1;
  put(checkpoints.back(), bytes);
  auto args = train(4);
  args.push_back("--json");
  const Outcome o = likeness(args);
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.json()["step"], 4);
  EXPECT_NE(o.err.find(checkpoints.back().filename().string()), std::string::npos) << o.err;
  // All are damaged: no silent new start over the old run.
  for (const auto& f : fs::directory_iterator(folder_ / "film/models/m"))
    if (f.path().extension() == ".checkpoint") put(f.path(), "x");
  const std::string model = sha256_file(folder_ / "film/models/m/model.safetensors");
  fails(train(5), "damaged", "checkpoint");
  EXPECT_EQ(sha256_file(folder_ / "film/models/m/model.safetensors"), model);
  ok({"project", "verify", "film"});
}

TEST_F(BadModel, TargetsAndOutputs) {
  NEEDS_MODELS();
  trained_project();
  put(folder_ / "empty.mp4", "");
  swap_fails(folder_ / "empty.mp4", "bad_input", "empty.mp4");
  put(folder_ / "text.mp4", "a text");
  swap_fails(folder_ / "text.mp4", "bad_input", "text.mp4");
  swap_fails(folder_ / "none.mp4", "not_found", "none.mp4");
  media::write_image(folder_ / "grey.png", Image8(64, 64, 3, 128));
  swap_fails(folder_ / "grey.png", "no_face", "no face");
  // Over the footage itself: refused, the footage stays.
  const fs::path mine = folder_ / "mine.mp4";
  fs::copy_file(take(), mine);
  const std::string before = sha256_file(mine);
  fails(swap(mine, "mine.mp4"), "usage", "mine.mp4");
  fs::create_symlink("mine.mp4", folder_ / "link.mp4");
  fails(swap(mine, "link.mp4"), "usage", "link.mp4");
  EXPECT_EQ(sha256_file(mine), before);
  put(folder_ / "plain", "x");
  for (const char* out : {"out.xyz", "film", "plain/o.mp4"}) {
    const Outcome o = likeness(swap(mine, out));
    EXPECT_TRUE(o.status == 2 || o.status == 6 || o.status == 10) << out << o.err;
    EXPECT_NE(o.err.find("hint: "), std::string::npos) << o.err;
  }
  EXPECT_EQ(sha256_file(mine), before);
  // Cut off in the middle: what can be read is swapped, and the damage is in the report.
  const std::string whole = read_file(clip("ava-to-ben-take", 0, 48));
  put(folder_ / "cut.mp4", whole.substr(0, whole.size() * 2 / 3));
  const auto j = ok(swap(folder_ / "cut.mp4", "cut-out.mp4"));
  EXPECT_GT(j["frames_swapped"], 8);
  EXPECT_LT(j["frames"], 48);
  EXPECT_FALSE(j["damage"].empty());
  EXPECT_EQ(frames_of(folder_ / "cut-out.mp4").size(), j["frames"].get<size_t>());
}

TEST_F(BadModel, FullDiskWhileTrainingAndSwapping) {
  NEEDS_MODELS();
  const fs::path disk = folder_ / "disk";
  fs::create_directories(disk);
  trained_project();
  uintmax_t used = 0;
  for (const auto& f : fs::recursive_directory_iterator(folder_ / "film"))
    if (f.is_regular_file()) used += f.file_size() + 4096;
  const std::string size = "size=" + std::to_string(used / 1024 + 600) + "k";
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, size.c_str()) != 0)
    GTEST_SKIP() << "needs the right to mount a small tmpfs";
  struct Unmount {
    fs::path path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
  } unmount{disk};
  fs::copy(folder_ / "film", disk / "film", fs::copy_options::recursive);
  const std::string model = sha256_file(disk / "film/models/m/model.safetensors");
  auto args = train(4);
  args[1] = "disk/film";
  fails(args, "no_space", "");
  EXPECT_EQ(sha256_file(disk / "film/models/m/model.safetensors"), model);
  ok({"project", "verify", "disk/film"});
  put(disk / "fill", std::string(400'000, 'x'));
  auto change = swap(take(), "disk/o.mp4");
  change[1] = "disk/film";
  fails(change, "no_space", "");
  EXPECT_FALSE(fs::exists(disk / "o.mp4"));
  // With room again both go on.
  ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=200m"), 0);
  EXPECT_EQ(ok(args)["step"], 4);
  EXPECT_EQ(ok(change)["frames_swapped"], 12);
}

TEST_F(BadModel, EvaluationOfWhatDoesNotFit) {
  NEEDS_MODELS();
  trained_project();
  const fs::path target = take();
  ok(swap(target));
  const std::vector<std::string> base = {"evaluate", "film",          "o.mp4",
                                         "--target", target.string(), "--identity",
                                         "ben",      "--performer",   "ava"};
  auto with = [&](const std::string& flag, const std::string& value) {
    auto args = base;
    args.insert(args.end(), {flag, value});
    return args;
  };
  fails(with("--truth", "nothing.mp4"), "not_found", "nothing.mp4");
  put(folder_ / "text.mp4", "a text");
  fails(with("--truth", "text.mp4"), "bad_input", "text.mp4");
  media::write_image(folder_ / "small.png", Image8(32, 32, 3, 128));
  fails(with("--mask", "small.png"), "bad_input", "the mask is 32x32");
  EXPECT_EQ(ok(base)["frames"], 12);
}

}  // namespace
}  // namespace likeness::tests
