// SPDX-License-Identifier: Apache-2.0
// The face networks on real footage (../shared/data) and on rendered people with exact truth
// (../shared/performers).
#include "likeness/face/analyse.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/face/geometry.h"
#include "likeness/face/nets_detector.h"
#include "likeness/face/nets_dlib.h"
#include "likeness/face/nets_image.h"
#include "likeness/media/video.h"
#include "likeness/tensor/model_card.h"

namespace likeness::face {
namespace {

namespace fs = std::filesystem;
const fs::path kData = fs::path(LIKENESS_SHARED_DIR) / "data";
const fs::path kPerformers = fs::path(LIKENESS_SHARED_DIR) / "performers";

const FaceNets& nets() {
  static const FaceNets shared;
  return shared;
}
bool models_installed() {
  return fs::exists(models_folder() / "face_landmark_with_attention.tflite");
}

#define NEEDS_MODELS()     \
  if (!models_installed()) \
  GTEST_SKIP() << "face models are not installed: run scripts/install-models"
#define NEEDS(folder) \
  NEEDS_MODELS();     \
  if (!fs::exists(folder)) GTEST_SKIP() << (folder) << " is not there"

/// The frames with these numbers (ascending); reads on from each to the next.
std::vector<std::pair<FrameIndex, Image8>> frames_of(const fs::path& path,
                                                     const std::vector<FrameIndex>& wanted) {
  media::VideoReader reader(path);
  std::vector<std::pair<FrameIndex, Image8>> out;
  size_t k = 0;
  while (k < wanted.size()) {
    const auto frame = reader.next();
    if (!frame) break;
    if (frame->index == wanted[k]) {
      out.emplace_back(frame->index, frame->rgb8());
      ++k;
    }
  }
  return out;
}

/// Detections that the mesh confirms.
std::vector<Face> faces_in(const Image8& image) {
  std::vector<Face> out;
  for (const Detection& d : nets().detect(image)) {
    const Face face = nets().mesh(image, FaceNets::crop_of(d));
    if (face.presence >= 0.5f) out.push_back(face);
  }
  return out;
}

std::vector<fs::path> files_in(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> out;
  for (const auto& e : fs::directory_iterator(folder))
    if (e.path().extension() == extension) out.push_back(e.path());
  std::sort(out.begin(), out.end());
  return out;
}

// --- parts without models ---

TEST(Sampling, IdentityCropGivesThePixels) {
  Image8 image(7, 5, 3);
  for (size_t i = 0; i < image.data.size(); ++i) image.data[i] = static_cast<uint8_t>(i * 37);
  std::vector<float> out(7 * 5 * 3);
  sample_crop(image, {}, 7, 5, {}, out);
  for (size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i] * 255, image.data[i], 1e-3);
}

TEST(Sampling, ShrinkingKeepsTheMeanAndOutsideIsBlack) {
  Image8 stripes(64, 64, 3);
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x)
      for (int c = 0; c < 3; ++c) stripes.at(x, y, c) = x % 2 ? 200 : 0;
  std::vector<float> out(16 * 16 * 3);
  sample_crop(stripes, {{4, 0, 0, 0, 4, 0}}, 16, 16, {}, out);
  for (int y = 1; y < 15; ++y)
    for (int x = 1; x < 15; ++x) EXPECT_NEAR(out[(y * 16 + x) * 3] * 255, 100, 1);  // no aliasing
  const Image8 small = reduce(stripes, 4);
  ASSERT_EQ(small.width, 16);
  for (uint8_t v : small.data) EXPECT_EQ(v, 100);
  sample_crop(stripes, {{1, 0, 1000, 0, 1, -1000}}, 16, 16, {}, out);
  EXPECT_EQ(*std::max_element(out.begin(), out.end()), 0);
}

TEST(Sampling, SquareMapsItsCornersToTheCrop) {
  const Affine2 m = image_from_square({50, 40}, 20, 0.3f, 192);
  const Point2 centre = m({96, 96}), right = m({192, 96});
  EXPECT_NEAR(centre.x, 50, 1e-4);
  EXPECT_NEAR(centre.y, 40, 1e-4);
  EXPECT_NEAR(right.x, 50 + 10 * std::cos(0.3f), 1e-4);
  EXPECT_NEAR(right.y, 40 + 10 * std::sin(0.3f), 1e-4);
}

