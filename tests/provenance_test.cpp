// SPDX-License-Identifier: Apache-2.0
// Every file a task writes proves what it is, to our own `verify` and to an independent reader.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "program.h"

#include "likeness/base/atomic_file.h"
#include "likeness/media/video.h"

namespace likeness::tests {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

std::string output_of(const std::string& command) {
  std::string out;
  if (FILE* pipe = ::popen(command.c_str(), "r")) {
    char buffer[65536];
    while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
    ::pclose(pipe);
  }
  return out;
}
bool has_program(const std::string& name) {
  return std::system(("command -v " + name + " > /dev/null 2>&1").c_str()) == 0;
}
std::string quoted(const fs::path& path) { return "'" + path.string() + "'"; }

class Provenance : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    options_.environment = {"LIKENESS_HOME=" + (folder_ / "home").string()};
  }
  json good(std::vector<std::string> args) const { return ok(std::move(args), options_); }
  /// {verdict, exit status} and the whole report of one file.
  json verified(const fs::path& path, const std::string& verdict, int status) const {
    const Outcome o = likeness({"verify", path.string(), "--json"}, options_);
    EXPECT_EQ(o.status, status) << path << "\n" << o.out << o.err;
    const json j = o.json();
    if (!j.is_object() || !j.contains("files")) return json::object();
    EXPECT_EQ(j["files"][0]["verdict"], verdict) << path << "\n" << j.dump(1);
    return j["files"][0];
  }
  /// A model of a few steps: what the picture shows does not matter here.
  void trained_project() const {
    good({"project", "new", "film"});
    for (const char* s : {"ben", "ava"}) good({"subject", "add", "film", s, "--kind", "synthetic"});
    good({"extract", "film", clip("ben-train", 0, 60).string(), "--subject", "ben"});
    good({"extract", "film", clip("ava-train", 0, 40).string(),
          clip("ava-to-ben-take", 0, 96).string(), "--subject", "ava"});
    good({"train", "film", "--model", "m", "--identity", "ben", "--performer", "ava", "--preset",
          "quick", "--minutes", "0", "--steps", "6", "--resolution-px", "64", "--batch", "2"});
  }
  /// {path: verdict} of many files in one call.
  std::map<std::string, std::string> verdicts(const std::vector<fs::path>& files,
                                              bool marks = true) const {
    std::vector<std::string> args = {"verify", "--json"};
    if (!marks)
      args.push_back("--no-watermark");  // looked for everywhere where a manifest is broken
    for (const auto& f : files) args.push_back(f.string());
    const json j = likeness(args, options_).json();
    std::map<std::string, std::string> out;
    if (j.is_object() && j.contains("files"))
      for (const json& one : j["files"]) out[one["path"]] = one["verdict"];
    EXPECT_EQ(out.size(), files.size());
    return out;
  }
  /// Everything outside the home folder that is not in a project or a manifest beside its file.
  std::vector<fs::path> files_outside() const {
    std::vector<fs::path> out;
    for (const auto& f : fs::recursive_directory_iterator(folder_)) {
      const std::string inside = fs::relative(f.path(), folder_).string();
      if (f.is_regular_file() && f.path().extension() != ".c2pa" && inside.rfind("home/", 0) != 0 &&
          inside.rfind("film/", 0) != 0)
        out.push_back(f.path());
    }
    return out;
  }
  void every_file_is_proven_and_each_change_found(std::vector<fs::path> given) const;
  /// What the other reader says; skips nothing silently: the caller asks oracle_is_here() first.
  std::vector<json> oracle(const std::vector<fs::path>& files) const {
    std::string command = "node " +
                          quoted(fs::path(LIKENESS_SOURCE_DIR) / "tests/oracle/read.mjs") + " " +
                          quoted(folder_ / "home/signing/root.pem");
    for (const auto& f : files) command += " " + quoted(f);
    std::vector<json> out;
    const std::string text = output_of(command + " 2>&1");
    for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      out.push_back(json::parse(text.substr(at, end - at), nullptr, false));
      EXPECT_TRUE(out.back().is_object()) << text;
    }
    EXPECT_EQ(out.size(), files.size()) << text;
    return out;
  }
  static bool oracle_is_here() {
    return has_program("node") &&
           fs::exists(fs::path(LIKENESS_SOURCE_DIR) / ".cache/oracle/0.13.3/package/pkg/c2pa.js");
  }
  void change_byte(const fs::path& path, size_t at) const {
    std::string bytes = read_file(path);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    write_file_atomic(path, bytes);
  }
  RunOptions options_;
};

