// SPDX-License-Identifier: Apache-2.0
// Bad input: each kind has its error code, exit status and message, and nothing is damaged by it.
#include <fstream>

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"

#include "likeness/base/atomic_file.h"
#include "likeness/base/hash.h"
#include "likeness/base/rng.h"
#include "likeness/media/video.h"

namespace likeness::tests {
namespace {
namespace fs = std::filesystem;

class BadInput : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    ok({"project", "new", "film"});
    ok({"subject", "add", "film", "ben", "--kind", "synthetic"});
  }
  void extract_fails(const fs::path& input, const std::string& code, const std::string& word,
                     const RunOptions& options = {}) const {
    fails({"extract", "film", input.string(), "--subject", "ben"}, code, word, options);
    // Nothing came of it and nothing is damaged.
    EXPECT_FALSE(fs::exists(folder_ / "film/facesets/ben.faces"));
    ok({"project", "verify", "film"});
    EXPECT_TRUE(leftovers(folder_).empty());
  }
  fs::path file(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }
};

TEST_F(BadInput, NamesThatDoNotExist) {
  extract_fails("missing.mp4", "not_found", "missing.mp4");
  fails({"extract", "nowhere", "x.mp4", "--subject", "ben"}, "not_found", "nowhere");
  fails({"extract", "film", "x.mp4", "--subject", "zoe"}, "not_found", "zoe");
  fails({"faceset", "show", "film", "ben"}, "not_found", "ben");
  fails({"swap", "film", "--model", "none", "x.mp4", "-o", "o.mp4"}, "not_found", "none");
  fails({"project", "new", "film"}, "usage", "film");
  fails({"project", "new", "a b"}, "usage", "a b");
  fails({"faceset", "sort", "film", "ben", "--by", "beauty"}, "not_found", "ben");
}

TEST_F(BadInput, WrongRequests) {
  fails({"extract", "film", "x.mp4", "--subject", "ben", "--nonsense"}, "usage", "--nonsense");
  fails({"extract", "film", "x.mp4"}, "usage", "--subject");
  fails({}, "usage", "");
  fails({"swapp"}, "usage", "swapp");
  fails({"extract", "film", "x.mp4", "--subject", "ben", "--size-px", "9"}, "usage", "size_px");
  fails({"extract", "film", "x.mp4", "--subject", "ben", "--size-px", "big"}, "usage", "size-px");
  fails({"extract", "film", "x.mp4", "--subject", "ben", "--crop", "nose"}, "usage", "nose");
  fails({"extract", "film", "x.mp4", "--subject", "ben", "--preset", "best"}, "usage", "best");
  fails(
      {"train", "film", "--model", "m", "--identity", "ben", "--performer", "ben", "--steps", "1"},
      "usage", "same subject");
  fails({"train", "film", "--model", "m", "--identity", "ben", "--performer", "ava"}, "usage",
        "stop");
  fails({"subject", "add", "film", "x", "--kind", "robot"}, "usage", "robot");
  fails({"swap", "film", "x.mp4", "-o", "o.mp4", "--map", "ava"}, "usage", "--map");
}