TEST(Detections, OverlappingOnesBecomeTheirWeightedMean) {
  Detection a, b, c;
  a.box = {0, 0, 10, 10}, a.score = 0.9f;
  b.box = {2, 0, 12, 10}, b.score = 0.6f;
  c.box = {30, 30, 40, 40}, c.score = 0.7f;
  a.keypoints[0] = {3, 3}, b.keypoints[0] = {5, 3};
  const auto merged = merge_detections({b, c, a});
  ASSERT_EQ(merged.size(), 2u);
  EXPECT_FLOAT_EQ(merged[0].score, 0.9f);
  EXPECT_NEAR(merged[0].box.x0, 2 * 0.6 / 1.5, 1e-5);
  EXPECT_NEAR(merged[0].keypoints[0].x, 3 + 2 * 0.6 / 1.5, 1e-5);
  EXPECT_FLOAT_EQ(merged[1].box.x0, 30);
  EXPECT_TRUE(merge_detections({}).empty());
}

// The chip must not depend on where, how large and how tilted the face is.
TEST(DlibChip, FollowsASimilarityOfThePoints) {
  std::array<Point2, 68> points{};
  for (int i = 0; i < 68; ++i)
    points[i] = {100.f + 13 * static_cast<float>(i % 8), 80.f + 9 * static_cast<float>(i / 8)};
  const Affine2 base = image_from_dlib_chip(points);
  const float c = 1.7f * std::cos(0.4f), s = 1.7f * std::sin(0.4f);
  const Affine2 move{{c, -s, 30, s, c, -12}};
  std::array<Point2, 68> moved{};
  for (int i = 0; i < 68; ++i) moved[i] = move(points[i]);
  const Affine2 got = image_from_dlib_chip(moved), want = compose(move, base);
  for (Point2 p : {Point2{0, 0}, {150, 0}, {75, 75}}) EXPECT_LT(distance(got(p), want(p)), 2e-3);
}

TEST(FaceNets, SaysWhatIsMissingOrDamaged) {
  try {
    FaceNets none("/nonexistent");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kMissing);
    EXPECT_NE(e.hint().find("scripts/install-models"), std::string::npos);
  }
  NEEDS_MODELS();
  char name[] = "/tmp/likeness-face-XXXXXX";
  const fs::path folder = mkdtemp(name);
  fs::copy(models_folder(), folder, fs::copy_options::recursive);
  std::string bytes = read_file(folder / "face_landmark.tflite");
  bytes[bytes.size() / 2] ^= 1;
  write_file_atomic(folder / "face_landmark.tflite", bytes);
  try {
    FaceNets damaged(folder);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kDamaged);
  }
  fs::remove_all(folder);
}

TEST(FaceNets, OddPicturesAreNoFaceOrAnError) {
  NEEDS_MODELS();
  for (auto [w, h] : {std::pair{1, 1}, {1, 500}, {500, 1}, {3, 2}, {1300, 40}}) {
    const Image8 grey(w, h, 3, 128);
    EXPECT_TRUE(nets().detect(grey).empty()) << w << "x" << h;
    EXPECT_EQ(nets().person_matte(grey).width, w);
    EXPECT_LT(nets().mesh(grey, {{0, 0}, 100, 0}).presence, 0.5f);
  }
  const Image8 grey(50, 50, 3, 128);
  EXPECT_EQ(nets().mesh(grey, {{NAN, 0}, 100, 0}).presence, 0);
  EXPECT_EQ(nets().mesh(grey, {{0, 0}, 0, 0}).presence, 0);
  EXPECT_EQ(nets().mesh(grey, {{0, 0}, INFINITY, 0}).presence, 0);
  EXPECT_THROW(nets().detect(Image8{}), Error);
  EXPECT_THROW(nets().detect(Image8(8, 8, 1)), Error);
}

// --- rendered people with exact truth ---

struct Truth {
  std::array<Point2, 68> points;
  double eye_yaw_deg = 0, yaw_deg = 0;
  std::string visible;
};
std::vector<std::vector<Truth>> read_truth(const std::string& clip) {
  std::ifstream in(kPerformers / (clip + ".json"));
  const auto json = nlohmann::json::parse(in);
  std::vector<std::vector<Truth>> out;
  for (const auto& frame : json["per_frame"]) {
    out.emplace_back();
    for (const auto& f : frame["faces"]) {
      Truth t;
      for (int i = 0; i < 68; ++i)
        t.points[i] = {f["landmarks"][i][0].get<float>(), f["landmarks"][i][1].get<float>()};
      t.eye_yaw_deg = f.value("eye_yaw", 0.0);
      t.yaw_deg = f["head"]["yaw"];
      t.visible = f["visible"];
      out.back().push_back(t);
    }
  }
  return out;
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double n = static_cast<double>(a.size());
  const double ma = std::accumulate(a.begin(), a.end(), 0.0) / n,
               mb = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i)
    ab += (a[i] - ma) * (b[i] - mb), aa += (a[i] - ma) * (a[i] - ma),
        bb += (b[i] - mb) * (b[i] - mb);
  return ab / std::sqrt(aa * bb);
}