/// The rest of what can be written: no list of files, so that a new one cannot be forgotten.
/// `given`: what this test put there itself.
void Provenance::every_file_is_proven_and_each_change_found(std::vector<fs::path> given) const {
  for (const char* who : {"ben", "ava"}) good({"faceset", "filter", "film", who, "--best", "6"});
  good({"faceset", "sort", "film", "ben", "--by", "yaw", "--write", "--sheet", "sorted.jpg"});
  good({"faceset", "show", "film", "ava", "--sheet", "faces.png"});
  good({"faceset", "export", "film", "ben", "crops"});
  good({"faceset", "export", "film", "ava", "pngs", "--format", "png"});
  for (const char* voice : {"slt", "rms"})
    good({"speak", "film", "One.", "--voice", voice, "-o", std::string(voice) + "/one.wav",
          "--timings", std::string(voice) + "-times.json"});
  good({"voice", "abx", "slt", "rms", "-o", "abx.html"});
  good({"ledger", "export", "film", "ledger.json"});
  EXPECT_EQ(likeness({"verify", "out.mp4", "--html", "page.html"}, options_).status, 0);

  std::vector<fs::path> files;
  for (const fs::path& f : files_outside())
    if (std::find(given.begin(), given.end(), f) == given.end() &&
        f.parent_path().filename() != "frames" && f.parent_path().filename() != "tiffs")
      files.push_back(f);  // sequences are looked at as such, elsewhere
  const std::map<std::string, std::string> others = {{"crops", "authentic"},
                                                     {"pngs", "authentic"},
                                                     {"sorted.jpg", "authentic"},
                                                     {"faces.png", "authentic"},
                                                     {"ledger.json", "signed-document"},
                                                     {"page.html", "signed-document"},
                                                     {"faceset.json", "signed-document"},
                                                     {"slt-times.json", "signed-document"},
                                                     {"rms-times.json", "signed-document"}};
  std::map<std::string, int> seen;
  for (const auto& [path, verdict] : verdicts(files)) {
    const fs::path p = path;
    auto expected = others.find(p.filename().string());
    if (expected == others.end()) expected = others.find(p.parent_path().filename().string());
    EXPECT_EQ(verdict, expected == others.end() ? "synthetic-verified" : expected->second) << path;
    ++seen[verdict];
  }
  EXPECT_GE(seen["synthetic-verified"], 8);
  EXPECT_GE(seen["authentic"], 10);
  EXPECT_GE(seen["signed-document"], 6);
  // In the project: by the ledger.
  std::vector<fs::path> kept = {folder_ / "film/facesets/ben.faces",
                                folder_ / "film/facesets/ava.faces"};
  for (const auto& f : fs::directory_iterator(folder_ / "film/models/m"))
    if (f.is_regular_file() && f.path().filename() != "preview.png") kept.push_back(f.path());
  EXPECT_GE(kept.size(), 6u);  // model, card, checkpoint, log
  for (const auto& [path, verdict] : verdicts(kept)) EXPECT_EQ(verdict, "recorded") << path;

  // One byte of each, its sound or its picture where it has one, and every one is told.
  std::vector<std::pair<fs::path, std::string>> before;
  files.insert(files.end(), kept.begin(), kept.end());
  for (const fs::path& f : files) {
    before.emplace_back(f, read_file(f));
    const bool early = f.extension() == ".wav" || f.extension() == ".tiff";
    change_byte(f, before.back().second.size() * (early ? 3 : 9) / 10);
  }
  for (const auto& [path, verdict] : verdicts(files, false)) EXPECT_EQ(verdict, "changed") << path;
  for (const auto& [f, bytes] : before) write_file_atomic(f, bytes);
}

