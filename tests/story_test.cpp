// SPDX-License-Identifier: Apache-2.0
// What a user does, from an empty folder to a pruned faceset.
#include <fstream>
#include <set>

#include "program.h"

#include "likeness/base/atomic_file.h"
#include "likeness/face/analyse.h"
#include "likeness/faceset/faceset.h"
#include "likeness/media/video.h"

namespace likeness::tests {
namespace {
namespace fs = std::filesystem;

class Story : public ProgramTest {
 protected:
  void project_with(const std::vector<std::string>& subjects) const {
    ok({"project", "new", "film"});
    for (const auto& s : subjects) ok({"subject", "add", "film", s, "--kind", "synthetic"});
  }
};
class Consent : public Story {};
class Options : public Story {};

TEST_F(Story, ExtractLooksSortsFiltersAndExports) {
  NEEDS_MODELS();
  project_with({"ben"});
  const fs::path video = clip("ben-train", 0, 40);
  auto j = ok({"extract", "film", video.string(), "--subject", "ben"});
  ASSERT_EQ(j["files"].size(), 1u);
  EXPECT_EQ(j["files"][0]["frames"], 40);
  EXPECT_EQ(j["files"][0]["faces"], 40) << "the performer is in every frame";
  EXPECT_EQ(j["crops"], 40);
  EXPECT_LT(j["files"][0]["info"]["jitter_after_pct"], j["files"][0]["info"]["jitter_before_pct"]);

  // The crops are of the face: embeddings agree with each other, landmarks lie inside.
  const auto set = faceset::Faceset::open(folder_ / "film/facesets/ben.faces");
  ASSERT_EQ(set.items().size(), 40u);
  const auto mean = faceset::mean_embedding(set);
  int embedded = 0;
  for (const auto& item : set.items()) {
    EXPECT_GT(item.points[1].x, 0.3f * 256);
    EXPECT_LT(item.points[1].x, 0.7f * 256);
    if (!item.has_embedding) continue;
    ++embedded;
    EXPECT_LT(face::embedding_distance(item.embedding, mean), 0.45f) << item.frame;
  }
  EXPECT_GT(embedded, 0);

  auto list = ok({"faceset", "list", "film"});
  EXPECT_EQ(list[0]["crops"], 40);
  auto show = ok({"faceset", "show", "film", "ben", "--sheet", "sheet.png"});
  EXPECT_GT(show["face_size_px"]["mean"], 150);
  EXPECT_GE(media::read_image(folder_ / "sheet.png").width, 16 * 96);

  auto sorted = ok({"faceset", "sort", "film", "ben", "--by", "yaw", "--write"});
  double last = -1000;
  for (const auto& row : sorted["order"]) {
    EXPECT_GE(row["yaw_deg"].get<double>(), last);
    last = row["yaw_deg"];
  }
  const auto again = faceset::Faceset::open(folder_ / "film/facesets/ben.faces");
  EXPECT_EQ(again.items()[0].id, sorted["order"][0]["id"]);

  auto dry = ok({"faceset", "filter", "film", "ben", "--best", "10", "--dry-run"});
  EXPECT_EQ(dry["crops"], 10);
  EXPECT_EQ(ok({"faceset", "list", "film"})[0]["crops"], 40);
  ok({"faceset", "filter", "film", "ben", "--best", "10"});
  EXPECT_EQ(ok({"faceset", "list", "film"})[0]["excluded"], 30);
  EXPECT_EQ(ok({"faceset", "export", "film", "ben", "crops"})["crops"], 10);
  std::set<std::string> images;
  for (const auto& f : fs::directory_iterator(folder_ / "crops"))
    if (f.path().extension() == ".jpg") images.insert(f.path().filename().string());
  EXPECT_EQ(images.size(), 10u);
  EXPECT_EQ(media::read_image(folder_ / "crops" / *images.begin()).width, 256);

  const std::string id = sorted["order"][0]["id"];
  ok({"faceset", "restore", "film", "ben"});
  EXPECT_EQ(ok({"faceset", "exclude", "film", "ben", id})["crops"], 39);
  EXPECT_EQ(ok({"faceset", "compact", "film", "ben"})["crops"], 39);
  const auto deleted = ok({"faceset", "delete", "film", "ben"});
  EXPECT_TRUE(ok({"faceset", "list", "film"}).empty());
  ok({"project", "restore", "film", deleted["trash"]});
  EXPECT_EQ(ok({"faceset", "list", "film"})[0]["crops"], 39);
  // The grant, what was looked at, and the faceset.
  EXPECT_GE(ok({"project", "verify", "film"})["ledger_entries"], 1);
  EXPECT_TRUE(leftovers(folder_).empty());
}

TEST_F(Story, TheSameInputTwiceAddsNothingAndNewInputIsAppended) {
  NEEDS_MODELS();
  project_with({"ben"});
  ok({"extract", "film", clip("ben-train", 0, 24).string(), "--subject", "ben"});
  const std::string before = read_file(folder_ / "film/facesets/ben.faces");
  auto twice = ok({"extract", "film", clip("ben-train", 0, 24).string(), "--subject", "ben"});
  EXPECT_EQ(twice["crops_added"], 0);
  EXPECT_EQ(twice["crops_known_already"], 24);
  EXPECT_EQ(read_file(folder_ / "film/facesets/ben.faces"), before)
      << "an unchanged faceset is not rewritten";
  // Other analysis options: other rows, but the same places.
  auto other = ok(
      {"extract", "film", clip("ben-train", 0, 24).string(), "--subject", "ben", "--smooth", "0"});
  EXPECT_EQ(other["crops_added"], 0);
  auto more = ok({"extract", "film", clip("ben-train", 300, 24).string(), "--subject", "ben"});
  EXPECT_EQ(more["crops_added"], 24);
  EXPECT_EQ(more["crops"], 48);
}

TEST_F(Story, OtherPeopleAreLeftOut) {
  NEEDS_MODELS();
  project_with({"ben"});
  ok({"extract", "film", clip("ben-train", 0, 24).string(), "--subject", "ben"});
  // ava alone: nobody of them is ben.
  fails({"extract", "film", clip("ava-train", 0, 24).string(), "--subject", "ben"}, "no_face",
        "ben");
  // Both in one call: only ben's are kept.
  auto j = ok({"extract", "film", clip("ava-train", 0, 24).string(),
               clip("ben-train", 100, 24).string(), "--subject", "ben"});
  EXPECT_EQ(j["crops_added"], 24);
  EXPECT_EQ(j["people"].size(), 2u);
  const auto set = faceset::Faceset::open(folder_ / "film/facesets/ben.faces");
  for (const auto& item : set.items())
    EXPECT_EQ(item.source.rfind("ben-train", 0), 0u) << item.source;
}

TEST_F(Story, PhotosAndFoldersAreTaken) {
  NEEDS_MODELS();
  project_with({"ben"});
  const auto frames = frames_of(clip("ben-train", 0, 24));
  fs::create_directories(folder_ / "photos");
  for (int i = 0; i < 3; ++i)
    media::write_image(folder_ / "photos" / ("p" + std::to_string(i) + ".png"),
                       frames[static_cast<size_t>(8 * i)]);
  std::ofstream(folder_ / "photos/broken.jpg") << "not a picture";
  auto j = ok({"extract", "film", "photos", "--subject", "ben"});
  EXPECT_EQ(j["crops_added"], 3);
  ASSERT_EQ(j["skipped"].size(), 1u);
  EXPECT_NE(j["skipped"][0]["path"].get<std::string>().find("broken.jpg"), std::string::npos);
}

TEST_F(Story, CtrlCSavesAndTheSameCommandGoesOn) {
  NEEDS_MODELS();
  project_with({"ben"});
  const std::vector<std::string> command = {"extract", "film", clip("ben-train", 0, 120).string(),
                                            "--subject", "ben"};
  const Outcome stopped = likeness(command, {.interrupt_when = [&] {
                                     const auto work = folder_ / "film/work";  // the job has begun
                                     return fs::exists(work) && !fs::is_empty(work);
                                   }});
  if (stopped.status == 0) GTEST_SKIP() << "the machine was quicker than the interruption";
  EXPECT_EQ(stopped.status, 130) << stopped.err;
  EXPECT_EQ(ok({"project", "jobs", "film"})[0]["state"], "cancelled");
  EXPECT_TRUE(leftovers(folder_).empty());
  EXPECT_EQ(ok(command)["crops"], 120);
}

TEST_F(Story, VersionAndHelp) {
  EXPECT_FALSE(ok({"version"})["version"].get<std::string>().empty());
  for (const std::vector<std::string>& verb :
       std::vector<std::vector<std::string>>{{},
                                             {"doctor"},
                                             {"project", "new"},
                                             {"subject", "add"},
                                             {"extract"},
                                             {"faceset", "filter"},
                                             {"train"},
                                             {"swap"},
                                             {"evaluate"},
                                             {"demo"},
                                             {"options"}}) {
    auto args = verb;
    args.push_back("--help");
    const Outcome o = likeness(args);
    EXPECT_EQ(o.status, 0);
    std::string first = "likeness";
    for (const auto& v : verb) first += " " + v;
    size_t examples = 0;
    for (size_t at = o.out.find("\n  " + (verb.empty() ? "likeness" : first));
         at != std::string::npos;
         at = o.out.find("\n  " + (verb.empty() ? "likeness" : first), at + 1))
      ++examples;
    EXPECT_GE(examples, 2u) << first << "\n" << o.out;
  }
  const Outcome help = likeness({"extract", "--help"});
  EXPECT_NE(help.out.find("--min-face-px"), std::string::npos);
  EXPECT_NE(help.out.find("16 to 4096 px; default 40"), std::string::npos) << help.out;
}

TEST_F(Story, DoctorChecksModelsByHash) {
  NEEDS_MODELS();
  const Outcome o = likeness({"doctor", "--json"});
  auto j = o.json();
  EXPECT_EQ(o.status, j["ok"].get<bool>() ? 0 : 11);
  EXPECT_GE(j["machine"]["threads"], 1);
  EXPECT_EQ(j["machine"]["encoders"]["h264"], "libx264");
  // A damaged copy of the models is found, with the command that fixes it.
  const fs::path models = folder_ / "models";
  fs::copy(std::getenv("LIKENESS_MODELS") ? fs::path(std::getenv("LIKENESS_MODELS"))
                                          : fs::path(LIKENESS_SOURCE_DIR) / ".cache/models",
           models, fs::copy_options::recursive);
  std::string bytes = read_file(models / "face_landmark.tflite");
  bytes[bytes.size() / 2] ^= 1;
  write_file_atomic(models / "face_landmark.tflite", bytes);
  const Outcome bad =
      likeness({"doctor", "--json"}, {.environment = {"LIKENESS_MODELS=" + models.string()}});
  EXPECT_EQ(bad.status, 11);
  bool found = false;
  const auto report = bad.json();
  for (const auto& check : report["checks"])
    if (check["name"] == "model face_landmark")
      found = check["status"] == "missing" && check["fix"] == "scripts/install-models";
  EXPECT_TRUE(found) << bad.out;
}

TEST_F(Consent, PersonIsRefusedInTrainAndSwap) {
  project_with({"ava"});
  ok({"subject", "add", "film", "mary", "--kind", "person"});
  fails({"subject", "add", "film", "s1", "--kind", "licensed"}, "usage", "licence");
  ok({"subject", "add", "film", "s1", "--kind", "licensed", "--licence", "CC BY 4.0"});
  fails({"train", "film", "--model", "m", "--identity", "mary", "--performer", "ava", "--minutes",
         "1"},
        "refused", "person-needs-consent-record");
  fails({"train", "film", "--model", "m", "--identity", "ava", "--performer", "mary", "--minutes",
         "1"},
        "refused", "mary");
  EXPECT_TRUE(fs::is_empty(folder_ / "film/models"));
  // A licensed subject passes the gate; what is missing is only its faceset.
  fails(
      {"train", "film", "--model", "m", "--identity", "s1", "--performer", "ava", "--minutes", "1"},
      "not_found", "faceset");
  const auto jobs = ok({"project", "jobs", "film"});
  EXPECT_EQ(jobs[0]["state"], "failed");
  // Newest first: the missing faceset.
  EXPECT_EQ(jobs[0]["result"]["code"], "not_found");
}

TEST_F(Options, LayersComeInOrder) {
  project_with({});
  auto batch = [&](const std::vector<std::string>& more, const RunOptions& options = {}) {
    std::vector<std::string> args = {"options", "train"};
    args.insert(args.end(), more.begin(), more.end());
    return ok(args, options)["resolution_px"];
  };
  const auto standard = batch({});
  EXPECT_EQ(standard["from"], "default");
  EXPECT_EQ(batch({"--preset", "quick"})["from"], "preset quick");
  EXPECT_EQ(batch({"--preset", "quick"})["value"], 192);
  std::ofstream(folder_ / "film/project.toml", std::ios::app) << "\n[train]\nresolution_px = 96\n";
  EXPECT_EQ(batch({"--preset", "quick", "--project", "film"})["value"], 96);
  EXPECT_EQ(batch({"--preset", "quick", "--project", "film"},
                  {.environment = {"LIKENESS_TRAIN_RESOLUTION_PX=160"}})["value"],
            160);
  // A wrong value names its layer.
  std::ofstream(folder_ / "film/project.toml", std::ios::app) << "batch = -3\n";
  fails({"options", "train", "--project", "film"}, "usage", "project.toml");
  fails({"options", "train"}, "usage", "LIKENESS_TRAIN_BATCH",
        {.environment = {"LIKENESS_TRAIN_BATCH=many"}});
}

TEST_F(Options, SchemasDescribeEveryOption) {
  for (const char* task : {"extract", "filter", "train", "swap", "evaluate"}) {
    auto schema = ok({"options", task, "--schema"});
    EXPECT_EQ(schema["type"], "object");
    EXPECT_FALSE(schema["properties"].empty());
    for (const auto& [name, field] : schema["properties"].items()) {
      EXPECT_FALSE(field["description"].get<std::string>().empty()) << task << " " << name;
      EXPECT_TRUE(field.contains("default")) << task << " " << name;
    }
  }
  for (const char* preset : {"quick", "standard", "fine"})
    EXPECT_FALSE(ok({"options", "train", "--preset", preset}).empty()) << preset;
}

}  // namespace
}  // namespace likeness::tests
