// SPDX-License-Identifier: Apache-2.0
// A person's consent from asking to revoking, with the real program. The people are rendered
// performers who exist nowhere; the tests treat them as persons.
#include "likeness/trust/consent.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

#include "program.h"

#include "likeness/base/atomic_file.h"
#include "likeness/base/hash.h"
#include "likeness/base/rng.h"
#include "likeness/base/sealed_file.h"
#include "likeness/faceset/faceset.h"
#include "likeness/project/project.h"

namespace likeness::tests {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class ConsentProgram : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    options_.environment = {"LIKENESS_HOME=" + (folder_ / "home").string()};
    std::ofstream(folder_ / "licence.txt") << "The renders are CC0 1.0.\n";
  }
  json good(const std::vector<std::string>& args) const { return ok(args, options_); }
  void bad(const std::vector<std::string>& args, const std::string& code,
           const std::string& word) const {
    fails(args, code, word, options_);
  }
  /// Project with ben, a person with a faceset, and ava, who is not.
  void project_with_ben() const {
    good({"project", "new", "film"});
    good({"subject", "add", "film", "ben", "--kind", "person"});
    good({"subject", "add", "film", "ava", "--kind", "synthetic"});
    good({"extract", "film", clip("ben-train", 0, 60).string(), "--subject", "ben"});
  }
  void licence_record(const std::string& subject) const {
    good({"consent", "request", "film", subject, "--basis", "licence", "--adult", "--name",
          "Ben Rendered", "--description", "tests of this program"});
    good({"consent", "record", "film", subject, "licence.txt", "--reviewer", "a test"});
  }
  /// `verify` says so, and finds one changed byte.
  void proven(const fs::path& path, const std::string& verdict) const {
    const auto said = [&] {
      return likeness({"verify", path.string(), "--json"}, options_).json()["files"][0]["verdict"];
    };
    EXPECT_EQ(said(), verdict) << path;
    std::string bytes = raw_bytes(path);
    bytes[bytes.size() - 3] = static_cast<char>(bytes[bytes.size() - 3] ^ 1);
    const std::string good = raw_bytes(path);
    write_raw(path, bytes);
    EXPECT_EQ(said(), "changed") << path;
    write_raw(path, good);
  }
  /// Identity material of ben that lies in clear anywhere in the project: pictures, embeddings.
  void nothing_in_clear() const {
    const char* set_before = std::getenv("LIKENESS_HOME");
    const std::string before = set_before ? set_before : "";
    ::setenv("LIKENESS_HOME", (folder_ / "home").c_str(), 1);
    std::vector<std::string> embeddings;
    {
      const auto project = project::Project::open(folder_ / "film");
      const auto grant = trust::authorise(project, {.task = "test",
                                                    .operation = trust::Operation::kAnalyse,
                                                    .subjects = {{"ben", trust::Role::kFootage}}});
      const auto set = faceset::Faceset::open(project.faceset_path("ben"));
      for (const auto& i : set.items())
        if (i.has_embedding)
          embeddings.emplace_back(reinterpret_cast<const char*>(i.embedding.data()), 64);
      ASSERT_FALSE(embeddings.empty());
      int named = 0;  // with the key they are there as before
      for (const auto& m : project.media())
        for (const auto& t : project.tracks(m.id))
          if (t.subject == "ben") named += t.embedding != face::Embedding{};
      EXPECT_GT(named, 0);
    }
    if (set_before)
      ::setenv("LIKENESS_HOME", before.c_str(), 1);
    else
      ::unsetenv("LIKENESS_HOME");
    int searched = 0, sealed = 0;
    for (const auto& f : fs::recursive_directory_iterator(folder_ / "film")) {
      if (!f.is_regular_file()) continue;
      std::ifstream in(f.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(in)), {});
      ++searched;
      sealed += bytes.rfind("LKSEALED", 0) == 0;
      for (const auto& e : embeddings)
        EXPECT_EQ(bytes.find(e), std::string::npos) << "an embedding is in " << f.path();
      if (f.path().filename() == "ava.faces") continue;
      for (const std::string picture : {"\x89PNG\r\n\x1a\n", "\xff\xd8\xff\xe0"})
        EXPECT_EQ(bytes.find(picture), std::string::npos) << "a picture is in " << f.path();
    }
    EXPECT_GT(searched, 8);
    EXPECT_GE(sealed, 4) << "faceset, model, checkpoint, preview";
  }
  const std::vector<std::string> train_ = {
      "train",       "film", "--model",         "m",     "--identity", "ben",
      "--performer", "ava",  "--preset",        "quick", "--minutes",  "0",
      "--steps",     "4",    "--resolution-px", "128",   "--batch",    "2"};
  RunOptions options_;
};