TEST_F(Provenance, EveryFileOfEveryTaskIsVerified) {
  NEEDS_MODELS();
  trained_project();
  const std::string take = clip("ava-to-ben-take", 0, 96).string();
  const auto swap = [&](const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> args = {"swap", "film", "--model", "m", take, "-o", out};
    args.insert(args.end(), more.begin(), more.end());
    return good(args);
  };
  swap("out.mp4", {});
  swap("out.mov", {"--codec", "prores"});
  swap("out.mkv", {"--codec", "ffv1"});
  swap("frames", {"--codec", "png"});
  good({"evaluate", "film", "out.mp4", "--target", take, "--identity", "ben", "--performer", "ava",
        "--html", "report.html", "--sheet", "sheet.png", "--side-by-side", "side.mp4"});

  for (const char* name : {"out.mp4", "out.mov", "out.mkv", "frames", "sheet.png", "side.mp4"}) {
    const json v = verified(folder_ / name, "synthetic-verified", 0);
    EXPECT_EQ(v["manifest"]["state"], "trusted") << name;
    EXPECT_EQ(v["problems"], json::array()) << name;
  }
  verified(folder_ / "report.html", "synthetic-verified", 0);
  // What a training shows while it runs is a picture of a generated face as well.
  const fs::path preview = folder_ / "film/models/m/preview.png";
  std::vector<fs::path> previews = {preview};
  for (const auto& f : fs::directory_iterator(folder_ / "film/models/m/previews"))
    previews.push_back(f.path());
  EXPECT_GE(previews.size(), 2u);
  for (const auto& p : previews) {
    const json said = verified(p, "synthetic-verified", 0);
    EXPECT_EQ(said["manifest"]["state"], "trusted") << said.dump(1);
    EXPECT_EQ(said["claims_ai"], true);
  }
  fs::copy_file(preview, folder_ / "shown.png");
  change_byte(folder_ / "shown.png", fs::file_size(preview) - 400);
  verified(folder_ / "shown.png", "changed", 22);
  fs::remove(folder_ / "shown.png");

  const json v = verified(folder_ / "out.mp4", "synthetic-verified", 0);
  EXPECT_EQ(v["consent"][0]["basis"], "synthetic-declared");
  EXPECT_EQ(v["manifest"]["actions"][1]["action"], "c2pa.edited");

  if (oracle_is_here()) {
    std::vector<fs::path> files;
    for (const char* name : {"out.mp4", "out.mov", "sheet.png", "side.mp4"})
      files.push_back(folder_ / name);
    files.push_back(media::list_media(folder_ / "frames").at(7));
    for (const json& o : oracle(files)) {
      EXPECT_EQ(o["state"], "Trusted") << o.dump(1);
      EXPECT_EQ(o["failures"], json::array()) << o["file"];
      EXPECT_EQ(o["rubric"], (json{{"kept", 31}, {"of", 31}, {"broken", json::array()}}));
      if (o.contains("official")) {
        EXPECT_EQ(o["official"]["kept"], o["official"]["of"]) << o["file"] << o["official"];
      }
      for (const auto& [name, said] : o["checks"].items())
        EXPECT_EQ(said, "ok") << o["file"] << " " << name;
    }
  } else {
    std::puts("the independent reader is not installed (tests/oracle/install): not asked");
  }

  // A still, other pictures of a sequence, and speech.
  media::VideoReader first(take);
  media::write_image(folder_ / "frame.png", first.next()->rgb8());
  for (const char* codec : {"png", "tiff"}) {
    const std::string out = std::string("still-") + codec;
    good({"swap", "film", "--model", "m", "frame.png", "-o", out, "--codec", codec});
    verified(folder_ / out, "synthetic-verified", 0);
    change_byte(media::list_media(folder_ / out).at(0), 5000);
    verified(folder_ / out, "changed", 22);
  }
  for (const char* name : {"still-png", "still-tiff"}) fs::remove_all(folder_ / name);
  swap("tiffs", {"--codec", "tiff"});
  verified(folder_ / "tiffs", "synthetic-verified", 0);
  good({"speak", "film", "The birch canoe slid on the smooth planks by the river.", "--voice",
        "slt", "--label", "eu", "-o", "line.wav"});
  if (oracle_is_here()) {
    const json o = oracle({folder_ / "line.wav"}).at(0);
    EXPECT_EQ(o["state"], "Trusted") << o.dump(1);
    EXPECT_EQ(o["rubric"]["kept"], 31) << o.dump(1);
  }
  const json spoken = verified(folder_ / "line.wav", "synthetic-verified", 0);
  EXPECT_EQ(spoken["manifest"]["actions"][0]["action"], "c2pa.created");
  fs::copy_file(folder_ / "line.wav", folder_ / "bad.wav");
  change_byte(folder_ / "bad.wav", fs::file_size(folder_ / "bad.wav") / 2);
  verified(folder_ / "bad.wav", "changed", 22);

  every_file_is_proven_and_each_change_found({folder_ / "frame.png", folder_ / "bad.wav"});

  // A visible label changes its corner only while it shows, and takes nothing of the proof away.
  swap("label.mkv", {"--codec", "ffv1", "--label", "cn"});
  verified(folder_ / "label.mkv", "synthetic-verified", 0);
  const auto plain = frames_of(folder_ / "out.mkv"), labelled = frames_of(folder_ / "label.mkv");
  ASSERT_EQ(plain.size(), labelled.size());
  const auto corner = [](const Image8& i) { return i.at(30, 20, 1); };  // inside the label's box
  EXPECT_LT(corner(labelled[0]), corner(plain[0]) - 15);
  swap("label.mp4", {"--label", "cn"});
  verified(folder_ / "label.mp4", "synthetic-verified", 0);
  EXPECT_NE(read_file(folder_ / "label.mp4").find("AIGC"), std::string::npos);

  // Without its manifest the file is still known by its mark.
  if (has_program("ffmpeg")) {
    const std::string to = quoted(folder_ / "copy.mp4"), from = quoted(folder_ / "out.mp4");
    output_of("ffmpeg -v error -y -i " + from + " -c copy " + to + " 2>&1");
    const json copy = verified(folder_ / "copy.mp4", "synthetic-by-watermark", 21);
    ASSERT_FALSE(copy["recovered"].empty());
    EXPECT_EQ(copy["recovered"][0]["manifest"]["label"], v["manifest"]["label"]);
    EXPECT_EQ(copy["recovered"][0]["manifest"]["holds"], true);
  }

  // One byte of the media, of a statement, of the claim.
  const std::string bytes = read_file(folder_ / "out.mp4");
  for (const char* where : {"mdat", "compositeWithTrained", "claim_generator_info"}) {
    fs::copy_file(folder_ / "out.mp4", folder_ / "bad.mp4", fs::copy_options::overwrite_existing);
    const size_t at = where[0] == 'm' ? bytes.rfind(where) + 2000 : bytes.find(where) + 3;
    change_byte(folder_ / "bad.mp4", at);
    verified(folder_ / "bad.mp4", "changed", 22);
    if (oracle_is_here()) {
      EXPECT_NE(oracle({folder_ / "bad.mp4"}).at(0)["state"], "Trusted") << where;
    }
  }
  change_byte(folder_ / "out.mkv", fs::file_size(folder_ / "out.mkv") / 2);
  verified(folder_ / "out.mkv", "changed", 22);

  // The page, and several files at once: the worst decides.
  const Outcome all =
      likeness({"verify", "out.mp4", "copy.mp4", "bad.mp4", "--html", "page.html"}, options_);
  EXPECT_EQ(all.status, 22);
  EXPECT_NE(read_file(folder_ / "page.html").find("Contradiction") != std::string::npos ||
                read_file(folder_ / "page.html").find("Changed") != std::string::npos,
            false);
  // Nobody's name and no key in what leaves the house, nor in the words.
  for (const char* secret : {"BEGIN PRIVATE KEY", "ava-to-ben"})
    EXPECT_EQ(bytes.find(secret), std::string::npos) << secret;
  EXPECT_EQ((all.out + all.err).find("PRIVATE KEY"), std::string::npos);
}

TEST_F(Provenance, ForeignAndBrokenFiles) {
  verified(clip("ben-train", 0, 30), "nothing-found", 20);
  write_file_atomic(folder_ / "text.mp4", "not a video");
  verified(folder_ / "text.mp4", "nothing-found", 20);
  fails({"verify", "missing.mp4"}, "not_found", "missing.mp4", options_);
  fails({"verify"}, "usage", "file", options_);
}

}  // namespace
}  // namespace likeness::tests
