// SPDX-License-Identifier: Apache-2.0
#include "likeness/project/project.h"

#include <cstring>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/base/sealed_file.h"

namespace likeness::project {
namespace {
namespace fs = std::filesystem;

ErrorCode code_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_FALSE(e.hint().empty()) << e.what();
    return e.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

class ProjectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("likeness-project-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  Project fresh() { return Project::create(folder_ / "film"); }
  fs::path folder_;
};

face::Face some_face(FrameIndex frame, int track, uint64_t seed) {
  Rng rng(seed, frame, "face");
  face::Face f;
  f.frame = frame;
  f.track = track;
  f.presence = rng.uniform();
  f.box = {10, 20, 110, 140};
  for (auto& p : f.points) p = {rng.normal() * 100, rng.normal() * 100, rng.normal()};
  for (auto& r : f.pose.rotation) r = rng.normal();
  f.pose.yaw_rad = rng.normal();
  f.pose.translation_px = {rng.normal(), rng.normal()};
  f.quality = {rng.uniform(), 100 * rng.uniform(), rng.uniform(), rng.uniform()};
  f.has_embedding = frame % 2 == 0;
  if (f.has_embedding)
    for (auto& e : f.embedding) e = rng.normal();
  return f;
}
void expect_same(const face::Face& a, const face::Face& b) {
  EXPECT_EQ(a.frame, b.frame);
  EXPECT_EQ(a.track, b.track);
  EXPECT_EQ(a.manual, b.manual);
  EXPECT_EQ(a.presence, b.presence);
  EXPECT_EQ(a.box.x1, b.box.x1);
  EXPECT_EQ(0, std::memcmp(a.points.data(), b.points.data(), sizeof a.points));
  EXPECT_EQ(a.pose.rotation, b.pose.rotation);
  EXPECT_EQ(a.pose.yaw_rad, b.pose.yaw_rad);
  EXPECT_EQ(a.pose.translation_px.y, b.pose.translation_px.y);
  EXPECT_EQ(a.quality.size_px, b.quality.size_px);
  EXPECT_EQ(a.has_embedding, b.has_embedding);
  EXPECT_EQ(a.embedding, b.embedding);
}

TEST_F(ProjectTest, CreateExplainsItselfAndOpensAgain) {
  {
    Project p = fresh();
    EXPECT_EQ(p.name(), "film");
    p.set_setting("x", {{"a", 1}});
  }
  EXPECT_NE(read_file(folder_ / "film/project.toml").find("facesets/"), std::string::npos);
  Project p = Project::open(folder_ / "film/");
  EXPECT_EQ(p.setting("x")["a"], 1);
  EXPECT_TRUE(p.setting("y").is_null());
  EXPECT_EQ(code_of([&] { Project::create(folder_ / "film"); }), ErrorCode::kUsage);
  EXPECT_EQ(code_of([&] { Project::open(folder_ / "nothing"); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { Project::open(folder_); }), ErrorCode::kNotFound);
  for (const char* bad : {"", ".hidden", "a/b", "a b", "ä"})
    EXPECT_EQ(code_of([&] { check_name("subject", bad); }), ErrorCode::kUsage) << bad;
}

TEST_F(ProjectTest, CopyingTheFolderCopiesTheProject) {
  {
    Project p = fresh();
    p.add_subject({.name = "ben"});
    p.set_setting("k", 7);
  }
  fs::copy(folder_ / "film", folder_ / "copy", fs::copy_options::recursive);
  Project copy = Project::open(folder_ / "copy");
  EXPECT_EQ(copy.subject("ben").name, "ben");
  EXPECT_EQ(copy.setting("k"), 7);
}

TEST_F(ProjectTest, SubjectsKeepTheirDeclaration) {
  Project p = fresh();
  p.add_subject({.name = "ben"});
  EXPECT_EQ(code_of([&] { p.add_subject({.name = "ben"}); }), ErrorCode::kUsage);
  EXPECT_EQ(code_of([&] { p.add_subject({.name = "s1", .kind = SubjectKind::kLicensed}); }),
            ErrorCode::kUsage);
  p.add_subject({.name = "s1", .kind = SubjectKind::kLicensed, .licence = "CC BY 4.0"});
  Subject s = p.subject("s1");
  EXPECT_EQ(s.kind, SubjectKind::kLicensed);
  EXPECT_EQ(s.licence, "CC BY 4.0");
  EXPECT_FALSE(s.declared_by.empty());
  EXPECT_EQ(s.declared_at.size(), 20u);
  try {
    p.subject("zoe");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kNotFound);
    EXPECT_NE(e.hint().find("ben"), std::string::npos);
  }
}

TEST_F(ProjectTest, FacesComeBackBitForBit) {
  Project p = fresh();
  int64_t clip = p.put_media(
      {.path = "a.mp4", .hash = "h1", .frames = 5, .info = {{"w", 1}}, .analysis = "x"});
  std::vector<face::Face> faces;
  for (int i = 0; i < 5; ++i)
    for (int t = 0; t < 2; ++t) faces.push_back(some_face(i, t, static_cast<uint64_t>(t)));
  TrackRow track;
  track.track = 1;
  track.last = 4;
  track.subject = "ben";
  track.embedding[3] = 0.25f;
  TrackRow zero;
  p.put_faces(clip, faces, {zero, track});
  auto got = p.faces(clip);
  ASSERT_EQ(got.size(), faces.size());
  for (size_t i = 0; i < got.size(); ++i) expect_same(got[i], faces[i]);
  EXPECT_EQ(p.faces(clip, 1, 3).size(), 4u);
  EXPECT_EQ(p.count_faces(clip), 10);
  auto tracks = p.tracks(clip);
  ASSERT_EQ(tracks.size(), 2u);
  EXPECT_EQ(tracks[1].subject, "ben");
  EXPECT_EQ(tracks[1].embedding[3], 0.25f);
  p.name_track(clip, 0, "ava");
  EXPECT_EQ(p.tracks(clip)[0].subject, "ava");
  EXPECT_EQ(code_of([&] { p.name_track(clip, 9, "ava"); }), ErrorCode::kNotFound);
  // Same hash: the same row, updated.
  EXPECT_EQ(p.put_media({.path = "b.mp4", .hash = "h1", .frames = 6, .info = {}, .analysis = ""}),
            clip);
  EXPECT_EQ(p.media().size(), 1u);
  EXPECT_EQ(p.media_by_hash("h1")->path, "b.mp4");
  EXPECT_FALSE(p.media_by_hash("h2"));
}

TEST_F(ProjectTest, ManualFacesSurviveANewAnalysis) {
  Project p = fresh();
  int64_t clip = p.put_media({.path = "a", .hash = "h", .frames = 3, .info = {}, .analysis = ""});
  p.put_faces(clip, {some_face(0, 0, 1), some_face(1, 0, 1)}, {});
  face::Face corrected = some_face(1, 0, 99);
  p.correct_face(clip, corrected);
  EXPECT_EQ(p.count_faces(clip), 2);
  // The new analysis numbers the track 4 and finds another face far away in the same frame.
  face::Face far = some_face(1, 5, 2);
  far.box = {500, 500, 600, 600};
  p.put_faces(clip, {some_face(0, 4, 3), some_face(1, 4, 3), far}, {});
  auto got = p.faces(clip);
  ASSERT_EQ(got.size(), 3u);
  corrected.manual = true;
  corrected.track = 4;
  expect_same(got[1], corrected);
  expect_same(got[2], far);
}

TEST_F(ProjectTest, CorrectedFacesCanBeReverted) {
  Project p = fresh();
  const int64_t clip = p.put_media({.path = "a.mp4", .hash = "h", .frames = 3});
  const TrackRow track{.media = clip, .track = 0, .first = 0, .last = 2};
  p.put_faces(clip, {some_face(0, 0, 1), some_face(1, 0, 1)}, {track});
  const auto at = [&](FrameIndex frame) { return p.faces(clip, frame, frame + 1); };
  const float detected = at(1)[0].points[7].x;
  for (uint64_t seed : {50u, 51u}) {  // twice: what was detected is kept, not the first correction
    p.correct_face(clip, some_face(1, 0, seed));
    EXPECT_TRUE(at(1)[0].manual);
    EXPECT_NE(at(1)[0].points[7].x, detected);
  }
  EXPECT_TRUE(p.revert_face(clip, 1, 0));
  ASSERT_EQ(at(1).size(), 1u);
  EXPECT_FALSE(at(1)[0].manual);
  EXPECT_EQ(at(1)[0].points[7].x, detected);
  EXPECT_FALSE(p.revert_face(clip, 1, 0));
  EXPECT_FALSE(p.revert_face(clip, 0, 0));
  EXPECT_EQ(at(0).size(), 1u);
  // Where nothing was detected nothing stays.
  p.correct_face(clip, some_face(2, 0, 3));
  EXPECT_TRUE(p.revert_face(clip, 2, 0));
  EXPECT_TRUE(at(2).empty());
  // A new analysis finds another face at the corrected place: that is what reverting gives back.
  p.correct_face(clip, some_face(1, 0, 50));
  const face::Face anew = some_face(1, 0, 77);
  p.put_faces(clip, {anew}, {track});
  EXPECT_TRUE(at(1)[0].manual);
  EXPECT_TRUE(p.revert_face(clip, 1, 0));
  EXPECT_EQ(at(1)[0].points[7].x, anew.points[7].x);
  // Nothing of a track that is forgotten comes back.
  p.correct_face(clip, some_face(1, 0, 50));
  p.forget_track(clip, 0);
  EXPECT_EQ(p.count_faces(clip), 0);
  EXPECT_FALSE(p.revert_face(clip, 1, 0));
  EXPECT_TRUE(p.tracks(clip).empty());
}

TEST_F(ProjectTest, TheQueueKeepsItsOrder) {
  {
    Project p = fresh();
    const int64_t a = p.add_to_queue("queued", {{"task", "a"}});
    p.add_to_queue("queued", {{"task", "b"}});
    QueueRow first = p.queue().at(0);
    EXPECT_EQ(first.id, a);
    first.position = 100;
    first.state = "paused";
    p.update_queue(first);
  }
  Project p = Project::open(folder_ / "film");
  const auto rows = p.queue();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].entry["task"], "b");
  EXPECT_EQ(rows[1].state, "paused");
  p.remove_from_queue(rows[1].id);
  EXPECT_EQ(p.queue().size(), 1u);
  EXPECT_EQ(code_of([&] { p.remove_from_queue(rows[1].id); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { p.update_queue(rows[1]); }), ErrorCode::kNotFound);
}

TEST_F(ProjectTest, JobsOfDeadProcessesAreInterrupted) {
  Project p = fresh();
  int64_t done = p.begin_job("swap", {{"crf", 3}});
  p.end_job(done, "done", {{"ok", true}});
  p.begin_job("train", {});
  if (pid_t child = ::fork(); child == 0) {
    Project::open(folder_ / "film").begin_job("extract", {});
    ::_exit(0);
  } else {
    ::waitpid(child, nullptr, 0);
  }
  auto jobs = p.jobs();
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs[0].state, "done");
  EXPECT_EQ(jobs[0].options["crf"], 3);
  EXPECT_EQ(jobs[0].result["ok"], true);
  EXPECT_EQ(jobs[1].state, "running");
  EXPECT_EQ(jobs[2].state, "interrupted");
}