float openness(const Points& p, int top, int bottom, int outer, int inner) {
  return std::hypot(p[top].x - p[bottom].x, p[top].y - p[bottom].y) /
         std::hypot(p[outer].x - p[inner].x, p[outer].y - p[inner].y);
}
float iris_offset(const Points& p, int iris, int outer, int inner) {  // along the eye, -0.5 .. 0.5
  const float ux = p[inner].x - p[outer].x, uy = p[inner].y - p[outer].y;
  return ((p[iris].x - p[outer].x) * ux + (p[iris].y - p[outer].y) * uy) / (ux * ux + uy * uy) -
         0.5f;
}

TEST(FaceNets, MeshAgreesWithTheTruthOfThePerformers) {
  NEEDS(kPerformers / "ava-train.mp4");
  double eyes_pct = 0, mouth_pct = 0;
  int frames = 0;
  std::vector<double> gaze_truth, gaze, lids_truth, lids, lips_truth, lips;
  for (const std::string clip : {"ava-train", "ben-train", "cleo-train"}) {
    const auto truth = read_truth(clip);
    std::vector<FrameIndex> wanted;
    for (FrameIndex i = 0; i < 500; i += 12) wanted.push_back(i);
    for (const auto& [index, image] : frames_of(kPerformers / (clip + ".mp4"), wanted)) {
      const Truth& t = truth[index].at(0);
      const auto found = faces_in(image);
      ASSERT_EQ(found.size(), 1u) << clip << " frame " << index;
      const Points& p = found[0].points;
      const auto got = landmarks68(p);
      const float eye_distance = eye_distance_px(p);
      const auto error_pct = [&](int begin, int end) {
        double sum = 0;
        for (int i = begin; i < end; ++i) sum += distance(got[i], t.points[i]) / eye_distance * 100;
        return sum / (end - begin);
      };
      eyes_pct += error_pct(36, 48), mouth_pct += error_pct(48, 68);
      ++frames;
      lids_truth.push_back(distance(t.points[37], t.points[41]) /
                           distance(t.points[36], t.points[39]));
      lids.push_back(openness(p, 160, 144, 33, 133));
      lips_truth.push_back(distance(t.points[62], t.points[66]) /
                           distance(t.points[36], t.points[45]));
      lips.push_back(openness(p, 13, 14, 33, 263));
      if (lids_truth.back() < 0.18) continue;  // behind closed lids there is no gaze to see
      gaze_truth.push_back(t.eye_yaw_deg);
      gaze.push_back(iris_offset(p, 468, 33, 133) + iris_offset(p, 473, 362, 263));
    }
  }
  eyes_pct /= frames, mouth_pct /= frames;
  RecordProperty("eyes_error_pct", std::to_string(eyes_pct));
  RecordProperty("mouth_error_pct", std::to_string(mouth_pct));
  std::printf(
      "eyes %.2f %%, mouth %.2f %% of the eye distance; correlation gaze %.2f lids %.2f lips "
      "%.2f\n",
      eyes_pct, mouth_pct, correlation(gaze, gaze_truth), correlation(lids, lids_truth),
      correlation(lips, lips_truth));
  EXPECT_LT(eyes_pct, 5);
  EXPECT_LT(mouth_pct, 6);
  EXPECT_GT(correlation(gaze, gaze_truth), 0.8);
  EXPECT_GT(correlation(lids, lids_truth), 0.8);
  EXPECT_GT(correlation(lips, lips_truth), 0.9);
}

TEST(FaceNets, MeshDoesNotDependOnPlaceTurnOrSizeOfTheCrop) {
  NEEDS(kPerformers / "ava-train.mp4");
  const Image8 image = frames_of(kPerformers / "ava-train.mp4", {40})[0].second;
  const Face base = faces_in(image).at(0);
  const auto crop = FaceNets::crop_of(base.points);
  for (const auto& other :
       {FaceNets::Crop{crop.centre + Point2{4, -3}, crop.side_px, crop.angle_rad},
        FaceNets::Crop{crop.centre, crop.side_px * 1.1f, crop.angle_rad},
        FaceNets::Crop{crop.centre, crop.side_px, crop.angle_rad + 0.12f}}) {
    const Face face = nets().mesh(image, other);
    double moved = 0;
    for (int i = 0; i < kPoints; ++i)
      moved +=
          std::hypot(face.points[i].x - base.points[i].x, face.points[i].y - base.points[i].y) /
          kPoints;
    EXPECT_LT(moved / eye_distance_px(base.points), 0.03);
    EXPECT_GT(face.presence, 0.9f);
  }
}

