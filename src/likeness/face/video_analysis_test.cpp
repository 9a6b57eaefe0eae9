// SPDX-License-Identifier: Apache-2.0
// Analysis of whole clips against exact truth (performers) and described footage (data).
#include "likeness/face/video_analysis.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/face/geometry.h"
#include "likeness/face/quality.h"

namespace likeness::face {
namespace {

namespace fs = std::filesystem;
constexpr float kDegrees = 57.29577951f;
const fs::path kPerformers = fs::path(LIKENESS_SHARED_DIR) / "performers";
const fs::path kData = fs::path(LIKENESS_SHARED_DIR) / "data";

const FaceNets& nets() {
  static const FaceNets nets;
  return nets;
}

class Analysis : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(models_folder() / "face_geometry.binarypb"))
      GTEST_SKIP() << "face models are not installed (run scripts/install-models)";
  }
  static ClipAnalysis analyse(const fs::path& path, const ClipRange& range = {},
                              const AnalysisOptions& options = {},
                              const FrameVisitor& visitor = {}) {
    Progress progress;
    return analyse_clip(path, nets(), options, progress, Cancel{}, visitor, range);
  }
};

#define NEEDS(path) \
  if (!fs::exists(path)) GTEST_SKIP() << (path).string() << " is not on this machine"

nlohmann::json truth_of(const std::string& name) {
  return nlohmann::json::parse(read_file(kPerformers / (name + ".json")));
}

std::map<FrameIndex, std::vector<Face>> by_frame(const ClipAnalysis& clip) {
  std::map<FrameIndex, std::vector<Face>> out;
  for (const Face& face : clip.faces) out[face.frame].push_back(face);
  return out;
}

struct Errors {
  double pose_deg[3] = {0, 0, 0};
  std::map<std::string, double> landmark_pct, velocity_pct;
  int frames = 0;
};

/// Mean errors against the JSON truth, landmarks in % of the true eye distance.
Errors compare(const ClipAnalysis& clip, const nlohmann::json& truth,
               const std::map<FrameIndex, Points>* raw = nullptr) {
  const std::map<std::string, std::pair<int, int>> regions = {{"jaw", {0, 17}},
                                                              {"brows", {17, 27}},
                                                              {"nose", {27, 36}},
                                                              {"eyes", {36, 48}},
                                                              {"mouth", {48, 68}}};
  Errors out;
  std::array<Point2, 68> last{};
  for (const Face& face : clip.faces) {
    const auto& t = truth["per_frame"][face.frame]["faces"][0];
    const float pose[3] = {face.pose.yaw_rad, face.pose.pitch_rad, face.pose.roll_rad};
    const char* names[3] = {"yaw", "pitch", "roll"};
    for (int k = 0; k < 3; ++k)
      out.pose_deg[k] += std::fabs(pose[k] * kDegrees - t["head"][names[k]].get<float>());
    const auto mine = landmarks68(raw ? raw->at(face.frame) : face.points);
    std::array<Point2, 68> theirs, off;
    for (int i = 0; i < 68; ++i) theirs[i] = {t["landmarks"][i][0], t["landmarks"][i][1]};
    const float eyes = distance((theirs[36] + theirs[39]) * 0.5f, (theirs[42] + theirs[45]) * 0.5f);
    for (int i = 0; i < 68; ++i) off[i] = (mine[i] - theirs[i]) * (100 / eyes);
    for (const auto& [name, range] : regions)
      for (int i = range.first; i < range.second; ++i) {
        const double n = range.second - range.first;
        out.landmark_pct[name] += std::hypot(off[i].x, off[i].y) / n;
        if (out.frames) out.velocity_pct[name] += distance(off[i], last[i]) / n;
      }
    last = off;
    ++out.frames;
  }
  for (double& p : out.pose_deg) p /= out.frames;
  for (auto& [name, sum] : out.landmark_pct) sum /= out.frames;
  for (auto& [name, sum] : out.velocity_pct) sum /= out.frames - 1;
  return out;
}