TEST_F(BadInput, FilesThatAreNoVideo) {
  extract_fails(file("empty.mp4", ""), "bad_input", "empty.mp4");
  extract_fails(file("text.mp4", "this is a text, renamed\n"), "bad_input", "text.mp4");
  std::string noise(100'000, '\0');
  Rng rng(1);
  for (char& c : noise) c = static_cast<char>(rng.next());
  extract_fails(file("noise.mp4", noise), "bad_input", "noise.mp4");
  extract_fails(file("playlist.m3u8", "#EXTM3U\n/etc/passwd\n"), "bad_input", "playlist");
  fs::create_directories(folder_ / "nothing");
  extract_fails(folder_ / "nothing", "bad_input", "nothing");
  file("nothing/readme.txt", "no media");
  extract_fails(folder_ / "nothing", "bad_input", "nothing");
  extract_fails(file("half.png", "\x89PNG\r\n\x1a\n"), "bad_input", "half.png");
}

TEST_F(BadInput, SoundOnlyOrNoPicture) {
  if (std::system("command -v ffmpeg > /dev/null") != 0)
    GTEST_SKIP() << "needs the ffmpeg program to make its files";
  const std::string make = "cd " + folder_.string() + " && timeout 60 ffmpeg -nostdin -v error ";
  ASSERT_EQ(std::system((make + "-f lavfi -i sine=d=1 sound.m4a").c_str()), 0);
  extract_fails(folder_ / "sound.m4a", "bad_input", "sound.m4a");
  NEEDS_MODELS();
  ASSERT_EQ(std::system((make + "-f lavfi -i color=c=gray:s=320x240:d=0.4 noface.mp4").c_str()), 0);
  extract_fails(folder_ / "noface.mp4", "no_face", "no face");
  for (const char* size : {"1x1", "2x2"}) {
    const std::string tiny = std::string("tiny") + size + ".mkv";
    const std::string picture = std::string("-f lavfi -i color=c=gray:s=16x16:d=0.2 -vf scale=") +
                                size + ":flags=neighbor,format=bgr0 -c:v ffv1 ";
    ASSERT_EQ(std::system((make + picture + tiny).c_str()), 0);
    extract_fails(folder_ / tiny, "no_face", "no face");
  }
  // A video with a sound stream without a single packet is an ordinary video.
  ASSERT_EQ(std::system((make + "-i " + clip("ben-train", 0, 12).string() +
                         " -f s16le -ar 16000 -ac 1 -i /dev/null -map 0:v -map 1:a -c:v copy "
                         "-c:a pcm_s16le silent.mkv")
                            .c_str()),
            0);
  EXPECT_EQ(ok({"extract", "film", "silent.mkv", "--subject", "ben"})["crops"], 12);
}

TEST_F(BadInput, PicturesTooLargeOrTooSmall) {
  NEEDS_MODELS();
  media::write_image(folder_ / "one.png", Image8(1, 1, 3, 128));
  extract_fails(folder_ / "one.png", "no_face", "no face");
  // 20000 x 20000 in the header of an otherwise empty PNG: refused before memory is taken.
  std::string png("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x4e\x20\0\0\x4e\x20\x08\x02\0\0\0", 29);
  png += std::string(2000, '\0');
  extract_fails(file("huge.png", png), "bad_input", "huge.png");
  media::write_image(folder_ / "wide.png", Image8(16000, 64, 3, 90));
  extract_fails(folder_ / "wide.png", "no_face", "no face");
  media::write_image(folder_ / "big.jpg", Image8(16000, 4000, 3, 90));
  extract_fails(folder_ / "big.jpg", "no_face", "no face");
}

// What has a name but is no file must neither hang the program nor fill the memory.
TEST_F(BadInput, ThingsThatAreNoFiles) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe.mp4").c_str(), 0600), 0);
  extract_fails(folder_ / "pipe.mp4", "bad_input", "pipe.mp4");
  extract_fails("/dev/zero", "bad_input", "/dev/zero");
  fs::create_symlink("loop.mp4", folder_ / "loop.mp4");
  fails({"extract", "film", "loop.mp4", "--subject", "ben"}, "not_found", "loop.mp4");
  fs::create_directories(folder_ / "folder.mp4");
  extract_fails(folder_ / "folder.mp4", "bad_input", "folder.mp4");
  // Names that would lead out of the project.
  fails({"subject", "add", "film", "../ben", "--kind", "synthetic"}, "usage", "../ben");
  fails({"faceset", "show", "film", "../../etc/passwd"}, "usage", "etc/passwd");
  fails({"swap", "film", "--model", "../m", "x.mp4", "-o", "o.mp4"}, "usage", "../m");
}

// Footage is never overwritten, and what cannot be written is said before the work, not after.
TEST_F(BadInput, OutputsThatCannotBe) {
  ok({"subject", "add", "film", "ava", "--kind", "synthetic"});
  const fs::path take = folder_ / "take.mp4";
  fs::copy_file(clip("ava-to-ben-take", 0, 24), take);
  const std::string before = sha256_file(take);
  const auto evaluate = [&](const std::string& option, const std::string& file) {
    return std::vector<std::string>{"evaluate",    "film",       take.string(), "--target",
                                    take.string(), "--identity", "ben",         "--performer",
                                    "ava",         option,       file};
  };
  for (const char* option : {"--html", "--sheet", "--side-by-side"})
    fails(evaluate(option, take.string()), "usage", "is the footage itself");
  fails(evaluate("--side-by-side", (folder_ / "side.xyz").string()), "usage", ".xyz");
  EXPECT_EQ(sha256_file(take), before);
}

