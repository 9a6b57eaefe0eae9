// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/geometry.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/rng.h"

namespace likeness::face {
namespace {

std::string model_bytes() {
  const auto path = models_folder() / "face_geometry.binarypb";
  return std::filesystem::exists(path) ? read_file(path) : "";
}
std::span<const uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class Geometry : public ::testing::Test {
 protected:
  void SetUp() override {
    if (model_bytes().empty())
      GTEST_SKIP() << "face models are not installed (run scripts/install-models)";
  }
};

std::array<float, 9> rotation(float yaw, float pitch, float roll) {
  const float cy = std::cos(yaw), sy = std::sin(yaw), cp = std::cos(pitch), sp = std::sin(pitch);
  const float cr = std::cos(roll), sr = std::sin(roll);
  // Ry(yaw) * Rx(-pitch) * Rz(roll)
  return {cy * cr - sy * sp * sr,  -cy * sr - sy * sp * cr, sy * cp, cp * sr, cp * cr, sp,
          -sy * cr - cy * sp * sr, sy * sr - cy * sp * cr,  cy * cp};
}

HeadPose make_pose(float yaw, float pitch, float roll, float scale = 12, Point2 at = {300, 200}) {
  HeadPose pose;
  pose.rotation = rotation(yaw, pitch, roll);
  pose.scale_px_per_cm = scale;
  pose.translation_px = at;
  pose.translation_z_px = 5;
  return pose;
}

std::array<Point3, kPoints> neutral() {
  std::array<Point3, kPoints> out;
  const auto& position = canonical_face().position_cm;
  std::copy(position.begin(), position.end(), out.begin());
  for (int i = 0; i < 5; ++i) {
    out[468 + i] = {-3.2f, 2.6f, 3.4f};
    out[473 + i] = {3.2f, 2.6f, 3.4f};
  }
  return out;
}

float largest_difference(const Points& a, const Points& b) {
  float worst = 0;
  for (int i = 0; i < kPoints; ++i)
    for (float d : {a[i].x - b[i].x, a[i].y - b[i].y, a[i].z - b[i].z})
      worst = std::max(worst, std::fabs(d));
  return worst;
}

TEST_F(Geometry, CanonicalFaceIsTheKnownOne) {
  const CanonicalFace& face = canonical_face();
  EXPECT_EQ(face.triangles.size(), 898u);
  EXPECT_EQ(face.procrustes.size(), 33u);
  std::set<int> used;
  for (const auto& t : face.triangles) used.insert(t.begin(), t.end());
  EXPECT_EQ(used.size(), static_cast<size_t>(kMeshPoints));
  EXPECT_GT(face.position_cm[4].z, face.position_cm[234].z);   // the nose is nearer than the ear
  EXPECT_GT(face.position_cm[10].y, face.position_cm[152].y);  // forehead above chin
  EXPECT_GT(face.uv[152].y, face.uv[10].y);                    // v down
}

TEST_F(Geometry, ParserRefusesDamageAndNeverReadsOutside) {
  const std::string good = model_bytes();
  EXPECT_NO_THROW(parse_canonical_face(as_bytes(good)));
  for (size_t cut = 0; cut < good.size(); cut += 1 + cut / 50)
    EXPECT_THROW(parse_canonical_face(as_bytes(good.substr(0, cut))), Error);
  Rng rng(3);
  for (int round = 0; round < 500; ++round) {
    std::string bytes = good;
    for (int k = 0; k < 3; ++k) bytes[rng.below(bytes.size())] = static_cast<char>(rng.next());
    try {
      const CanonicalFace face = parse_canonical_face(as_bytes(bytes));
      for (const auto& t : face.triangles)
        for (int i : t) ASSERT_TRUE(i >= 0 && i < kMeshPoints);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kDamaged);
    }
  }
  EXPECT_THROW(parse_canonical_face({}), Error);
  EXPECT_THROW(parse_canonical_face(as_bytes(std::string(400, '\xff'))), Error);
}

TEST_F(Geometry, FaceOvalIsTheRingAroundTheFace) {
  const auto& ring = face_oval();
  ASSERT_EQ(ring.size(), 36u);
  EXPECT_EQ(std::set<int>(ring.begin(), ring.end()).size(), 36u);
  const auto& position = canonical_face().position_cm;
  // Once around the origin: the angles add up to one full turn, each step in the same direction.
  double turn = 0;
  for (size_t i = 0; i < ring.size(); ++i) {
    const auto &a = position[ring[i]], &b = position[ring[(i + 1) % ring.size()]];
    double step = std::atan2(b.y, b.x) - std::atan2(a.y, a.x);
    step -= 2 * M_PI * std::round(step / (2 * M_PI));
    EXPECT_GT(step, 0);
    turn += step;
  }
  EXPECT_NEAR(turn, 2 * M_PI, 1e-4);
  for (int must : {10, 152, 234, 454, 172, 397}) EXPECT_TRUE(std::ranges::count(ring, must));
}

TEST_F(Geometry, PartOutlinesAreSimpleRingsOfMeshNeighbours) {
  std::set<std::pair<int, int>> edges;
  for (const auto& t : canonical_face().triangles)
    for (int i = 0; i < 3; ++i) {
      edges.insert({t[i], t[(i + 1) % 3]});
      edges.insert({t[(i + 1) % 3], t[i]});
    }
  for (Part part : {Part::kLeftEye, Part::kRightEye, Part::kLips, Part::kInnerMouth,
                    Part::kLeftBrow, Part::kRightBrow, Part::kNose}) {
    const auto& ring = part_outline(part);
    EXPECT_EQ(std::set<int>(ring.begin(), ring.end()).size(), ring.size());
    for (size_t i = 0; i < ring.size(); ++i)
      EXPECT_TRUE(edges.count({ring[i], ring[(i + 1) % ring.size()]}))
          << static_cast<int>(part) << ": " << ring[i] << "-" << ring[(i + 1) % ring.size()];
  }
  const auto& position = canonical_face().position_cm;
  EXPECT_GT(position[part_outline(Part::kLeftEye)[0]].x, 0);  // the subject's left: image right
}

TEST_F(Geometry, PoseComesBackFromItsOwnProjection) {
  Rng rng(1);
  for (int round = 0; round < 50; ++round) {
    const float yaw = rng.uniform(-1.4f, 1.4f), pitch = rng.uniform(-0.9f, 0.9f),
                roll = rng.uniform(-3.f, 3.f), scale = rng.uniform(2.f, 60.f);
    const HeadPose want = make_pose(yaw, pitch, roll, scale, {rng.uniform(0.f, 900.f), 40});
    const HeadPose got = solve_pose(image_from_canonical(neutral(), want));
    EXPECT_NEAR(got.yaw_rad, yaw, 2e-3);
    EXPECT_NEAR(got.pitch_rad, pitch, 2e-3);
    EXPECT_NEAR(got.roll_rad, roll, 2e-3);
    EXPECT_NEAR(got.scale_px_per_cm / scale, 1, 1e-3);
    EXPECT_NEAR(got.translation_px.x, want.translation_px.x, 0.05);
  }
}

TEST_F(Geometry, SignsAreThoseOfThePerformers) {
  const auto nose = [](const HeadPose& pose) { return image_from_canonical(neutral(), pose); };
  const Points front = nose(make_pose(0, 0, 0));
  EXPECT_GT(nose(make_pose(0.3f, 0, 0))[4].x, front[4].x);    // yaw > 0: to the image's right
  EXPECT_LT(nose(make_pose(0, 0.3f, 0))[4].y, front[4].y);    // pitch > 0: up
  EXPECT_LT(nose(make_pose(0, 0, 0.3f))[10].x, front[10].x);  // roll > 0: top to the left
  EXPECT_LT(front[4].z, front[234].z);                        // z: the nose is nearest
}

TEST_F(Geometry, CanonicalAndImageAreInverse) {
  Rng rng(2);
  for (int round = 0; round < 20; ++round) {
    Points points = image_from_canonical(
        neutral(),
        make_pose(rng.uniform(-1.f, 1.f), rng.uniform(-1.f, 1.f), rng.uniform(-3.f, 3.f)));
    for (auto& p : points) p.x += rng.normal(), p.y += rng.normal(), p.z += rng.normal();
    const HeadPose pose = solve_pose(points);
    EXPECT_LT(
        largest_difference(image_from_canonical(canonical_from_image(points, pose), pose), points),
        0.01f);
  }
}

TEST_F(Geometry, DegeneratePointsDoNotCrash) {
  Points points{};
  EXPECT_TRUE(std::isfinite(solve_pose(points).yaw_rad));
  EXPECT_THROW(crop_from_image(points, CropType::kFull, 128), Error);
  points.fill({std::nanf(""), 0, 0});
  EXPECT_TRUE(std::isfinite(solve_pose(points).yaw_rad));
  EXPECT_THROW(crop_from_image(points, CropType::kFull, 128), Error);
}

TEST_F(Geometry, SixtyEightPointsAreWhereTheyBelong) {
  const auto p = landmarks68(image_from_canonical(neutral(), make_pose(0, 0, 0)));
  EXPECT_LT(p[0].x, p[16].x);  // the jaw starts at the image's left
  EXPECT_GT(p[8].y, p[57].y);  // chin under lips
  EXPECT_LT(p[36].x, p[45].x);
  EXPECT_LT(p[19].y, p[37].y);  // brow over eye
  EXPECT_LT(p[27].y, p[33].y);
}

TEST_F(Geometry, CropsGoWithTheFace) {
  Rng rng(4);
  const Points front = image_from_canonical(neutral(), make_pose(0, 0, 0));
  for (CropType type : {CropType::kHalf, CropType::kFull, CropType::kWhole, CropType::kHead}) {
    const Affine2 reference = crop_from_image(front, type, 256);
    for (int round = 0; round < 10; ++round) {
      // A similarity of the image moves the crop with it: landmarks stay where they were in it.
      const float angle = rng.uniform(-3.f, 3.f), scale = rng.uniform(0.3f, 4.f);
      const float c = scale * std::cos(angle), s = scale * std::sin(angle);
      Affine2 moved_from_image;
      moved_from_image.m = {c, -s, rng.uniform(-500.f, 500.f), s, c, rng.uniform(-500.f, 500.f)};
      Points moved = front;
      for (auto& p : moved) {
        const Point2 q = moved_from_image({p.x, p.y});
        p = {q.x, q.y, p.z * scale};
      }
      const Affine2 crop = crop_from_image(moved, type, 256);
      for (int i : {4, 33, 263, 61, 152})
        EXPECT_LT(distance(crop({moved[i].x, moved[i].y}), reference({front[i].x, front[i].y})),
                  0.3f);
    }
  }
}

TEST_F(Geometry, CropTypesHoldWhatTheyPromise) {
  const Points front = image_from_canonical(neutral(), make_pose(0, 0, 0));
  const auto inside = [&](CropType type, int i, float margin) {
    const Point2 p = crop_from_image(front, type, 100)({front[i].x, front[i].y});
    return p.x > margin && p.x < 100 - margin && p.y > margin && p.y < 100 - margin;
  };
  for (int i : {70, 300, 61, 291, 33}) EXPECT_TRUE(inside(CropType::kHalf, i, -3.f)) << i;
  for (int i : {152, 234, 454}) {
    EXPECT_FALSE(inside(CropType::kHalf, i, 0)) << i;
    EXPECT_TRUE(inside(CropType::kFull, i, 0)) << i;
    EXPECT_TRUE(inside(CropType::kWhole, i, 4)) << i;
    EXPECT_TRUE(inside(CropType::kHead, i, 4)) << i;
  }
  EXPECT_TRUE(inside(CropType::kWhole, 10, 10));
  for (CropType type : {CropType::kHalf, CropType::kFull, CropType::kWhole, CropType::kHead})
    EXPECT_EQ(crop_type(crop_type_name(type)), type);
  EXPECT_THROW(crop_type("nose"), Error);
}

TEST_F(Geometry, HeadCropMovesBehindATurnedFace) {
  const auto nose_x = [](float yaw) {
    const Points p = image_from_canonical(neutral(), make_pose(yaw, 0, 0));
    return crop_from_image(p, CropType::kHead, 100)({p[4].x, p[4].y}).x;
  };
  EXPECT_GT(nose_x(0.9f), nose_x(0) + 5);
  EXPECT_LT(nose_x(-0.9f), nose_x(0) - 5);
}

// ---- smoothing ------------------------------------------------------------------------------

/// A head that nods and turns while it talks and blinks; noise on top.
struct Motion {
  std::vector<Points> clean, noisy;
};
Motion synthetic_motion(int frames, float noise_px, float period) {
  Motion out;
  for (int t = 0; t < frames; ++t) {
    const float w = 2 * static_cast<float>(M_PI) * static_cast<float>(t) / period;
    auto shape = neutral();
    const float open = std::max(0.f, std::sin(w * 3.1f));
    for (int i : {14, 17, 87, 317, 84, 314, 152}) shape[i].y -= open;
    const bool blink = t % 60 >= 30 && t % 60 < 34;
    if (blink)
      for (int i : {158, 159, 160, 385, 386, 387}) shape[i].y -= 0.5f;
    const HeadPose pose =
        make_pose(0.3f * std::sin(w), 0.1f * std::cos(w * 1.3f), 0.1f * std::sin(w * 0.7f), 10,
                  {300 + 30 * std::sin(w), 200 + 10 * std::cos(w)});
    out.clean.push_back(image_from_canonical(shape, pose));
    Points noisy = out.clean.back();
    Rng rng(9, t, "noise");
    for (auto& p : noisy)
      p.x += noise_px * rng.normal(), p.y += noise_px * rng.normal(),
          p.z += noise_px * rng.normal();
    out.noisy.push_back(noisy);
  }
  return out;
}

double rms(const std::vector<Points>& a, const std::vector<Points>& b, int margin = 0) {
  double sum = 0;
  int n = 0;
  for (size_t t = margin; t + margin < a.size(); ++t)
    for (int i = 0; i < kMeshPoints; ++i, ++n)
      sum += std::pow(a[t][i].x - b[t][i].x, 2) + std::pow(a[t][i].y - b[t][i].y, 2);
  return std::sqrt(sum / n);
}

/// Delay of b against a in frames: the shift of best agreement, from the parabola through it.
double lag_frames(const std::vector<Points>& a, const std::vector<Points>& b, int point) {
  const int n = static_cast<int>(a.size());
  const auto mismatch = [&](int shift) {
    double sum = 0;
    for (int t = 10; t + 10 < n; ++t) sum += std::pow(a[t][point].x - b[t + shift][point].x, 2);
    return sum;
  };
  int best = 0;
  for (int s = -5; s <= 5; ++s)
    if (mismatch(s) < mismatch(best)) best = s;
  const double l = mismatch(best - 1), m = mismatch(best), r = mismatch(best + 1);
  return best + 0.5 * (l - r) / (l - 2 * m + r);
}

TEST_F(Geometry, JitterIsZeroForEvenMotionAndGrowsWithNoise) {
  std::vector<Points> even;
  for (int t = 0; t < 20; ++t)
    even.push_back(image_from_canonical(
        neutral(), make_pose(0, 0, 0, 10, {100.f + 3 * static_cast<float>(t), 50})));
  EXPECT_LT(jitter_pct(even), 0.01f);
  EXPECT_EQ(jitter_pct({}), 0);
  const Motion little = synthetic_motion(50, 0.2f, 80), much = synthetic_motion(50, 0.6f, 80);
  EXPECT_LT(jitter_pct(little.clean), jitter_pct(little.noisy));
  EXPECT_LT(jitter_pct(little.noisy), jitter_pct(much.noisy));
}

TEST_F(Geometry, SmoothingRemovesNoiseWithoutLag) {
  for (float period : {30.f, 80.f, 200.f}) {
    const Motion motion = synthetic_motion(240, 0.5f, period);
    const auto smooth = smooth_track(motion.noisy);
    const float own = jitter_pct(motion.clean);  // speech and blinks
    EXPECT_LT(jitter_pct(smooth) - own, 0.6f * (jitter_pct(motion.noisy) - own)) << period;
    EXPECT_LT(rms(smooth, motion.clean), 0.85 * rms(motion.noisy, motion.clean)) << period;
    for (int i : {4, 10, 152, 33, 454})
      EXPECT_LT(std::fabs(lag_frames(motion.clean, smooth, i)), 0.3) << period << " point " << i;
  }
}

TEST_F(Geometry, SmoothingIsTheSameBackwards) {
  const Motion motion = synthetic_motion(120, 0.5f, 50);
  auto reversed = motion.noisy;
  std::ranges::reverse(reversed);
  const auto forward = smooth_track(motion.noisy);
  auto backward = smooth_track(reversed);
  std::ranges::reverse(backward);
  float worst = 0;
  for (size_t t = 0; t < forward.size(); ++t)
    worst = std::max(worst, largest_difference(forward[t], backward[t]));
  EXPECT_LT(worst, 0.02f);
}

TEST_F(Geometry, BlinksAndSpeechSurviveSmoothing) {
  const Motion motion = synthetic_motion(240, 0.3f, 100);
  const auto smooth = smooth_track(motion.noisy);
  const auto opening = [](const Points& p) {  // of both eyes, px
    return (p[145].y - p[159].y + p[374].y - p[386].y) / 2;
  };
  const auto mouth = [](const Points& p) { return p[14].y - p[13].y; };
  double mouth_error = 0;
  for (int t = 10; t < 230; ++t) {
    if (t % 60 == 31 || t % 60 == 32) {  // inside a blink
      const float depth = opening(motion.clean[t - 5]) - opening(motion.clean[t]);
      EXPECT_NEAR(opening(smooth[t]), opening(motion.clean[t]), 0.2f * depth) << t;
    }
    mouth_error += std::fabs(mouth(smooth[t]) - mouth(motion.clean[t])) / 220;
  }
  EXPECT_LT(mouth_error, 0.6);  // the mouth opens by 10 px
}

TEST_F(Geometry, LongTracksAreSmoothAcrossBlocks) {
  const Motion motion = synthetic_motion(2300, 0.5f, 80);
  const auto smooth = smooth_track(motion.noisy);
  ASSERT_EQ(smooth.size(), 2300u);
  const auto jitter = [&](size_t from, size_t to) {
    return jitter_pct({smooth.begin() + static_cast<std::ptrdiff_t>(from),
                       smooth.begin() + static_cast<std::ptrdiff_t>(to)});
  };
  // No seam: around the border of a block it is as steady as 240 frames (3 turns of the head, 4
  // blinks) earlier.
  EXPECT_LT(jitter(1024 - 30, 1024 + 30), 1.25f * jitter(784 - 30, 784 + 30));
  EXPECT_LT(rms(smooth, motion.clean), 0.85 * rms(motion.noisy, motion.clean));
}

TEST_F(Geometry, CleanMotionAndShortTracksPassAlmostUnchanged) {
  const Motion motion = synthetic_motion(100, 0, 60);
  EXPECT_LT(rms(smooth_track(motion.clean), motion.clean), 0.15);
  const std::vector<Points> shorts(motion.noisy.begin(), motion.noisy.begin() + 3);
  EXPECT_EQ(largest_difference(smooth_track(shorts)[1], shorts[1]), 0);
  EXPECT_EQ(largest_difference(smooth_track(motion.clean, 0)[50], motion.clean[50]), 0);
  EXPECT_TRUE(smooth_track({}).empty());
}

TEST_F(Geometry, AJumpOfTheHeadStaysSharp) {
  Motion motion = synthetic_motion(80, 0.3f, 1e6f);
  for (int t = 40; t < 80; ++t)
    for (auto* points : {&motion.clean[t], &motion.noisy[t]})
      for (auto& p : *points) p.x += 30;
  const auto smooth = smooth_track(motion.noisy);
  for (int t = 36; t < 44; ++t) EXPECT_NEAR(smooth[t][4].x, motion.clean[t][4].x, 2.5f) << t;
}

}  // namespace
}  // namespace likeness::face