TEST_F(Analysis, PerformersMatchTheirTruth) {
  for (const std::string name : {"ava-train", "cleo-train"}) {
    NEEDS(kPerformers / (name + ".mp4"));
    std::map<FrameIndex, Points> raw;
    const auto clip = analyse(kPerformers / (name + ".mp4"), {0, 150}, {},
                              [&](const media::Frame& frame, const std::vector<Face>& faces) {
                                for (const Face& face : faces) raw[frame.index] = face.points;
                              });
    ASSERT_EQ(clip.faces.size(), 150u) << name;
    EXPECT_EQ(clip.tracks.size(), 1u);
    EXPECT_TRUE(clip.cuts.empty());
    const auto truth = truth_of(name);
    const Errors smooth = compare(clip, truth), rough = compare(clip, truth, &raw);
    std::printf("%s: yaw %.2f pitch %.2f roll %.2f deg;", name.c_str(), smooth.pose_deg[0],
                smooth.pose_deg[1], smooth.pose_deg[2]);
    for (const auto& [region, error] : smooth.landmark_pct)
      std::printf(" %s %.1f %%", region.c_str(), error);
    std::printf("; jitter %.2f -> %.2f %%\n", clip.jitter_before_pct, clip.jitter_after_pct);
    EXPECT_LT(smooth.pose_deg[0], 2.5);
    EXPECT_LT(smooth.pose_deg[1], 4.5);
    EXPECT_LT(smooth.pose_deg[2], 2.0);
    EXPECT_LT(smooth.landmark_pct.at("eyes"), 3.5);
    EXPECT_LT(smooth.landmark_pct.at("mouth"), 6.5);
    EXPECT_LT(smooth.landmark_pct.at("nose"), 8);
    // Brow and jaw points are defined differently by the two schemes; they only must not run away.
    EXPECT_LT(smooth.landmark_pct.at("brows"), 12);
    EXPECT_LT(smooth.landmark_pct.at("jaw"), 17);
    // Smoothing brings the motion closer to the true one everywhere, the mouth of a speaker
    // included.
    EXPECT_LT(clip.jitter_after_pct, 0.8f * clip.jitter_before_pct);
    for (const auto& [region, error] : smooth.velocity_pct)
      EXPECT_LT(error, rough.velocity_pct.at(region) * (region == "mouth" ? 1.02 : 0.95)) << region;
    // Following the pixels moves points by a fraction of the bias the net has towards these points.
    for (const auto& [region, error] : smooth.landmark_pct)
      EXPECT_LT(error, rough.landmark_pct.at(region) + 0.4) << region;
  }
}

TEST_F(Analysis, HardClipIsSeenAsItsTagsSay) {
  NEEDS(kPerformers / "hard.mp4");
  const auto clip = analyse(kPerformers / "hard.mp4");
  const auto truth = truth_of("hard");
  auto frames = by_frame(clip);
  const auto tag = [&](const char* name) {
    return truth["tag_frames"][name].get<std::vector<int>>();
  };
  // The first two frames of no_face still show an edge of a head.
  for (int t : tag("no_face"))
    if (t >= 119) {
      EXPECT_TRUE(frames[t].empty()) << t;
    }
  for (int t : tag("near_profile")) {
    ASSERT_EQ(frames[t].size(), 1u) << t;
    const float yaw = frames[t][0].pose.yaw_rad * kDegrees;
    const float true_yaw = truth["per_frame"][t]["faces"][0]["head"]["yaw"];
    EXPECT_GT(yaw * true_yaw, 0) << t;
    EXPECT_GT(std::fabs(yaw), 40) << t;
  }
  int both = 0, listed = 0;
  for (int t : tag("two_faces")) {
    ++listed;
    both += frames[t].size() == 2;
  }
  EXPECT_GE(both, listed - 2);
  // ben is one track through turning, hand and rod; cleo another, and they are two people.
  ASSERT_EQ(clip.tracks.size(), 2u);
  EXPECT_EQ(clip.tracks[0].first, 0);
  EXPECT_GE(clip.tracks[0].last, 114);
  EXPECT_NE(clip.tracks[0].cluster, clip.tracks[1].cluster);
  EXPECT_TRUE(clip.cuts.empty());
  // The rod covers skin; the same face before and after does not.
  float free_before = 0, rod = 0;
  for (int t = 76; t < 86; ++t) free_before = std::max(free_before, frames[t][0].quality.occlusion);
  for (int t = 92; t < 99; ++t) rod = std::max(rod, frames[t][0].quality.occlusion);
  EXPECT_LT(free_before, 0.05f);
  EXPECT_GT(rod, 0.08f);
}

TEST_F(Analysis, HardCasesTimelineIsReproduced) {
  const fs::path path = kData / "derived" / "hard_cases_dev.mp4";
  NEEDS(path);
  const auto clip = analyse(path);
  auto frames = by_frame(clip);
  struct Part {
    double begin_s, end_s;
    size_t faces;
  };
  // shared/data/README.md; boundaries are one frame off at most.
  const Part parts[] = {{0, 1.9, 1},    {1.9, 4.9, 2},   {4.9, 8.3, 3},   {8.3, 9.8, 1},
                        {9.8, 11.5, 1}, {11.5, 14.4, 1}, {14.4, 16.9, 1}, {16.9, 19, 0}};
  for (const Part& part : parts) {
    int right = 0, all = 0;
    for (int t = static_cast<int>(part.begin_s * 25) + 2; t < static_cast<int>(part.end_s * 25) - 1;
         ++t) {
      ++all;
      right += frames[t].size() == part.faces;
    }
    EXPECT_GE(right, all - 1) << part.begin_s << " s";
  }
  ASSERT_EQ(clip.cuts.size(), 7u);
  for (size_t i = 0; i < 7; ++i)
    EXPECT_NEAR(static_cast<double>(clip.cuts[i]) / 25, parts[i + 1].begin_s, 0.13) << i;
  for (const Track& track : clip.tracks)  // no track crosses a cut
    for (FrameIndex cut : clip.cuts) EXPECT_FALSE(track.first < cut && track.last >= cut);
}