TEST_F(BadInput, TruncatedVideoGivesWhatCanBeRead) {
  NEEDS_MODELS();
  const std::string whole = read_file(clip("ben-train", 0, 60));
  // Without its index an mp4 cannot be read at all ...
  extract_fails(file("headless.mp4", whole.substr(whole.size() / 2)), "bad_input", "headless.mp4");
  // ... with it, the frames before the damage are used, and the time of the damage is told.
  file("cut.mp4", whole.substr(0, whole.size() * 2 / 3));
  const auto j = ok({"extract", "film", "cut.mp4", "--subject", "ben"});
  EXPECT_GT(j["crops"], 10);
  EXPECT_LT(j["crops"], 60);
  ASSERT_FALSE(j["files"][0]["info"]["damage"].empty());
  EXPECT_GT(j["files"][0]["info"]["damage"][0]["time_s"], 0.3);
  // Bytes changed in the middle: all the rest is used.
  std::string broken = whole;
  for (size_t k = broken.size() / 2; k < broken.size() / 2 + 2000; ++k) broken[k] = 'x';
  ok({"subject", "add", "film", "other", "--kind", "synthetic"});
  const auto b = ok({"extract", "film", file("broken.mp4", broken).string(), "--subject", "other"});
  EXPECT_GT(b["crops"], 25);
}

TEST_F(BadInput, DamagedFilesOfOurOwn) {
  // Faceset: every kind of damage is told, and the file is left alone.
  const fs::path faces = folder_ / "film/facesets/ben.faces";
  for (const std::string& bytes : {std::string(), std::string("garbage"), std::string(4096, 'x')}) {
    std::ofstream(faces, std::ios::binary | std::ios::trunc) << bytes;
    const Outcome o = likeness({"faceset", "show", "film", "ben", "--json"});
    EXPECT_TRUE(o.status == 4 || o.status == 5) << o.err;
    EXPECT_NE(o.err.find("ben.faces"), std::string::npos) << o.err;
    EXPECT_EQ(read_file(faces), bytes);
  }
  EXPECT_TRUE(ok({"faceset", "list", "film"})[0].contains("error"));
  ok({"faceset", "delete", "film", "ben"});
  if (models_installed()) {
    ok({"extract", "film", clip("ben-train", 0, 24).string(), "--subject", "ben"});
    const std::string good = read_file(faces);
    for (const std::string& bytes :
         {good.substr(0, good.size() / 2), good.substr(0, good.size() - 1), good + "x"}) {
      std::ofstream(faces, std::ios::binary | std::ios::trunc) << bytes;
      fails({"faceset", "show", "film", "ben"}, "damaged", "ben.faces");
      // Adding to it must not replace it.
      fails({"extract", "film", clip("ben-train", 0, 24).string(), "--subject", "ben"}, "damaged",
            "ben.faces");
      EXPECT_EQ(read_file(faces), bytes);
    }
  }

  // Model.
  fs::create_directories(folder_ / "film/models/m");
  std::ofstream(folder_ / "film/models/m/model.safetensors") << "{}";
  file("x.mp4", "x");
  const Outcome o = likeness({"swap", "film", "--model", "m", "x.mp4", "-o", "o.mp4", "--json"});
  EXPECT_TRUE(o.status == 4 || o.status == 5) << o.err;
  EXPECT_FALSE(fs::exists(folder_ / "o.mp4"));

  // Ledger, then project.toml, then the database.
  std::ofstream(folder_ / "film/ledger.jsonl") << "{\"seq\":0}\n";
  fails({"project", "verify", "film"}, "damaged", "ledger");
  fs::remove(folder_ / "film/ledger.jsonl");
  const std::string toml = read_file(folder_ / "film/project.toml");
  std::ofstream(folder_ / "film/project.toml") << "[project\nname=";
  fails({"extract", "film", "x.mp4", "--subject", "ben"}, "bad_input", "project.toml line");
  std::ofstream(folder_ / "film/project.toml", std::ios::trunc) << toml;
  std::ofstream(folder_ / "film/project.db", std::ios::trunc) << "not a database at all";
  fails({"subject", "list", "film"}, "damaged", "project.db");
}