TEST_F(ConsentProgram, FromAskingToRevoking) {
  NEEDS_MODELS();
  project_with_ben();
  good({"extract", "film", clip("ava-train", 0, 40).string(),
        clip("ava-to-ben-take", 0, 30).string(), "--subject", "ava"});
  EXPECT_TRUE(sealed_info(folder_ / "film/facesets/ben.faces").has_value());
  EXPECT_FALSE(sealed_info(folder_ / "film/facesets/ava.faces").has_value());
  bad(train_, "refused", "person-needs-consent-record");
  bad({"faceset", "export", "film", "ben", "out"}, "refused", "person-needs-consent-record");
  EXPECT_EQ(good({"faceset", "show", "film", "ben"})["crops"], 60);

  licence_record("ben");
  const auto verified = good({"consent", "verify", "film", "ben"});
  EXPECT_EQ(verified["ok"], true) << verified.dump(1);
  EXPECT_EQ(good({"consent", "show", "film", "ben"})[0]["state"], "valid");
  EXPECT_EQ(good(train_)["step"], 4);
  const fs::path model = folder_ / "film/models/m/model.safetensors";
  ASSERT_TRUE(sealed_info(model).has_value());
  for (const auto& f : fs::directory_iterator(folder_ / "film/models/m"))
    if (f.path().extension() == ".checkpoint") {
      EXPECT_TRUE(sealed_info(f.path()).has_value()) << f.path();
    }
  EXPECT_TRUE(sealed_info(folder_ / "film/models/m/preview.png").has_value());
  proven(folder_ / "film/models/m/preview.png", "synthetic-verified");
  // Without a key the landmarks are not there.
  const auto p = project::Project::open(folder_ / "film");
  int sealed = 0, open = 0;
  for (const auto& m : p.media()) {
    std::map<int, std::string> who;
    for (const auto& t : p.tracks(m.id)) who[t.track] = t.subject;
    for (const auto& face : p.faces(m.id)) {
      EXPECT_EQ(face.has_points, who[face.track] != "ben");
      ++(face.has_points ? open : sealed);
    }
  }
  EXPECT_GE(sealed, 60);
  EXPECT_GE(open, 60);
  good(train_);  // goes on from the sealed checkpoint
  nothing_in_clear();
  const fs::path take = clip("ava-to-ben-take", 0, 30);
  const auto swap = good({"swap", "film", "--model", "m", take.string(), "-o", "out.mp4"});
  EXPECT_EQ(swap["frames_swapped"], 30);
  EXPECT_EQ(good({"ledger", "verify", "film"})["ok"], true);

  // A model file taken to another project, under a name that needs no consent there.
  good({"project", "new", "other"});
  for (const char* s : {"ben", "ava"}) good({"subject", "add", "other", s, "--kind", "synthetic"});
  fs::create_directories(folder_ / "other/models/m");
  fs::copy_file(model, folder_ / "other/models/m/model.safetensors");
  bad({"swap", "other", "--model", "m", take.string(), "-o", "no.mp4"}, "refused",
      "sealed-material");

  const auto revoked = good({"consent", "revoke", "film", "ben", "--reason", "test", "--yes"});
  bool listed = false;
  for (const auto& o : revoked["outputs"])
    listed = listed || o["sha256"] == sha256_file(folder_ / "out.mp4");
  EXPECT_TRUE(listed) << revoked.dump(1);
  EXPECT_FALSE(fs::exists(model));
  EXPECT_FALSE(fs::exists(folder_ / "film/facesets/ben.faces"));
  const fs::path bundle = revoked["bundle"].get<std::string>();
  for (const char* f : {"takedown.json", "record.json", "revocation.json", "README.txt"})
    proven(folder_ / bundle / f, "signed-document");
  bad(train_, "refused", "consent-revoked");
  bad({"extract", "film", clip("ben-train", 0, 60).string(), "--subject", "ben"}, "refused",
      "consent-revoked");
  // The model of before the revocation, put back.
  fs::copy_file(folder_ / "other/models/m/model.safetensors", model);
  bad({"swap", "film", "--model", "m", take.string(), "-o", "no.mp4"}, "refused",
      "consent-revoked");
  EXPECT_EQ(good({"ledger", "verify", "film"})["ok"], true);
}