TEST_F(Analysis, FalseAndTinyFacesAreLeftOut) {
  for (const auto& [name, faces] :
       std::map<std::string, size_t>{{"classroom.gif", 0},
                                     {"again.mkv", 1},
                                     {"face-demographics-walking-and-pause.gif", 3}}) {
    const fs::path path = kData / "intel-sample-videos" / name;
    NEEDS(path);
    const auto clip = analyse(path);
    auto frames = by_frame(clip);
    for (int64_t t = 0; t < clip.frames; ++t)
      EXPECT_EQ(frames[t].size(), faces) << name << " " << t;
  }
  const fs::path bottles = kData / "intel-sample-videos" / "bottle-detection.mp4";
  NEEDS(bottles);
  EXPECT_TRUE(analyse(bottles, {0, 300}).faces.empty());
}

TEST_F(Analysis, TalkingHeadsAreThereInEveryFrame) {
  for (const char* name :
       {"grid-speakers/s4_lwbsza.mpg", "grid-speakers/s5_lbax4n.mpg", "grid-s1/bbbs5s.mpg"}) {
    NEEDS(kData / name);
    const auto clip = analyse(kData / name);
    EXPECT_EQ(static_cast<int64_t>(clip.faces.size()), clip.frames) << name;
    EXPECT_EQ(clip.tracks.size(), 1u) << name;
    EXPECT_LT(clip.jitter_after_pct, 0.8f * clip.jitter_before_pct) << name;
  }
}

TEST_F(Analysis, PhotosOfOnePersonFallTogether) {
  NEEDS(kData / "azure-face");
  auto photos = media::list_media(kData / "azure-face");
  const fs::path broken =
      fs::temp_directory_path() / ("broken_" + std::to_string(getpid()) + ".jpg");
  write_file_atomic(broken, "this is not a picture");
  photos.push_back(broken);
  Progress progress;
  const auto clip = analyse_photos(photos, nets(), {}, progress, Cancel{});
  fs::remove(broken);
  EXPECT_EQ(clip.damage.size(), 1u);  // told, and the others analysed
  std::map<std::string, std::set<int>> clusters;
  std::set<int> all;
  for (const Track& track : clip.tracks) {
    const std::string name = photos[static_cast<size_t>(track.first)].stem().string();
    clusters[name.substr(0, name.find_first_of("0123456789", 8))].insert(track.cluster);
    all.insert(track.cluster);
  }
  for (const auto& [name, found] : clusters) EXPECT_EQ(found.size(), 1u) << name;
  EXPECT_EQ(all.size(), clusters.size());
  for (const Face& face : clip.faces) EXPECT_TRUE(face.has_embedding);
}

std::string digest(const ClipAnalysis& clip) {
  Sha256 hash;
  for (const Face& face : clip.faces) {
    hash.update(&face.frame, sizeof face.frame);
    hash.update(&face.track, sizeof face.track);
    hash.update(&face.points, sizeof face.points);
    hash.update(&face.quality, sizeof face.quality);
    hash.update(&face.embedding, sizeof face.embedding);
  }
  return hash.hex();
}

// Not a test by itself: the next one runs this binary again with one thread.
TEST_F(Analysis, PrintsItsDigest) {
  const char* out = std::getenv("LIKENESS_DIGEST_FILE");
  if (!out) GTEST_SKIP() << "run by OneThreadGivesWhatTwoGive";
  std::ofstream(out) << digest(analyse(kPerformers / "hard.mp4", {85, 40}));
}

TEST_F(Analysis, OneThreadGivesWhatTwoGive) {
  NEEDS(kPerformers / "hard.mp4");
  const std::string here = digest(analyse(kPerformers / "hard.mp4", {85, 40}));
  for (const char* threads : {"1", "2", "5"}) {
    const fs::path file = fs::temp_directory_path() / ("digest_" + std::to_string(getpid()));
    const std::string command = "LIKENESS_THREADS=" + std::string(threads) +
                                " LIKENESS_DIGEST_FILE=" + file.string() + " " +
                                fs::read_symlink("/proc/self/exe").string() +
                                " --gtest_filter=Analysis.PrintsItsDigest > /dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0);
    EXPECT_EQ(read_file(file), here) << threads;
    fs::remove(file);
  }
}

