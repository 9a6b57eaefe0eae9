// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/relight.h"

#include <cmath>

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/face/frontalise.h"
#include "likeness/face/raster.h"

namespace likeness::face {
namespace {

constexpr int kSize = 200;

class RelightTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(models_folder() / "face_geometry.binarypb"))
      GTEST_SKIP() << "face models are not installed (run scripts/install-models)";
  }
};

Points posed(float yaw, float pitch = 0) {
  std::array<Point3, kPoints> shape{};
  const auto& position = canonical_face().position_cm;
  for (int i = 0; i < kPoints; ++i) shape[i] = position[i < kMeshPoints ? i : i < 473 ? 33 : 263];
  HeadPose pose;
  const float c = std::cos(yaw), s = std::sin(yaw), cp = std::cos(pitch), sp = std::sin(pitch);
  pose.rotation = {c, -s * sp, s * cp, 0, cp, sp, -s, -c * sp, c * cp};
  pose.scale_px_per_cm = 9;
  pose.translation_px = {100, 100};
  return image_from_canonical(shape, pose);
}

uint8_t encoded(float x) {
  x = std::clamp(x, 0.f, 1.f);
  return static_cast<uint8_t>(
      std::lround(255 * (x <= 0.0031308f ? 12.92f * x : 1.055f * std::pow(x, 1 / 2.4f) - 0.055f)));
}

/// Draws the mesh: albedo by canonical place, light by the normal.
template <typename Albedo, typename Light>
Image8 draw(const Points& points, Albedo albedo, Light light) {
  Image8 out(kSize, kSize, 3, 90);
  const auto raster = raster_mesh(points, kSize, kSize);
  const auto normals = vertex_normals(points);
  for (size_t k = 0; k < raster.size(); ++k) {
    if (raster[k].triangle < 0) continue;
    const auto& t = canonical_face().triangles[raster[k].triangle];
    Point3 n{}, p{};
    for (int i = 0; i < 3; ++i) {
      const float w = raster[k].weight[i];
      const auto& q = canonical_face().position_cm[t[i]];
      n = {n.x + w * normals[t[i]].x, n.y + w * normals[t[i]].y, n.z + w * normals[t[i]].z};
      p = {p.x + w * q.x, p.y + w * q.y, p.z + w * q.z};
    }
    for (int c = 0; c < 3; ++c) out.data[3 * k + c] = encoded(albedo(p, c) * light(n));
  }
  return out;
}

double spread(const Image8& image, const Points& points) {
  const auto raster = raster_mesh(points, kSize, kSize);
  double sum = 0, square = 0, n = 0;
  for (int y = 0; y < kSize; ++y)
    for (int x = 0; x < kSize; ++x) {
      // Away from the contour, where the correction fades.
      if (raster[y * kSize + x].triangle < 0 || std::hypot(x - 100, y - 100) > 40) continue;
      const double v = image.at(x, y, 1);
      sum += v, square += v * v, n += 1;
    }
  return std::sqrt(square / n - sum / n * sum / n) / (sum / n);
}

TEST_F(RelightTest, SideLightIsTakenAway) {
  const Points points = posed(0);
  const auto plain = [](const Point3&, int c) { return c == 0 ? 0.5f : c == 1 ? 0.35f : 0.25f; };
  for (float side : {-0.8f, 0.8f}) {
    const Image8 lit = draw(points, plain, [&](const Point3& n) {
      return 0.25f + std::max(0.f, side * n.x + 0.5f * n.z + 0.2f * n.y);
    });
    const double before = spread(lit, points), after = spread(relight(lit, points), points);
    EXPECT_GT(before, 0.12);
    EXPECT_LT(after, 0.45 * before);
    const double half = spread(relight(lit, points, 0.5f), points);
    EXPECT_GT(half, after);
    EXPECT_LT(half, before);
  }
}

