// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/clip_ranges.h"

#include <cmath>
#include <fstream>

#include <gtest/gtest.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/rng.h"

namespace likeness::tasks {
namespace {
namespace fs = std::filesystem;

face::Face face_at(FrameIndex frame, int track, float x) {
  face::Face f;
  f.frame = frame;
  f.track = track;
  f.box = {x, 10, x + 100, 110};
  return f;
}
face::Track track(int id, FrameIndex first, FrameIndex last, float value, int embeddings) {
  face::Track t{.id = id, .first = first, .last = last};
  t.embedding.fill(value);
  t.embeddings = embeddings;
  return t;
}

TEST(ClipRanges, CoverEveryFrameOnce) {
  for (int64_t frames : {0, 1, 99, 149, 150, 151, 1000, 1049, 1050}) {
    const auto ranges = split_clip(frames, 100);
    EXPECT_EQ(ranges.front().first, 0);
    EXPECT_EQ(ranges.back().second, INT64_MAX);
    for (size_t i = 1; i < ranges.size(); ++i) EXPECT_EQ(ranges[i].first, ranges[i - 1].second);
    EXPECT_LT(frames - ranges.back().first, 151);
    if (ranges.size() > 1) {
      EXPECT_GE(frames - ranges.back().first, 50);
    }
  }
}

TEST(ClipRanges, TracksThatMeetAtABorderAreOne) {
  ClipRangePart a;
  a.end = 100;
  for (FrameIndex f = 90; f < 100; ++f) {
    a.faces.push_back(face_at(f, 0, 0));
    if (f < 98) a.faces.push_back(face_at(f, 2, 300));  // lost two frames before the border
  }
  a.tracks = {track(0, 0, 99, 1.0f, 30), track(2, 50, 97, 5.0f, 4)};
  ClipRangePart b;
  b.begin = 100;
  b.end = INT64_MAX;
  for (FrameIndex f = 92; f < 110; ++f) {
    auto& to = f < 100 ? b.links : b.faces;
    to.push_back(face_at(f, 1, 3));
    if (f != 98 && f != 99) to.push_back(face_at(f, 0, 297));
  }
  b.faces.push_back(face_at(105, 7, 600));  // somebody new
  b.tracks = {track(0, 100, 109, 5.1f, 1), track(1, 100, 109, 3.0f, 10), track(7, 105, 105, 9, 0)};
  RangeJoiner joiner;
  joiner.add(a);
  joiner.add(b);
  EXPECT_EQ(joiner.track_of(1, 1), joiner.track_of(0, 0));
  EXPECT_EQ(joiner.track_of(1, 0), joiner.track_of(0, 2));
  const auto tracks = joiner.tracks();
  ASSERT_EQ(tracks.size(), 3u);
  const auto& first = tracks[static_cast<size_t>(joiner.track_of(0, 0))];
  EXPECT_EQ(first.first, 0);
  EXPECT_EQ(first.last, 109);
  EXPECT_EQ(first.embeddings, 40);
  EXPECT_NEAR(first.embedding[5], (30 * 1.0 + 10 * 3.0) / 40, 1e-5);
  EXPECT_EQ(tracks[static_cast<size_t>(joiner.track_of(1, 7))].cluster, -1);
}

TEST(ClipRanges, PartsComeBackAndDamageIsSeen) {
  const fs::path path = fs::temp_directory_path() / ("part-" + std::to_string(::getpid()));
  ClipRangePart part;
  part.begin = 7;
  part.end = INT64_MAX;
  part.frames = 12;
  part.faces = {face_at(7, 0, 1.5f), face_at(8, 3, 2.5f)};
  part.faces[1].points[77] = {1, 2, 3};
  part.tracks = {track(3, 7, 8, 0.1f, 2)};
  part.cuts = {7};
  part.damage = {{0.5, 9, "broken"}};
  part.jitter_before_pct = 0.3;
  write_part(part, path);
  ClipRangePart back;
  ASSERT_TRUE(read_part(path, back));
  EXPECT_EQ(back.end, INT64_MAX);
  EXPECT_EQ(back.frames, 12);
  ASSERT_EQ(back.faces.size(), 2u);
  EXPECT_TRUE(back.links.empty());
  EXPECT_EQ(back.faces[1].points[77].z, 3);
  EXPECT_EQ(back.tracks[0].embedding, part.tracks[0].embedding);
  EXPECT_EQ(back.damage[0].what, "broken");
  EXPECT_EQ(back.cuts, part.cuts);
  const std::string whole = read_file(path);
  Rng rng(3);
  for (int i = 0; i < 200; ++i) {
    std::string bytes = whole;
    if (i % 2 == 0)
      bytes.resize(static_cast<size_t>(rng.uniform() * static_cast<double>(whole.size())));
    else
      bytes[static_cast<size_t>(rng.uniform() * static_cast<double>(whole.size()))] ^= 4;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    EXPECT_FALSE(read_part(path, back)) << i;
  }
  fs::remove(path);
  EXPECT_FALSE(read_part(path, back));
}

/// A clip cut into ranges gives what it gives in one piece.
TEST(ClipRanges, ABorderLeavesNoTrace) {
  const fs::path clip = fs::path(LIKENESS_SOURCE_DIR) / "assets/performers/ben-train.mp4";
  if (!fs::exists(face::models_folder() / "face_landmark.tflite"))
    GTEST_SKIP() << "the face models are not installed: run scripts/install-models";
  const face::FaceNets nets;
  const face::AnalysisOptions options;
  Progress progress;
  Cancel cancel;
  const auto part = [&](FrameIndex begin, FrameIndex end) {
    return analyse_range(clip, nets, options, begin, end, progress, cancel);
  };
  // What lies after frame 340 is not looked at by either way.
  const ClipRangePart whole = part(0, 276), a = part(0, 140), b = part(140, 276);
  EXPECT_EQ(a.frames + b.frames, whole.frames);
  ASSERT_EQ(a.faces.size() + b.faces.size(), whole.faces.size());
  RangeJoiner joiner;
  joiner.add(a);
  joiner.add(b);
  ASSERT_EQ(joiner.tracks().size(), whole.tracks.size());
  EXPECT_EQ(joiner.tracks()[0].first, whole.tracks[0].first);
  EXPECT_EQ(joiner.tracks()[0].last, whole.tracks[0].last);
  float most = 0;
  double sum = 0;
  for (size_t i = 0; i < whole.faces.size(); ++i) {
    const bool second = i >= a.faces.size();
    const face::Face& f = second ? b.faces[i - a.faces.size()] : a.faces[i];
    const face::Face& g = whole.faces[i];
    ASSERT_EQ(f.frame, g.frame);
    EXPECT_EQ(joiner.track_of(second ? 1 : 0, f.track), g.track);
    for (int k = 0; k < face::kMeshPoints; ++k) {
      const float d =
          std::hypot(f.points[static_cast<size_t>(k)].x - g.points[static_cast<size_t>(k)].x,
                     f.points[static_cast<size_t>(k)].y - g.points[static_cast<size_t>(k)].y);
      most = std::max(most, d);
      sum += d / face::kMeshPoints / static_cast<double>(whole.faces.size());
    }
  }
  // Landmarks follow their own past, and the strength of smoothing the noise of a whole range.
  EXPECT_LT(sum, 0.1) << "px";
  EXPECT_LT(most, 4.0f) << "px";
}

}  // namespace
}  // namespace likeness::tasks