TEST_F(ProjectTest, TrashGivesBackWhatWasDeleted) {
  Project p = fresh();
  p.add_subject({.name = "s1", .kind = SubjectKind::kLicensed, .licence = "L"});
  write_file_atomic(p.faceset_path("s1"), "crops");
  int64_t clip = p.put_media({.path = "a", .hash = "h", .frames = 3, .info = {}, .analysis = ""});
  TrackRow track;
  track.subject = "s1";
  p.put_faces(clip, {}, {track});
  p.remove_subject("s1");
  EXPECT_FALSE(fs::exists(p.faceset_path("s1")));
  EXPECT_TRUE(p.subjects().empty());
  EXPECT_EQ(p.tracks(clip)[0].subject, "");
  auto trash = p.trash();
  ASSERT_EQ(trash.size(), 1u);
  EXPECT_EQ(trash[0].name, "s1");
  p.restore(trash[0].id);
  EXPECT_EQ(p.subject("s1").licence, "L");
  EXPECT_EQ(read_file(p.faceset_path("s1")), "crops");
  EXPECT_EQ(p.tracks(clip)[0].subject, "s1");
  EXPECT_TRUE(p.trash().empty());

  write_file_atomic(p.outputs_folder() / "o.mp4", "1");
  TrashEntry e = p.move_to_trash(p.outputs_folder() / "o.mp4", "file", "o.mp4");
  write_file_atomic(p.outputs_folder() / "o.mp4", "2");
  EXPECT_EQ(code_of([&] { p.restore(e.id); }), ErrorCode::kUsage);
  fs::remove(p.outputs_folder() / "o.mp4");
  p.restore(e.id);
  EXPECT_EQ(read_file(p.outputs_folder() / "o.mp4"), "1");
  EXPECT_EQ(code_of([&] { p.restore("../x"); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { p.move_to_trash("/etc/hostname", "file", "x"); }), ErrorCode::kUsage);
}

TEST_F(ProjectTest, AVoiceGoesToTheTrashWithItsSubject) {
  Project p = fresh();
  p.add_subject({.name = "s1"});
  const fs::path voice = p.folder() / "voices/enrolled/s1";
  fs::create_directories(voice);
  write_file_atomic(voice / "index.safetensors", "clips");
  p.remove_subject("s1");
  EXPECT_FALSE(fs::exists(voice));
  ASSERT_EQ(p.trash().size(), 2u);
  for (const auto& e : p.trash()) p.restore(e.id);
  EXPECT_EQ(read_file(voice / "index.safetensors"), "clips");
  EXPECT_EQ(p.subject("s1").name, "s1");
}

TEST_F(ProjectTest, LandmarksAndEmbeddingsOfAPersonLieSealed) {
  Project p = fresh();
  p.add_subject({.name = "mary", .kind = SubjectKind::kPerson});
  p.add_subject({.name = "ben"});
  const std::array<uint8_t, 32> secret{1, 2, 3};
  const SealKey key{std::string(32, 'a'), std::make_shared<SecretKey>(secret)};
  int64_t clip = p.put_media({.path = "a", .hash = "h", .frames = 6, .info = {}, .analysis = ""});
  std::vector<face::Face> faces;
  std::vector<TrackRow> tracks;
  for (int t = 0; t < 3; ++t) {
    TrackRow row;
    row.track = t;
    row.embedding.fill(0.25f + static_cast<float>(t));
    tracks.push_back(row);
    for (int n = 0; n < 2; ++n) {
      faces.push_back(some_face(2 * n, t, static_cast<uint64_t>(10 * t + n)));
      faces.back().has_embedding = true;
      faces.back().embedding.fill(100.5f + static_cast<float>(t));
      faces.back().points.fill({200.25f + static_cast<float>(t), 200.25f + static_cast<float>(t),
                                200.25f + static_cast<float>(t)});
    }
  }
  p.put_faces(clip, faces, tracks);
  const auto on_disk = [&](float value) {
    std::string wanted;
    for (int i = 0; i < 8; ++i) wanted.append(reinterpret_cast<const char*>(&value), sizeof value);
    for (const auto& f : fs::directory_iterator(p.folder()))
      if (f.is_regular_file() && read_file(f.path()).find(wanted) != std::string::npos) return true;
    return false;
  };
  EXPECT_TRUE(on_disk(100.5f));
  EXPECT_TRUE(on_disk(200.25f));
  {
    const auto seal = Seal::open({key}, "mary");
    seal->cover_file(p.faceset_path("mary"));
    p.name_track(clip, 0, "mary");
    p.name_track(clip, 1, "ben");
    EXPECT_EQ(p.tracks(clip)[0].embedding[5], 0.25f);
    EXPECT_TRUE(p.faces(clip)[0].has_embedding);
    EXPECT_EQ(p.faces(clip)[0].embedding[7], 100.5f);
    EXPECT_EQ(p.faces(clip)[0].points[7].y, 200.25f);
    // A correction of her face is sealed as well.
    face::Face corrected = p.faces(clip)[0];
    corrected.embedding.fill(77.5f);
    corrected.points.fill({88.25f, 88.25f, 88.25f});
    p.correct_face(clip, corrected);
  }
  for (const float v : {100.5f, 0.25f, 77.5f, 200.25f, 88.25f}) EXPECT_FALSE(on_disk(v)) << v;
  for (const float v : {101.5f, 201.25f}) EXPECT_TRUE(on_disk(v)) << "nobody else's is touched";
  // Without the key: as if there were none.
  EXPECT_EQ(p.tracks(clip)[0].embedding, face::Embedding{});
  EXPECT_EQ(p.tracks(clip)[1].embedding[0], 1.25f);
  for (const auto& f : p.faces(clip)) {
    EXPECT_EQ(f.has_embedding, f.track != 0);
    EXPECT_EQ(f.has_points, f.track != 0);
    EXPECT_EQ(f.points[9].x, f.track == 0 ? 0 : 200.25f + static_cast<float>(f.track));
  }
  try {  // and nobody writes one beside it in clear
    p.correct_face(clip, p.faces(clip)[0]);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kRefused);
  }
  // Named while nobody holds the key: nothing of her stays in clear.
  p.name_track(clip, 2, "mary");
  EXPECT_FALSE(on_disk(102.5f));
  EXPECT_FALSE(on_disk(202.25f));
  const auto again = Seal::open({key}, "mary");
  EXPECT_EQ(p.tracks(clip)[0].embedding[5], 0.25f);
  EXPECT_EQ(p.faces(clip)[0].embedding[7], 77.5f);
  EXPECT_EQ(p.faces(clip)[0].points[7].z, 88.25f);
  EXPECT_TRUE(p.revert_face(clip, 0, 0));
  EXPECT_EQ(p.faces(clip)[0].embedding[7], 100.5f);
  EXPECT_EQ(p.faces(clip)[0].points[7].x, 200.25f);
}