TEST_F(ConsentProgram, AnotherImplementationAgreesWithTheProofs) {
  NEEDS_MODELS();
  const fs::path oracle = fs::path(LIKENESS_SOURCE_DIR) / "tests/oracle/consent.mjs";
  if (!fs::exists(fs::path(LIKENESS_SOURCE_DIR) / ".cache/oracle/consent"))
    GTEST_SKIP() << "the oracle is not installed: run tests/oracle/install-consent (needs npm)";
  if (std::system("command -v node > /dev/null 2>&1") != 0) GTEST_SKIP() << "node is not installed";
  project_with_ben();
  licence_record("ben");
  const auto exported = good({"consent", "export", "film", "ben", "ben.json"});
  auto ask = [&](const fs::path& file) {
    std::string out;
    const std::string command = "node '" + oracle.string() + "' '" + file.string() + "'";
    if (FILE* pipe = ::popen(command.c_str(), "r")) {
      char buffer[4096];
      while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
      ::pclose(pipe);
    }
    return json::parse(out, nullptr, false);
  };
  const json said = ask(folder_ / "ben.json");
  ASSERT_TRUE(said.is_object()) << "the oracle did not run";
  EXPECT_EQ(said["canonical_sha256"], exported["digest"]);
  ASSERT_EQ(said["proofs"].size(), 2u);
  for (const auto& p : said["proofs"]) EXPECT_EQ(p["holds"], true);
  EXPECT_EQ(good({"consent", "verify", "ben.json"})["ok"], true);
  // One byte: both say no.
  std::string text = read_file(folder_ / "ben.json");
  text.replace(text.find("tests of this"), 5, "texts");
  write_file_atomic(folder_ / "changed.json", text);
  for (const auto& p : ask(folder_ / "changed.json")["proofs"]) EXPECT_EQ(p["holds"], false);
  EXPECT_NE(likeness({"consent", "verify", "changed.json"}, options_).status, 0);
}

