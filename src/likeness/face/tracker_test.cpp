// SPDX-License-Identifier: Apache-2.0
// The tracker against faces that are only numbers: everything it must decide, without a net.
#include "likeness/face/tracker.h"

#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "likeness/base/rng.h"
#include "likeness/face/geometry.h"

namespace likeness::face {
namespace {

struct Actor {
  std::function<std::optional<Box>(FrameIndex)> at;  ///< where the face is; nothing = not there
  bool detectable = true;
  float presence = 1;
};

Points points_in(const Box& box) {
  const auto& position = canonical_face().position_cm;
  Points out;
  for (int i = 0; i < kPoints; ++i) {
    const Point3 p = i < kMeshPoints ? position[i] : position[i < 473 ? 33 : 263];
    out[i] = {box.x0 + (p.x + 7.75f) / 15.5f * box.width(),
              box.y0 + (8.3f - p.y) / 17.75f * box.height(), -p.z / 15.5f * box.width()};
  }
  return out;
}

/// Plays the nets: the mesh takes hold of the actor nearest to the crop, as the real one does.
struct Stage {
  std::vector<Actor> actors;
  mutable std::vector<FrameIndex> detected;

  FaceFinder finder() const {
    FaceFinder f;
    f.detect = [this](const PreparedFrame& p) { return detect(p, {}); };
    f.detect_without = [this](const PreparedFrame& p, const std::vector<Box>& hidden) {
      return detect(p, hidden);
    };
    f.mesh = [this](const PreparedFrame& p, const FaceNets::Crop& crop) { return mesh(p, crop); };
    return f;
  }
  std::vector<Detection> detect(const PreparedFrame& p, const std::vector<Box>& hidden) const {
    detected.push_back(p.index);
    std::vector<Detection> out;
    for (const Actor& actor : actors) {
      const auto box = actor.at(p.index);
      if (!box || !actor.detectable) continue;
      bool covered = false;
      for (const Box& h : hidden) covered = covered || intersection_over_union(h, *box) > 0.5f;
      if (covered) continue;
      const Points q = points_in(*box);
      Detection d;
      d.box = *box;
      d.score = 0.9f;
      const auto mid = [&](int a, int b) {
        return Point2{(q[a].x + q[b].x) / 2, (q[a].y + q[b].y) / 2};
      };
      d.keypoints = {mid(33, 133), mid(362, 263), mid(1, 1),
                     mid(13, 14),  mid(234, 234), mid(454, 454)};
      // Like the printed skull: what is false hides what is true.
      if (actor.presence < 0.5f && hidden.empty()) return {d};
      out.push_back(d);
    }
    return out;
  }
  Face mesh(const PreparedFrame& p, const FaceNets::Crop& crop) const {
    Face face;
    float nearest = 0.4f * crop.side_px;
    for (const Actor& actor : actors) {
      const auto box = actor.at(p.index);
      if (!box || distance(box->centre(), crop.centre) > nearest) continue;
      nearest = distance(box->centre(), crop.centre);
      face.points = points_in(*box);
      face.box = box_of(face.points);
      face.presence = actor.presence;
    }
    return face;
  }
  std::vector<TrackedFrame> play(int frames, const AnalysisOptions& options = {},
                                 std::set<FrameIndex> cuts = {}) const {
    Tracker tracker(finder(), options, options.detect_every);
    std::vector<TrackedFrame> out;
    const auto keep = [&](std::vector<TrackedFrame> done) {
      for (auto& f : done) out.push_back(std::move(f));
    };
    for (int i = 0; i < frames; ++i) {
      auto prepared = std::make_shared<PreparedFrame>();
      prepared->index = i;
      prepared->width = 1000, prepared->height = 600;
      prepared->scene_begins = cuts.count(i) > 0;
      keep(tracker.add(std::move(prepared)));
    }
    keep(tracker.flush());
    return out;
  }
};

Box around(float x, float y, float side = 100) {
  return {x - side / 2, y - side / 2, x + side / 2, y + side / 2};
}

class TrackerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(models_folder() / "face_geometry.binarypb"))
      GTEST_SKIP() << "face models are not installed (run scripts/install-models)";
  }
};

TEST_F(TrackerTest, EveryFrameComesOutOnceAndInOrder) {
  Stage stage{{{[](FrameIndex) { return around(300, 300); }}}, {}};
  const auto frames = stage.play(50);
  ASSERT_EQ(frames.size(), 50u);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(frames[i].prepared->index, i);
    ASSERT_EQ(frames[i].faces.size(), 1u);
    EXPECT_EQ(frames[i].faces[0].track, 0);
    EXPECT_EQ(frames[i].faces[0].frame, i);
  }
  EXPECT_LE(stage.detected.size(), 6u);  // one per dozen frames
}