TEST_F(RelightTest, EvenLightAndZeroStrengthChangeLittle) {
  const Points points = posed(0.2f);
  // Freckles and cheeks are the person, not the light.
  const auto skin = [](const Point3& p, int c) {
    return 0.3f + 0.05f * std::sin(6 * p.x) * std::cos(5 * p.y) + 0.02f * static_cast<float>(c);
  };
  const Image8 lit = draw(points, skin, [](const Point3&) { return 1.f; });
  EXPECT_EQ(relight(lit, points, 0).data, lit.data);
  const Image8 again = relight(lit, points);
  double difference = 0;
  for (size_t i = 0; i < lit.data.size(); ++i) difference += std::abs(lit.data[i] - again.data[i]);
  EXPECT_LT(difference / static_cast<double>(lit.data.size()), 2.0);
  EXPECT_EQ(again.at(2, 2, 0), lit.at(2, 2, 0));  // nothing away from the face
}

TEST_F(RelightTest, FacesOutsideThePictureAreLeftAlone) {
  Points points = posed(0);
  for (auto& p : points) p.x += 5000;
  const Image8 image(kSize, kSize, 3, 77);
  EXPECT_EQ(relight(image, points).data, image.data);
  EXPECT_NO_THROW(frontalise(image, points, CropType::kFull, 64));
  EXPECT_THROW(relight(Image8(), points), Error);
  EXPECT_THROW(frontalise(Image8(), points, CropType::kFull, 64), Error);
}

// ---- frontalise -------------------------------------------------------------------------------

/// Symmetric skin with detail, so that mirrored parts can be compared.
float pattern(const Point3& p, int c) {
  return 0.3f + 0.12f * std::cos(1.1f * p.x) * std::sin(0.9f * p.y + static_cast<float>(c)) +
         0.006f * p.y;
}

double difference_on(const Frontal& a, const Frontal& b) {
  double sum = 0, n = 0;
  for (int y = 0; y < a.image.height; ++y)
    for (int x = 0; x < a.image.width; ++x) {
      // Inside the oval, where skin is seen from one side at least.
      if (a.mask.at(x, y) < 1 || b.mask.at(x, y) < 1 || b.seen.at(x, y) < 0.5f) continue;
      for (int c = 0; c < 3; ++c) sum += std::abs(a.image.at(x, y, c) - b.image.at(x, y, c));
      n += 3;
    }
  return sum / n;
}

TEST_F(RelightTest, TurnedFacesBecomeTheFrontalOne) {
  const auto even = [](const Point3&) { return 1.f; };
  const Points front = posed(0);
  const Frontal truth = frontalise(draw(front, pattern, even), front, CropType::kFull, 128);
  for (float yaw : {-0.6f, -0.3f, 0.3f, 0.6f}) {
    const Points points = posed(yaw, 0.15f);
    const Frontal turned = frontalise(draw(points, pattern, even), points, CropType::kFull, 128);
    EXPECT_NEAR(solve_pose(turned.points).yaw_rad, 0, 0.01);
    EXPECT_LT(difference_on(turned, truth), 5) << yaw;
    // Half of the face was hidden more than the other.
    double left = 0, right = 0;
    for (int y = 40; y < 90; ++y) left += turned.seen.at(38, y), right += turned.seen.at(89, y);
    EXPECT_GT((yaw > 0 ? left : right), (yaw > 0 ? right : left)) << yaw;
  }
}

TEST_F(RelightTest, AFrontalFaceStaysItself) {
  const Points points = posed(0);
  // Asymmetric on purpose: nothing may be mirrored.
  const auto skin = [](const Point3& p, int) { return 0.3f + 0.02f * p.x + 0.1f * std::sin(p.y); };
  const Image8 image = draw(points, skin, [](const Point3&) { return 1.f; });
  const Frontal frontal = frontalise(image, points, CropType::kFull, kSize);
  const Affine2 image_from_crop = crop_from_image(points, CropType::kFull, kSize).inverse();
  double sum = 0, n = 0;
  for (int y = 0; y < kSize; ++y)
    for (int x = 0; x < kSize; ++x) {
      if (frontal.seen.at(x, y) < 0.9f) continue;
      const Point2 p =
          image_from_crop({static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f});
      sum += std::abs(frontal.image.at(x, y, 0) -
                      image.at(static_cast<int>(p.x), static_cast<int>(p.y), 0));
      n += 1;
    }
  EXPECT_GT(n, 4000);
  EXPECT_LT(sum / n, 3);
}

}  // namespace
}  // namespace likeness::face