TEST(FaceNets, IrisesLieInsideOpenEyesWithAndWithoutTheAttentionNet) {
  NEEDS(kPerformers / "ben-train.mp4");
  const Image8 image = frames_of(kPerformers / "ben-train.mp4", {10})[0].second;
  const auto crop = FaceNets::crop_of(faces_in(image).at(0).points);
  for (bool attention : {true, false}) {
    const Points p = nets().mesh(image, crop, attention).points;
    for (auto [iris, outer, inner] : {std::array{468, 33, 133}, {473, 362, 263}}) {
      EXPECT_LT(std::fabs(iris_offset(p, iris, outer, inner)), 0.3f) << attention;
      const float eye = std::hypot(p[outer].x - p[inner].x, p[outer].y - p[inner].y);
      const float width = std::hypot(p[iris + 1].x - p[iris + 3].x, p[iris + 1].y - p[iris + 3].y);
      EXPECT_GT(width / eye, 0.25f) << attention;
      EXPECT_LT(width / eye, 0.6f) << attention;
      // Edge points: image right, top, left, bottom of an upright face, the same for both nets.
      EXPECT_GT(std::fabs(p[iris + 1].x - p[iris].x), std::fabs(p[iris + 1].y - p[iris].y));
      EXPECT_LT(p[iris + 2].y, p[iris].y);
      EXPECT_GT(p[iris + 4].y, p[iris].y);
      EXPECT_LT((p[iris + 1].x - p[iris].x) * (p[iris + 3].x - p[iris].x), 0);
    }
  }
}

TEST(FaceNets, MatteHoldsThePersonAndNotTheBackground) {
  NEEDS(kPerformers / "ava-train.mp4");
  const Image8 image = frames_of(kPerformers / "ava-train.mp4", {20})[0].second;
  const ImageF matte = nets().person_matte(image);
  const Face face = faces_in(image).at(0);
  EXPECT_GT(matte.at(static_cast<int>(face.points[1].x), static_cast<int>(face.points[1].y)),
            0.95f);
  EXPECT_LT(matte.at(5, 5), 0.05f);
  EXPECT_LT(matte.at(image.width - 6, 5), 0.05f);
  for (float v : matte.data) ASSERT_TRUE(v >= 0 && v <= 1);
}

TEST(FaceNets, ResultsAreTheSameFromSeveralThreads) {
  NEEDS(kPerformers / "ava-train.mp4");
  const Image8 image = frames_of(kPerformers / "ava-train.mp4", {5})[0].second;
  const Face base = faces_in(image).at(0);
  const auto crop = FaceNets::crop_of(base.points);
  const Face want = nets().mesh(image, crop);
  const Embedding embedding = nets().embed(image, base.points);
  std::vector<int> same(24);
  parallel_for(0, 24, [&](int i) {
    const Face f = nets().mesh(image, crop);
    same[i] = f.points[100].x == want.points[100].x && f.points[470].y == want.points[470].y &&
              embedding_distance(nets().embed(image, base.points), embedding) == 0;
  });
  EXPECT_EQ(std::accumulate(same.begin(), same.end(), 0), 24);
  const auto batch =
      nets().embed(std::vector<std::pair<const Image8*, const Points*>>(3, {&image, &base.points}));
  for (const auto& e : batch) EXPECT_EQ(embedding_distance(e, embedding), 0);
}

// --- real footage ---

TEST(RealFootage, AFaceInEverySampledFrameOfTheTalkingHeads) {
  NEEDS(kData / "grid-s1");
  int frames = 0, with_face = 0, with_two = 0;
  const auto look = [&](const fs::path& clip, const std::vector<FrameIndex>& wanted) {
    for (const auto& [index, image] : frames_of(clip, wanted)) {
      const size_t n = faces_in(image).size();
      ++frames;
      with_face += n >= 1;
      with_two += n > 1;
      EXPECT_GE(n, 1u) << clip << " frame " << index;
    }
  };
  int k = 0;
  for (const auto& clip : files_in(kData / "grid-s1", ".mpg"))
    look(clip, {static_cast<FrameIndex>(7 * k++ % 60)});
  for (const auto& clip : files_in(kData / "grid-speakers", ".mpg")) look(clip, {0, 20, 40, 60});
  std::vector<FrameIndex> every;
  for (FrameIndex i = 0; i < 4800; i += 96) every.push_back(i);
  look(kData / "talking-face/franck.mp4", every);
  EXPECT_GE(frames, 100);
  EXPECT_EQ(with_face, frames);
  EXPECT_EQ(with_two, 0);
}