TEST_F(ProjectTest, DamagedDatabasesAreNamedAndLeftAlone) {
  {
    Project p = fresh();
    int64_t clip = p.put_media({.path = "a", .hash = "h", .frames = 3, .info = {}, .analysis = ""});
    std::vector<face::Face> faces;
    for (int i = 0; i < 40; ++i) faces.push_back(some_face(i, 0, 5));
    p.put_faces(clip, faces, {});
  }
  const fs::path db = folder_ / "film/project.db";
  const std::string good = read_file(db);
  Rng rng(11);
  int opened = 0, refused = 0;
  for (int round = 0; round < 60; ++round) {
    std::string bad = good;
    if (round == 0)
      bad = "this is not a database";
    else if (round == 1)
      bad.resize(bad.size() / 2);
    else if (round == 2)
      std::fill(bad.begin(), bad.begin() + 100, 'x');
    else
      for (int i = 0; i < 200; ++i) bad[rng.below(bad.size())] = static_cast<char>(rng.next());
    std::ofstream(db, std::ios::binary | std::ios::trunc) << bad;
    try {
      Project p = Project::open(folder_ / "film");
      p.verify();
      p.faces(1);
      p.tracks(1);
      p.jobs();
      ++opened;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kDamaged) << round << " " << e.what();
      EXPECT_FALSE(e.hint().empty());
      ++refused;
      if (round < 3) {
        EXPECT_EQ(read_file(db), bad) << "opening must not change a damaged file";
      }
    }
    fs::remove(folder_ / "film/project.db-wal");
    fs::remove(folder_ / "film/project.db-shm");
  }
  EXPECT_GE(refused, 3);
  fs::remove(db);
  EXPECT_EQ(code_of([&] { Project::open(folder_ / "film"); }), ErrorCode::kDamaged);
}

