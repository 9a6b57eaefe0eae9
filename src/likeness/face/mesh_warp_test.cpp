// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/mesh_warp.h"

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/face/geometry.h"

namespace likeness::face {
namespace {

/// The canonical face seen by a camera: yaw in radians, 14 px per cm, middle of a 320 px frame.
Points seen_from(float yaw_rad) {
  HeadPose pose;
  float c = std::cos(yaw_rad), s = std::sin(yaw_rad);
  pose.rotation = {c, 0, s, 0, 1, 0, -s, 0, c};
  pose.scale_px_per_cm = 14;
  pose.translation_px = {160, 160};
  std::array<Point3, kPoints> canonical{};
  std::copy_n(canonical_face().position_cm.begin(), kMeshPoints, canonical.begin());
  return image_from_canonical(canonical, pose);
}

class MeshWarp : public testing::Test {
 protected:
  void SetUp() override {
    try {
      canonical_face();
    } catch (const Error& e) {
      GTEST_SKIP() << e.what();
    }
    std::array<Point2, kMeshPoints> shape;
    for (int i = 0; i < kMeshPoints; ++i) {
      const Point3& p = canonical_face().position_cm[i];
      shape[i] = {p.x, -p.y};
    }
    layout_ = make_layout(shape, 128);
  }
  MeshLayout layout_;
};

Image8 smooth_picture(int size) {
  Image8 image(size, size, 3);
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) {
      image.at(x, y, 0) = static_cast<uint8_t>(128 + 100 * std::sin(x * 0.05));
      image.at(x, y, 1) = static_cast<uint8_t>(128 + 100 * std::cos(y * 0.04));
      image.at(x, y, 2) = static_cast<uint8_t>((x + y) / 3);
    }
  return image;
}

TEST_F(MeshWarp, LayoutStaysInsideItsSquareAndIsCovered) {
  int covered = 0;
  for (int t : layout_.triangle) covered += t >= 0;
  EXPECT_GT(covered, 128 * 128 / 3);
  for (Point2 p : layout_.position_px) {
    EXPECT_GE(p.x, 0);
    EXPECT_LE(p.x, 128);
    EXPECT_GE(p.y, 0);
    EXPECT_LE(p.y, 128);
  }
  for (size_t i = 0; i < layout_.triangle.size(); ++i) {
    if (layout_.triangle[i] < 0) {
      EXPECT_EQ(layout_.coverage.data[i] > 0.5f, false);
    }
  }
}

TEST_F(MeshWarp, TheSilhouetteEndsAtTheJawAndGoesOnAboveTheEyes) {
  const auto at = [](const ImageF& image, Point2 p) {
    return image.at(static_cast<int>(p.x), static_cast<int>(p.y));
  };
  const auto& place = layout_.position_px;
  Point2 middle;
  for (int i : face_oval()) middle = middle + place[i];
  middle = middle * (1.0f / face_oval().size());
  const auto out = [&](int point, float share) { return middle + (place[point] - middle) * share; };
  for (int jaw : {152, 150, 379, 172, 397}) {  // chin and both sides
    EXPECT_GT(at(layout_.silhouette, out(jaw, 0.93f)), 0.95f) << jaw;
    EXPECT_LT(at(layout_.silhouette, out(jaw, 1.03f)), 0.05f) << jaw;
    EXPECT_LT(at(layout_.inner, out(jaw, 0.96f)), 0.5f) << jaw;
    EXPECT_GT(at(layout_.inner, out(jaw, 0.80f)), 0.95f) << jaw;
    EXPECT_GT(at(layout_.coverage, out(jaw, 1.03f)), 0.3f) << jaw;  // the ring would go on
  }
  for (int y = 0; y < static_cast<int>(std::min(place[33].y, place[263].y)); ++y)
    for (int x = 0; x < layout_.size_px; ++x) {
      ASSERT_EQ(layout_.silhouette.at(x, y), layout_.coverage.at(x, y));
      ASSERT_EQ(layout_.inner.at(x, y), layout_.coverage.at(x, y));
    }
  for (size_t i = 0; i < layout_.inner.data.size(); ++i)
    ASSERT_LE(layout_.inner.data[i], layout_.coverage.data[i] + 1e-6f);
}

TEST_F(MeshWarp, UnwrapThenWrapGivesTheFaceBack) {
  Image8 picture = smooth_picture(320);
  for (float yaw : {0.0f, 0.4f}) {
    Points points = seen_from(yaw);
    ImageF texture = unwrap(picture, points, layout_);
    FrameMap map = map_frame(points, layout_, 320, 320);
    ImageF back = wrap(texture, map), inside = wrap(layout_.coverage, map);
    double error = 0;
    int count = 0;
    for (int y = 0; y < back.height; ++y)
      for (int x = 0; x < back.width; ++x) {
        if (inside.at(x, y) < 0.95f) continue;
        for (int k = 0; k < 3; ++k)
          error += std::fabs(back.at(x, y, k) * 255 -
                             picture.at(x + map.region.x0, y + map.region.y0, k));
        ++count;
      }
    ASSERT_GT(count, 5000);
    EXPECT_LT(error / count / 3, 1.5) << "yaw " << yaw;
  }
}

TEST_F(MeshWarp, TurningHidesTheFarSideOnly) {
  auto seen = [&](float yaw, int x0, int x1) {
    ImageF visible = visibility(seen_from(yaw), layout_);
    double sum = 0;
    int count = 0;
    for (int y = 40; y < 90; ++y)
      for (int x = x0; x < x1; ++x)
        if (layout_.triangle[y * 128 + x] >= 0) sum += visible.at(x, y), ++count;
    return sum / count;
  };
  EXPECT_GT(seen(0, 50, 78), 0.8);
  double near_side = seen(0.9f, 30, 45), far_side = seen(0.9f, 83, 98);
  double mirrored_near = seen(-0.9f, 83, 98), mirrored_far = seen(-0.9f, 30, 45);
  EXPECT_GT(std::fabs(near_side - far_side), 0.3);
  EXPECT_NEAR(near_side, mirrored_near, 0.1);
  EXPECT_NEAR(far_side, mirrored_far, 0.1);
}

TEST_F(MeshWarp, FacesOutsideTheFrameAreEmptyOrClipped) {
  Points points = seen_from(0);
  for (auto& p : points) p.x += 1000;
  EXPECT_TRUE(map_frame(points, layout_, 320, 320).region.empty());
  for (auto& p : points) p.x -= 1150;
  FrameMap map = map_frame(points, layout_, 320, 320);
  EXPECT_GE(map.region.x0, 0);
  EXPECT_EQ(map.layout_px.size(), static_cast<size_t>(map.region.width()) * map.region.height());
}

}  // namespace
}  // namespace likeness::face