TEST_F(ConsentProgram, AStatementIsReadByThePersonOfTheFaceset) {
  NEEDS_MODELS();
  project_with_ben();
  const auto asked = good(
      {"consent", "request", "film", "ben", "--adult", "--name", "Ben", "--description", "a test"});
  EXPECT_NE(asked["script"].get<std::string>().find(asked["phrase"].get<std::string>()),
            std::string::npos);
  auto copy = [&](const fs::path& from, const std::string& name) {
    fs::copy_file(from, folder_ / name);
    fs::last_write_time(folder_ / name, fs::file_time_type::clock::now());
    return name;
  };
  const std::vector<std::string> record = {"consent", "record", "film", "ben"};
  auto with = [&](const std::string& file, bool confirmed = true) {
    auto args = record;
    args.insert(args.end(), {file, "--reviewer", "a test"});
    if (confirmed) args.push_back("--words-confirmed");
    return args;
  };
  const std::string own = copy(clip("ben-train", 100, 300), "own.mp4");
  const bool listens = fs::exists("/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict") &&
                       std::system("command -v pocketsphinx_continuous > /dev/null 2>&1") == 0;
  if (listens)
    bad(with(own, false), "refused", "evidence-");  // it would have listened, but there is no sound
  else
    bad(with(own, false), "usage", "recogniser");
  bad(with(copy(clip("ava-train", 100, 150), "ava.mp4")), "refused", "evidence-other-face");
  bad(with(copy(clip("ben-train", 100, 60), "short.mp4")), "refused", "evidence-too-short");
  if (std::system("command -v ffmpeg > /dev/null 2>&1") == 0) {
    // A voice of this program under the person's picture: its mark is still in the sound.
    good({"speak", "film", "I agree. " + asked["phrase"].get<std::string>() + ". I agree again.",
          "--voice", "slt", "-o", "voice.wav"});
    ASSERT_EQ(std::system(("cd '" + folder_.string() +
                           "' && ffmpeg -v error -y -i own.mp4 -i voice.wav -map 0:v -map 1:a "
                           "-c:v copy -c:a aac -b:a 96k -shortest made.mp4")
                              .c_str()),
              0);
    bad(with("made.mp4"), "refused", "evidence-synthetic");
  }
  EXPECT_NE(likeness({"consent", "verify", "film", "ben"}, options_).status, 0);
  if (!listens || std::system("command -v ffmpeg > /dev/null 2>&1") != 0) return;
  // His own speech, but other words: what the recogniser heard is final, whoever says otherwise,
  // unless a reviewer states why, and that can be read from the record.
  ASSERT_EQ(
      std::system(("ffmpeg -v error -y -ss 2 -i '" + (performers() / "ben-train.mp4").string() +
                   "' -t 12 -c:v libx264 -crf 16 -c:a aac '" + (folder_ / "speech.mp4").string() +
                   "'")
                      .c_str()),
      0);
  bad(with("speech.mp4", false), "refused", "evidence-other-words");
  bad(with("speech.mp4"), "refused", "at the end it understood");
  auto despite = with("speech.mp4");
  despite.insert(despite.end(), {"--words-reason", "he"});
  bad(despite, "usage", "a sentence of its own");
  despite.back() = "a synthesiser speaks for this performer";
  EXPECT_EQ(good(despite)["checks"]["transcript"]["method"], "reviewer-despite-recogniser");
  const std::string told = good({"consent", "show", "film", "ben"})[0]["words"];
  EXPECT_NE(told.find("although the recogniser heard"), std::string::npos) << told;
  EXPECT_NE(told.find(despite.back()), std::string::npos) << told;
  const json verified = good({"consent", "verify", "film", "ben"});
  EXPECT_NE(verified.dump().find("although the recogniser heard"), std::string::npos);
}

TEST_F(ConsentProgram, KilledWhileRecordingLeavesNothingHalf) {
  NEEDS_MODELS();
  project_with_ben();
  good(
      {"consent", "request", "film", "ben", "--basis", "licence", "--adult", "--description", "t"});
  Rng rng(5);
  for (int i = 0; i < 4; ++i) {
    RunOptions killed = options_;
    killed.kill_after_s = 0.02 + 0.3 * rng.uniform();
    const auto o = likeness(
        {"consent", "record", "film", "ben", "licence.txt", "--reviewer", "a test"}, killed);
    EXPECT_EQ(good({"ledger", "verify", "film"})["ok"], true);
    const auto state = good({"consent", "show", "film", "ben"})[0]["state"];
    EXPECT_TRUE(state == "none" || state == "valid") << state;
    if (state == "valid") return;
    EXPECT_NE(o.status, 0);
  }
  good({"consent", "record", "film", "ben", "licence.txt", "--reviewer", "a test"});
  EXPECT_EQ(good({"consent", "verify", "film", "ben"})["ok"], true);
}

}  // namespace
}  // namespace likeness::tests