TEST_F(ProjectTest, NewerFormatsAreRefused) {
  { fresh(); }
  const fs::path db = folder_ / "film/project.db";
  std::string bytes = read_file(db);
  bytes[63] = 99;  // user_version, big-endian at byte 60
  std::ofstream(db, std::ios::binary | std::ios::trunc) << bytes;
  EXPECT_EQ(code_of([&] { Project::open(folder_ / "film"); }), ErrorCode::kUnsupported);
}

TEST_F(ProjectTest, ProcessesAndThreadsWriteAtTheSameTime) {
  { fresh(); }
  std::vector<pid_t> children;
  for (int c = 0; c < 3; ++c) {
    pid_t child = ::fork();
    if (child == 0) {
      try {
        Project p = Project::open(folder_ / "film");
        for (int i = 0; i < 15; ++i) p.end_job(p.begin_job("t", {}), "done", c);
        ::_exit(0);
      } catch (...) {
        ::_exit(1);
      }
    }
    children.push_back(child);
  }
  {
    Project p = Project::open(folder_ / "film");
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&p] {
        for (int i = 0; i < 15; ++i) p.end_job(p.begin_job("t", {}), "done", {});
      });
    for (auto& t : threads) t.join();
  }
  for (pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  auto jobs = Project::open(folder_ / "film").jobs();
  EXPECT_EQ(jobs.size(), 90u);
  for (const auto& j : jobs) EXPECT_EQ(j.state, "done");
}