TEST_F(TrackerTest, AFaceThatAppearsBetweenDetectionsIsFollowedBack) {
  Stage stage{
      {{[](FrameIndex) { return around(200, 300); }}, {[](FrameIndex t) -> std::optional<Box> {
         if (t < 15) return std::nullopt;
         return around(600 + 4 * static_cast<float>(t), 300);
       }}},
      {}};
  const auto frames = stage.play(40);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(frames[i].faces.size(), i < 15 ? 1u : 2u) << i;
}

TEST_F(TrackerTest, ALostFaceComesBackUnderItsName) {
  Stage stage{{{[](FrameIndex t) -> std::optional<Box> {
                if (t >= 20 && t < 33) return std::nullopt;
                return around(300 + static_cast<float>(t), 300);
              }}},
              {}};
  const auto frames = stage.play(60);
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(frames[i].faces.size(), i >= 20 && i < 33 ? 0u : 1u) << i;
    if (!frames[i].faces.empty()) {
      EXPECT_EQ(frames[i].faces[0].track, 0);
    }
  }
}

TEST_F(TrackerTest, ACutEndsEveryTrack) {
  Stage stage{{{[](FrameIndex) { return around(300, 300); }}}, {}};
  const auto frames = stage.play(40, {}, {17});
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(frames[i].faces.size(), 1u);
    EXPECT_EQ(frames[i].faces[0].track, i < 17 ? 0 : 1);
  }
}

TEST_F(TrackerTest, GoingBackStopsAtACut) {
  Stage stage{{{[](FrameIndex) { return around(300, 300); }, true, 1}}, {}};
  stage.actors[0].detectable = true;
  // The second scene's face stands in the first scene too, where nobody may find it by going back.
  stage.actors.push_back(
      {[](FrameIndex) -> std::optional<Box> { return around(700, 300); }, false});
  Actor late = {[](FrameIndex t) -> std::optional<Box> {
    if (t < 24) return std::nullopt;
    return around(700, 300);
  }};
  stage.actors.push_back(late);
  const auto frames = stage.play(40, {}, {20});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(frames[i].faces.size(), 1u) << i;
  for (int i = 20; i < 40; ++i) EXPECT_EQ(frames[i].faces.size(), 2u) << i;
}

TEST_F(TrackerTest, TwoFacesThatPassNeverMergeOrSwap) {
  // The second goes behind the first: nobody sees it while they overlap.
  const auto first = [](FrameIndex t) { return around(200 + 8 * static_cast<float>(t), 300, 140); };
  const auto second = [first](FrameIndex t) -> std::optional<Box> {
    const Box box = around(700 - 4 * static_cast<float>(t), 310, 110);
    if (std::fabs(box.centre().x - first(t).centre().x) < 70) return std::nullopt;
    return box;
  };
  Stage stage{{{first}, {second}}, {}};
  const auto frames = stage.play(80);
  std::map<int, std::set<int>> who;
  for (const auto& frame : frames) {
    const FrameIndex t = frame.prepared->index;
    EXPECT_EQ(frame.faces.size(), second(t) ? 2u : 1u) << t;
    for (const Face& face : frame.faces) {
      const bool is_first = distance(face.box.centre(), first(t).centre()) < 20;
      who[face.track].insert(is_first ? 1 : 2);
      for (const Face& other : frame.faces)
        if (&other != &face) {
          EXPECT_FALSE(same_place(face, other)) << t;
        }
    }
  }
  for (const auto& [track, people] : who) EXPECT_EQ(people.size(), 1u) << "track " << track;
}

TEST_F(TrackerTest, AFalseFaceDoesNotHideATrueOne) {
  Stage stage{{{[](FrameIndex) { return around(500, 450, 200); }, true, 0.02f},
               {[](FrameIndex) { return around(500, 150, 90); }}},
              {}};
  const auto frames = stage.play(20);
  for (const auto& frame : frames) {
    ASSERT_EQ(frame.faces.size(), 1u);
    EXPECT_NEAR(frame.faces[0].box.centre().y, 150, 10);
  }
}

TEST_F(TrackerTest, SmallFacesAndTooManyAreLeftOut) {
  Stage stage;
  for (int i = 0; i < 6; ++i)
    stage.actors.push_back({[i](FrameIndex) {
      return around(80 + 150 * static_cast<float>(i), 200, 60 + 10 * static_cast<float>(i));
    }});
  stage.actors.push_back({[](FrameIndex) { return around(300, 500, 22); }});
  AnalysisOptions options;
  options.min_face_px = 40;
  for (const auto& frame : stage.play(20, options)) EXPECT_EQ(frame.faces.size(), 6u);
  options.max_faces = 3;
  for (const auto& frame : stage.play(20, options)) {
    ASSERT_EQ(frame.faces.size(), 3u);
    for (const Face& face : frame.faces) EXPECT_GT(face.box.width(), 85);  // the largest stay
  }
}