TEST_F(Analysis, RangesCoverAClip) {
  NEEDS(kPerformers / "cleo-train.mp4");
  AnalysisOptions options;
  options.smooth = 0;
  const auto whole = analyse(kPerformers / "cleo-train.mp4", {100, 48}, options);
  const auto second = analyse(kPerformers / "cleo-train.mp4", {124, 24}, options);
  ASSERT_EQ(whole.faces.size(), 48u);
  ASSERT_EQ(second.faces.size(), 24u);
  EXPECT_EQ(second.faces[0].frame, 124);
  for (int i = 0; i < 24; ++i) {
    const Face &a = whole.faces[24 + i], &b = second.faces[i];
    ASSERT_EQ(a.frame, b.frame);
    EXPECT_LT(std::hypot(a.points[4].x - b.points[4].x, a.points[4].y - b.points[4].y), 1.5f);
  }
}

TEST_F(Analysis, StopsWhenAskedAndTellsWhatFails) {
  NEEDS(kPerformers / "ava-train.mp4");
  Progress progress;
  Cancel cancel;
  cancel.request();
  try {
    analyse_clip(kPerformers / "ava-train.mp4", nets(), {}, progress, cancel);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  int seen = 0;
  const FrameVisitor full_disk = [&](const media::Frame&, const std::vector<Face>&) {
    if (++seen == 3) throw Error(ErrorCode::kNoSpace, "disk full", "free some space");
  };
  try {
    analyse(kPerformers / "ava-train.mp4", {}, {}, full_disk);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNoSpace);
  }
  EXPECT_EQ(seen, 3);
  const fs::path text = fs::temp_directory_path() / ("text_" + std::to_string(getpid()) + ".mp4");
  write_file_atomic(text, "no video at all");
  EXPECT_THROW(analyse(text), Error);
  fs::remove(text);
}

TEST_F(Analysis, VisitorSeesEveryFrameInOrder) {
  NEEDS(kPerformers / "hard.mp4");
  FrameIndex expected = 80;
  size_t faces = 0;
  const auto clip = analyse(kPerformers / "hard.mp4", {80, 50}, {},
                            [&](const media::Frame& frame, const std::vector<Face>& found) {
                              EXPECT_EQ(frame.index, expected++);
                              EXPECT_EQ(frame.width(), 384);
                              faces += found.size();
                            });
  EXPECT_EQ(expected, 130);
  EXPECT_GE(faces, clip.faces.size());
}

TEST_F(Analysis, QualityFallsWithBlurDarknessAndCovers) {
  NEEDS(kPerformers / "ben-train.mp4");
  media::VideoReader reader(kPerformers / "ben-train.mp4");
  const Image8 image = reader.next()->rgb8();
  const auto found = nets().detect(image);
  ASSERT_FALSE(found.empty());
  const Points points = nets().mesh(image, FaceNets::crop_of(found[0])).points;
  QualityMeter meter;
  const Quality good = meter.measure(image, points, 0);
  EXPECT_GT(good.sharpness, 0.1f);
  EXPECT_GT(good.exposure, 0.9f);
  EXPECT_LT(good.occlusion, 0.1f);

  Image8 blurred = image, dark = image, bright = image, covered = image;
  for (int y = 2; y < image.height - 2; ++y)
    for (int x = 2; x < image.width - 2; ++x)
      for (int c = 0; c < 3; ++c) {
        int sum = 0;
        for (int dy = -2; dy <= 2; ++dy)
          for (int dx = -2; dx <= 2; ++dx) sum += image.at(x + dx, y + dy, c);
        blurred.at(x, y, c) = static_cast<uint8_t>(sum / 25);
      }
  for (auto& v : dark.data) v = static_cast<uint8_t>(v / 20);
  for (auto& v : bright.data) v = static_cast<uint8_t>(std::min(255, v * 4));
  // A blue board over the lower half of the face.
  const int top = static_cast<int>(points[4].y);
  for (int y = top; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      covered.at(x, y, 0) = 40, covered.at(x, y, 1) = 60, covered.at(x, y, 2) = 160;
  EXPECT_LT(meter.measure(blurred, points, 0).sharpness, 0.5f * good.sharpness);
  EXPECT_LT(meter.measure(dark, points, 1).exposure, 0.3f);
  EXPECT_LT(meter.measure(bright, points, 2).exposure, 0.5f);
  const float half = meter.measure(covered, points, 0).occlusion;
  EXPECT_GT(half, 0.3f);
  EXPECT_LT(half, 0.8f);
  // The board did not teach the track a new skin.
  EXPECT_LT(meter.measure(image, points, 0).occlusion, 0.1f);
}

}  // namespace
}  // namespace likeness::face