TEST_F(ProjectTest, KilledWhileWritingLosesNothingThatWasCommitted) {
  { fresh(); }
  Rng rng(3);
  for (int round = 0; round < 6; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    pid_t child = ::fork();
    if (child == 0) {
      Project p = Project::open(folder_ / "film");
      for (int i = 0;; ++i) {
        int64_t id = p.put_media({.path = "p",
                                  .hash = std::to_string(round) + "/" + std::to_string(i),
                                  .frames = 1,
                                  .info = {},
                                  .analysis = ""});
        std::vector<face::Face> faces;
        for (int k = 0; k < 20; ++k) faces.push_back(some_face(k, 0, 1));
        p.put_faces(id, faces, {});
        if (::write(pipe_ends[1], &id, sizeof id) != sizeof id) ::_exit(1);
      }
    }
    ::close(pipe_ends[1]);
    int64_t last = 0, id = 0;
    const int stop_after = 1 + static_cast<int>(rng.below(8));
    for (int i = 0; i < stop_after && ::read(pipe_ends[0], &id, sizeof id) == sizeof id; ++i)
      last = id;
    ::kill(child, SIGKILL);
    while (::read(pipe_ends[0], &id, sizeof id) == sizeof id) last = id;
    ::waitpid(child, nullptr, 0);
    ::close(pipe_ends[0]);
    Project p = Project::open(folder_ / "film");
    p.verify();
    EXPECT_EQ(p.count_faces(last), 20);
    for (const auto& m : p.media()) {
      int64_t n = p.count_faces(m.id);
      EXPECT_TRUE(n == 0 || n == 20) << n;
    }
  }
}

}  // namespace
}  // namespace likeness::project