TEST(RealFootage, TheFarDetectorFindsWhatTheNearOneMisses) {
  const fs::path clip = kData / "intel-sample-videos/face-demographics-walking-and-pause.gif";
  NEEDS(clip);
  int frames = 0, near = 0, far = 0;
  for (const auto& [index, image] : frames_of(clip, {2, 10, 20, 30, 36})) {
    ++frames;
    near += !nets().detect(image, false).empty();
    far += !faces_in(image).empty();
  }
  EXPECT_GE(frames, 4);
  EXPECT_EQ(far, frames);
  EXPECT_LT(near, frames);
}

TEST(RealFootage, ThePrintedSkullIsRejectedAndTheManFound) {
  const fs::path clip = kData / "intel-sample-videos/again.mkv";
  NEEDS(clip);
  int skulls = 0;
  for (const auto& [index, image] : frames_of(clip, {0, 10, 20, 30, 40, 50, 60, 70})) {
    const auto faces = faces_in(image);
    ASSERT_EQ(faces.size(), 1u) << index;
    EXPECT_LT(faces[0].box.centre().y, image.height * 0.4f) << index;  // the head, not the chest
    for (const Detection& d : nets().detect(image))
      skulls += d.box.centre().y > image.height * 0.45f;
  }
  EXPECT_GT(skulls, 0) << "the test clip no longer provokes a false detection";
}

TEST(RealFootage, BottlesHaveNoFace) {
  const fs::path clip = kData / "intel-sample-videos/bottle-detection.mp4";
  NEEDS(clip);
  for (const auto& [index, image] : frames_of(clip, {0, 30, 60, 90, 120, 150}))
    EXPECT_TRUE(faces_in(image).empty()) << index;
}

TEST(RealFootage, TiltedHeadsAreFollowed) {
  const fs::path clip = kData / "intel-sample-videos/head-pose-face-detection-female-and-male.gif";
  NEEDS(clip);
  float steepest = 0;
  for (const auto& [index, image] : frames_of(clip, {4, 16, 24, 40, 50})) {
    const auto faces = faces_in(image);
    EXPECT_EQ(faces.size(), 2u) << index;
    for (const Face& f : faces)
      steepest = std::max(steepest, std::fabs(FaceNets::crop_of(f.points).angle_rad));
  }
  EXPECT_GT(steepest, 0.4f);
}

TEST(RealFootage, EmbeddingsTellPeopleApart) {
  const fs::path folder = kData / "azure-face";
  NEEDS(folder);
  std::vector<std::pair<std::string, Embedding>> people;  // name without the number of the photo
  for (const auto& path : files_in(folder, ".jpg")) {
    const Image8 image = media::read_image(path);
    const auto faces = faces_in(image);
    std::string name = path.stem().string();
    if (faces.size() != 1 || name.rfind("Family", 0) != 0) continue;
    while (!name.empty() && std::isdigit(static_cast<unsigned char>(name.back()))) name.pop_back();
    people.emplace_back(name, nets().embed(image, faces[0].points));
  }
  ASSERT_GE(people.size(), 8u);
  float same_max = 0, different_min = 10;
  int same = 0;
  for (size_t i = 0; i < people.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      const float d = embedding_distance(people[i].second, people[j].second);
      if (people[i].first == people[j].first)
        ++same, same_max = std::max(same_max, d);
      else
        different_min = std::min(different_min, d);
    }
  std::printf("same person: at most %.3f (%d pairs), different: at least %.3f\n", same_max, same,
              different_min);
  EXPECT_GE(same, 4);
  EXPECT_LT(same_max, 0.5f);
  EXPECT_GT(different_min, 0.5f);
}

TEST(RealFootage, OnePersonKeepsOneEmbedding) {
  NEEDS(kData / "grid-speakers");
  std::vector<Embedding> one;
  for (const auto& [index, image] :
       frames_of(kData / "talking-face/franck.mp4", {0, 200, 400, 600, 800}))
    one.push_back(nets().embed(image, faces_in(image).at(0).points));
  for (const auto& clip : files_in(kData / "grid-speakers", ".mpg")) {
    const Image8 image = frames_of(clip, {12})[0].second;
    const Embedding other = nets().embed(image, faces_in(image).at(0).points);
    for (const auto& e : one) EXPECT_GT(embedding_distance(e, other), 0.5f) << clip;
  }
  for (const auto& a : one)
    for (const auto& b : one) EXPECT_LT(embedding_distance(a, b), 0.45f);
}

}  // namespace
}  // namespace likeness::face