TEST_F(BadInput, DamagedOrMissingModels) {
  NEEDS_MODELS();
  const fs::path video = clip("ben-train", 0, 12);
  extract_fails(video, "missing", "",
                {.environment = {"LIKENESS_MODELS=" + (folder_ / "nomodels").string()}});
  const fs::path models = folder_ / "models";
  fs::copy(std::getenv("LIKENESS_MODELS") ? fs::path(std::getenv("LIKENESS_MODELS"))
                                          : fs::path(LIKENESS_SOURCE_DIR) / ".cache/models",
           models);
  std::string bytes = read_file(models / "face_landmark_with_attention.tflite");
  bytes.resize(bytes.size() / 2);
  write_file_atomic(models / "face_landmark_with_attention.tflite", bytes);
  extract_fails(video, "damaged", "face_landmark_with_attention",
                {.environment = {"LIKENESS_MODELS=" + models.string()}});
}

TEST_F(BadInput, FullDisk) {
  if (fs::exists("/dev/full")) {
    const Outcome o = likeness({"subject", "list", "film", "--json"}, {.stdout_to = "/dev/full"});
    EXPECT_EQ(o.status, 9) << o.err;
  }
  NEEDS_MODELS();
  const fs::path disk = folder_ / "disk";
  fs::create_directories(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=1500k") != 0)
    GTEST_SKIP() << "needs the right to mount a small tmpfs";
  struct Unmount {
    fs::path path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
  } unmount{disk};
  ok({"project", "new", "disk/film"});
  ok({"subject", "add", "disk/film", "ben", "--kind", "synthetic"});
  const fs::path video = clip("ben-train", 0, 60);
  fails({"extract", "disk/film", video.string(), "--subject", "ben"}, "no_space", "");
  EXPECT_FALSE(fs::exists(disk / "film/facesets/ben.faces"));
  ok({"project", "verify", "disk/film"});
  // More room: the same command now finishes.
  ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=60m"), 0);
  EXPECT_EQ(ok({"extract", "disk/film", video.string(), "--subject", "ben"})["crops"], 60);
}

TEST_F(BadInput, FileSizeLimit) {
  NEEDS_MODELS();
  const Outcome o =
      likeness({"extract", "film", clip("ben-train", 0, 60).string(), "--subject", "ben", "--json"},
               {.file_size_limit = 300'000});
  EXPECT_TRUE(o.status == 9 || o.status == 10) << o.status << o.err;
  EXPECT_FALSE(fs::exists(folder_ / "film/facesets/ben.faces"));
  ok({"project", "verify", "film"});
}

TEST_F(BadInput, FoldersThatCannotBeWritten) {
  // Tests may run as root, whom modes do not stop: a read-only mount does.
  const fs::path frozen = folder_ / "frozen";
  fs::create_directories(frozen);
  if (::mount(frozen.c_str(), frozen.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    if (::geteuid() == 0) GTEST_SKIP() << "needs the right to mount";
    fs::permissions(frozen, fs::perms::owner_read | fs::perms::owner_exec);
    fails({"project", "new", "frozen/film"}, "io", "frozen");
    fs::permissions(frozen, fs::perms::owner_all);
    return;
  }
  struct Unmount {
    fs::path path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
  } unmount{frozen};
  ok({"project", "new", "frozen/inside"});
  ASSERT_EQ(::mount(nullptr, frozen.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr),
            0);
  fails({"project", "new", "frozen/film"}, "io", "frozen");
  fails({"subject", "add", "frozen/inside", "ben", "--kind", "synthetic"}, "io", "inside");
}

TEST_F(BadInput, AFileWhereAFolderIsNeeded) {
  file("plain", "x");
  fails({"project", "new", "plain/film"}, "io", "plain");
  fails({"project", "new", "plain"}, "usage", "plain");
  fails({"project", "show", "plain"}, "not_found", "plain");
}

}  // namespace
}  // namespace likeness::tests