TEST_F(TrackerTest, FastMotionIsFollowedByPrediction) {
  Stage stage{{{[](FrameIndex t) { return around(100 + 30 * static_cast<float>(t), 300, 100); }}},
              {}};
  const auto frames = stage.play(28);
  for (const auto& frame : frames) {
    ASSERT_EQ(frame.faces.size(), 1u) << frame.prepared->index;
    EXPECT_EQ(frame.faces[0].track, 0);
  }
}

// ---- scenes -----------------------------------------------------------------------------------

Image8 room(int shift, int seed, float light = 1) {
  Image8 out(200, 112, 3);
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      const float a = std::sin(0.09f * static_cast<float>(x + shift) + static_cast<float>(seed)),
                  b = std::cos(0.07f * static_cast<float>(y) * static_cast<float>(1 + seed));
      for (int c = 0; c < 3; ++c)
        out.at(x, y, c) = static_cast<uint8_t>(
            std::clamp(light * (110 + 50 * a * (c == seed % 3 ? 1.f : 0.4f) + 40 * b), 0.f, 255.f));
    }
  return out;
}

std::vector<int> cuts_of(const std::vector<Image8>& frames) {
  SceneCuts cuts(0.35f);
  std::vector<int> out;
  for (size_t i = 0; i < frames.size(); ++i)
    if (cuts.add(scene_signature(frames[i]))) out.push_back(static_cast<int>(i) - 1);
  if (cuts.last()) out.push_back(static_cast<int>(frames.size()) - 1);
  return out;
}

TEST(SceneCuts, PansAndFadesAreNoCuts) {
  std::vector<Image8> pan, fade;
  for (int t = 0; t < 40; ++t) {
    pan.push_back(room(4 * t, 1));
    fade.push_back(room(0, 1, 1 - 0.02f * static_cast<float>(t)));
  }
  EXPECT_TRUE(cuts_of(pan).empty());
  EXPECT_TRUE(cuts_of(fade).empty());
}

TEST(SceneCuts, CutsAreFoundWhereTheyAre) {
  std::vector<Image8> frames;
  for (int t = 0; t < 45; ++t) frames.push_back(room(t, t < 14 ? 1 : t < 30 ? 2 : 4));
  EXPECT_EQ(cuts_of(frames), (std::vector<int>{14, 30}));
  frames.resize(31);  // a cut to the very last frame
  EXPECT_EQ(cuts_of(frames), (std::vector<int>{14, 30}));
  EXPECT_TRUE(cuts_of({}).empty());
}

TEST(SceneCuts, AJumpInOneRoomIsACutAndRepeatedFramesAreNot) {
  std::vector<Image8> jump, repeated;
  for (int t = 0; t < 30; ++t) {
    jump.push_back(room(t < 15 ? t / 4 : 40 + t / 4, 1));
    repeated.push_back(room(t / 2 * 12, 1));  // every frame shown twice, moving fast
  }
  EXPECT_EQ(cuts_of(jump), (std::vector<int>{15}));
  const auto found = cuts_of(repeated);
  EXPECT_TRUE(found.empty()) << found.size();
}

// ---- clusters ---------------------------------------------------------------------------------

TEST(ClusterTracks, SamePeopleTogetherAndNobodyTwiceInAFrame) {
  std::vector<Track> tracks;
  Rng rng(3);
  for (int i = 0; i < 24; ++i) {
    Track track;
    track.id = i;
    track.first = i * 10, track.last = i * 10 + 9;
    track.embeddings = 1 + i % 4;
    for (int k = 0; k < kEmbeddingSize; ++k)
      track.embedding[k] = (k % 3 == i % 3 ? 0.12f : 0.f) + 0.01f * rng.normal();
    tracks.push_back(track);
  }
  tracks.push_back({.id = 24, .first = 500, .last = 510});  // never embedded
  cluster_tracks(tracks);
  for (int i = 0; i < 24; ++i)
    for (int j = 0; j < 24; ++j) EXPECT_EQ(tracks[i].cluster == tracks[j].cluster, i % 3 == j % 3);
  EXPECT_EQ(tracks[24].cluster, -1);
  // Twins: alike, but both in one frame.
  std::vector<Track> twins = {tracks[0], tracks[3]};
  twins[1].first = twins[0].first, twins[1].last = twins[0].last;
  cluster_tracks(twins);
  EXPECT_NE(twins[0].cluster, twins[1].cluster);
}

}  // namespace
}  // namespace likeness::face
