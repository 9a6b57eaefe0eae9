// SPDX-License-Identifier: Apache-2.0
// The appearance model and the renderer on the built-in performers, with a network of a few steps.
#include "likeness/swap/render.h"

#include <filesystem>
#include <numeric>

#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include "likeness/base/error.h"
#include "likeness/compose/compose.h"
#include "likeness/face/analyse.h"
#include "likeness/face/geometry.h"
#include "likeness/faceset/faceset.h"
#include "likeness/media/video.h"
#include "likeness/swap/occlusion.h"
#include "likeness/train/appearance.h"
#include "likeness/train/prepare.h"

namespace likeness::swap {
namespace {

namespace fs = std::filesystem;
const fs::path kPerformers = fs::path(LIKENESS_SOURCE_DIR) / "assets" / "performers";

struct Shot {
  media::Frame frame;
  face::Face face;
};

/// Every `step`-th frame of a clip with its face.
std::vector<Shot> shots(const face::FaceNets& nets, const std::string& clip, int step, int count) {
  std::vector<Shot> out;
  media::VideoReader reader(kPerformers / clip);
  while (auto frame = reader.next()) {
    if (frame->index % step != 0) continue;
    Image8 rgb = frame->rgb8();
    auto found = nets.detect(rgb);
    if (found.empty()) continue;
    face::Face f = nets.mesh(rgb, face::FaceNets::crop_of(found[0]), false);
    f = nets.mesh(rgb, face::FaceNets::crop_of(f.points), false);
    out.push_back({*frame, f});
    if (static_cast<int>(out.size()) == count) break;
  }
  return out;
}

/// Shared by all tests: two facesets, a model of a few steps, one frame to swap.
struct World {
  fs::path folder;
  std::vector<Shot> identity, performer;
  std::string skip;

  static World& get() {
    static World world;
    return world;
  }

 private:
  World() {
    try {
      build();
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kMissing && e.code() != ErrorCode::kNotFound) throw;
      skip = e.what();
    }
  }
  ~World() { fs::remove_all(folder); }

  void pack(const std::vector<Shot>& list, const fs::path& path) {
    faceset::FacesetWriter writer(path, face::CropType::kWhole, 192);
    for (const Shot& s : list) {
      faceset::Item item;
      item.frame = s.frame.index;
      item.id = faceset::item_id(path.string(), s.frame.index, 0);
      item.crop_from_image = face::crop_from_image(s.face.points, face::CropType::kWhole, 192);
      for (int i = 0; i < face::kPoints; ++i) {
        Point2 p = item.crop_from_image({s.face.points[i].x, s.face.points[i].y});
        item.points[i] = {p.x, p.y, s.face.points[i].z * item.crop_from_image.scale()};
      }
      writer.add(item, to_uint8(compose::warp_affine(s.frame.rgb_float(), item.crop_from_image, 192,
                                                     192)));
    }
    writer.finish();
  }

  void build() {
    face::FaceNets nets;
    identity = shots(nets, "ben-train.mp4", 15, 36);
    performer = shots(nets, "ava-train.mp4", 15, 36);
    folder = fs::temp_directory_path() / ("likeness-swap-" + std::to_string(::getpid()));
    fs::create_directories(folder);
    pack(identity, folder / "ben.faces");
    pack(performer, folder / "ava.faces");
    auto ben = faceset::Faceset::open(folder / "ben.faces");
    auto ava = faceset::Faceset::open(folder / "ava.faces");
    for (const char* family : {"fast", "df"}) {
      train::TrainOptions options;
      options.net.family = family;
      options.net.resolution_px = 96;
      options.net.ae_dims = options.net.e_dims = options.net.d_dims = 16;
      options.net.d_mask_dims = 8;
      options.batch = 2;
      options.steps = 3;
      options.preview_every_s = options.evaluate_every_s = 0;
      Progress progress;
      Cancel cancel;
      auto prepared = train::prepare(ben, ava, options, 100, progress, cancel);
      train::Trainer trainer(options, std::move(prepared.data), folder / family, prepared.extras);
      trainer.run(progress, cancel);
      trainer.export_model(folder / (std::string(family) + ".safetensors"));
    }
  }
};

class Render : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!World::get().skip.empty()) GTEST_SKIP() << World::get().skip;
  }
  fs::path model() { return World::get().folder / (std::string(GetParam()) + ".safetensors"); }
};

TEST_P(Render, ChangesTheFaceAndNothingElse) {
  const Shot& shot = World::get().performer[5];
  SwapOptions options;
  options.learned_mask = false;  // three steps teach a mask nothing
  Renderer renderer(model(), options);
  media::Frame out = shot.frame;
  renderer.render(out, {{shot.face, {}}});
  Image8 before = shot.frame.rgb8(), after = out.rgb8();
  int changed = 0, outside = 0;
  Rect box = clip_rect(shot.face.box, 0.3f * shot.face.box.width(), before.width, before.height);
  for (int y = 0; y < before.height; ++y)
    for (int x = 0; x < before.width; ++x)
      if (std::abs(before.at(x, y) - after.at(x, y)) > 2) {
        ++changed;
        outside += x < box.x0 || x >= box.x1 || y < box.y0 || y >= box.y1;
      }
  EXPECT_GT(changed, 2000);
  EXPECT_EQ(outside, 0);
}

TEST_P(Render, IsAPureFunction) {
  const Shot& shot = World::get().performer[7];
  Renderer first(model(), {}), second(model(), {});
  media::Frame a = shot.frame, b = shot.frame, other = World::get().performer[8].frame;
  first.render(a, {{shot.face, {}}});
  second.render(other, {{World::get().performer[8].face, {}}});
  second.render(b, {{shot.face, {}}});
  EXPECT_EQ(a.rgb8().data, b.rgb8().data);
}

TEST_P(Render, OpacityZeroIsTheInput) {
  const Shot& shot = World::get().performer[3];
  SwapOptions options;
  options.opacity = 0;
  for (const char* blend : {"alpha", "multiband", "poisson"}) {
    options.blend = blend;
    Renderer renderer(model(), options);
    media::Frame out = shot.frame;
    renderer.render(out, {{shot.face, {}}});
    EXPECT_EQ(out.rgb8().data, shot.frame.rgb8().data) << blend;
  }
}

TEST_P(Render, EveryOptionWorks) {
  const Shot& shot = World::get().performer[3];
  Image8 before = shot.frame.rgb8();
  nlohmann::json variants = nlohmann::json::parse(R"([
    {"color":"rct"},{"color":"linear"},{"color":"lct"},{"color":"mkl"},{"color":"idt"},{"color":"sot"},
    {"color":"none"},{"blend":"poisson"},{"blend":"multiband"},{"occlusion":1},{"keep_mouth":1,"keep_eyes":1},
    {"sharpen":1,"grain":1,"motion_blur":0.5},{"shape":0,"relight":0},{"erode_pct":10,"blur_pct":10}])");
  for (const auto& variant : variants) {
    SwapOptions options;
    options.learned_mask = false;
    options_from_json(options, variant);
    Renderer renderer(model(), options);
    media::Frame out = shot.frame;
    renderer.render(out, {{shot.face, {4, 2}}});
    Image8 after = out.rgb8();
    EXPECT_NE(after.data, before.data) << variant;
  }
}

TEST_P(Render, FaceAtTheBorderAndOutsideDoesNotHurt) {
  const Shot& shot = World::get().performer[3];
  Renderer renderer(model(), {});
  for (float dx : {-200.0f, 180.0f, 1000.0f}) {
    face::Face f = shot.face;
    for (auto& p : f.points) p.x += dx;
    media::Frame out = shot.frame;
    EXPECT_NO_THROW(renderer.render(out, {{f, {}}})) << dx;
  }
  face::Face broken = shot.face;
  broken.points[5].x = std::nanf("");
  media::Frame out = shot.frame;
  EXPECT_THROW(renderer.render(out, {{broken, {}}}), Error);
}

/// In the unit square of the face: a box around its middle.
Polygon box_on_face(float x0, float y0, float x1, float y1, bool include = false) {
  return {0,    1 << 20, include ? Drawn::kInclude : Drawn::kExclude,
          true, -1,      {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}}};
}
Polygon stroke_on_face(Drawn kind, float radius, std::vector<Point2> path) {
  return {0, 1 << 20, kind, true, -1, std::move(path), radius};
}

TEST_P(Render, WhatAPolygonExcludesKeepsTheInputToTheBit) {
  const Shot& shot = World::get().performer[5];
  SwapOptions options;
  options.learned_mask = false;
  const Affine2 face_from_frame =
      face::crop_from_image(shot.face.points, face::CropType::kWhole, 1);
  for (const char* blend : {"alpha", "multiband", "poisson"}) {
    options.blend = blend;
    Renderer renderer(model(), options);
    media::Frame without = shot.frame, with = shot.frame;
    ImageF used_without, used_with;
    renderer.render(without, {{shot.face, {}}}, {}, &used_without);
    renderer.render(with, {{shot.face, {}}}, {box_on_face(0.3f, 0.1f, 0.7f, 0.9f)}, &used_with);
    const Image8 before = shot.frame.rgb8(), plain = without.rgb8(), after = with.rgb8();
    int inside = 0, changed_inside = 0, changed_elsewhere = 0;
    for (int y = 0; y < before.height; ++y)
      for (int x = 0; x < before.width; ++x) {
        const auto differs = [&](const Image8& image) {
          return !std::equal(before.row(y) + 3 * x, before.row(y) + 3 * x + 3,
                             image.row(y) + 3 * x);
        };
        const Point2 at = face_from_frame({x + 0.5f, y + 0.5f});
        // A chroma sample is shared by two by two pixels: what lies two pixels in is nobody else's.
        const float margin = 3 * face_from_frame.scale();
        const bool in = at.x > 0.3f + margin && at.x < 0.7f - margin && at.y > 0.1f + margin &&
                        at.y < 0.9f - margin;
        if (in) {
          ++inside;
          EXPECT_FALSE(differs(after)) << blend << " " << x << " " << y;
          EXPECT_EQ(used_with.at(x, y), 0);
          changed_inside += differs(plain);
        } else {
          changed_elsewhere += differs(after);
        }
        // What the mask says is what happens: 0 is the input.
        EXPECT_LE(used_with.at(x, y), used_without.at(x, y) + 0.25f);
      }
    EXPECT_GT(inside, 1000);
    EXPECT_GT(changed_inside, inside / 2) << "there was nothing to exclude";
    EXPECT_GT(changed_elsewhere, 500) << "nothing is left of the swap";
  }
}

/// The mask that a swap with these polygons uses.
ImageF used_mask(const Renderer& renderer, media::Frame frame, const face::Face& f,
                 const std::vector<Polygon>& polygons) {
  ImageF mask;
  renderer.render(frame, {{f, {}}}, polygons, &mask);
  return mask;
}

TEST_P(Render, APolygonFollowsTheFaceOrTheFrame) {
  const Shot& shot = World::get().performer[5];
  SwapOptions options;
  options.learned_mask = false;
  options.blur_pct = 0;
  Renderer renderer(model(), options);
  // The same picture and face, 32 pixels to the right.
  const Image8 picture = shot.frame.rgb8();
  Image8 moved(picture.width, picture.height, 3);
  constexpr int kBy = 32;
  for (int y = 0; y < moved.height; ++y)
    for (int x = 0; x < moved.width; ++x)
      std::copy_n(picture.row(y) + 3 * std::max(0, x - kBy), 3, moved.row(y) + 3 * x);
  face::Face there = shot.face;
  for (auto& p : there.points) p.x += kBy;
  const auto mask_of = [&](const Image8& image, const face::Face& f, Polygon polygon) {
    return used_mask(renderer, media::Frame::from_rgb8(image, 0, {25, 1}), f, {std::move(polygon)});
  };
  const Polygon on_face = box_on_face(0.35f, 0.35f, 0.65f, 0.65f);
  Polygon on_frame = on_face;
  on_frame.on_face = false;
  const ImageF face_here = mask_of(picture, shot.face, on_face),
               face_there = mask_of(moved, there, on_face),
               frame_here = mask_of(picture, shot.face, on_frame),
               frame_there = mask_of(moved, there, on_frame);
  double face_error = 0, count = 0;
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x + kBy < picture.width; ++x) {
      face_error += std::abs(face_here.at(x, y) - face_there.at(x + kBy, y));
      count += face_here.at(x, y);
    }
  EXPECT_LT(face_error, 0.03 * count);
  const auto in_frame = [&](float u, float v) {
    return std::pair{static_cast<int>(u * picture.width), static_cast<int>(v * picture.height)};
  };
  for (float v : {0.4f, 0.5f, 0.6f}) {
    const auto [x, y] = in_frame(0.5f, v);
    EXPECT_EQ(frame_here.at(x, y), 0);
    EXPECT_EQ(frame_there.at(x, y), 0);
  }
}

TEST_P(Render, AStrokeIsRoundOnTheFaceAndIsErasedToTheBit) {
  const Shot& shot = World::get().performer[5];
  SwapOptions options;
  options.learned_mask = false;
  options.blur_pct = 0;
  Renderer renderer(model(), options);
  const auto used = [&](const std::vector<Polygon>& polygons) {
    return used_mask(renderer, shot.frame, shot.face, polygons);
  };
  const Affine2 face_from_frame =
      face::crop_from_image(shot.face.points, face::CropType::kWhole, 1);
  constexpr float kRadius = 0.08f;
  const Polygon stroke = stroke_on_face(Drawn::kExclude, kRadius, {{0.4f, 0.5f}, {0.6f, 0.55f}});
  const ImageF plain = used({}), with = used({stroke});
  const float pixel = face_from_frame.scale();
  int inside = 0;
  for (int y = 0; y < plain.height; ++y)
    for (int x = 0; x < plain.width; ++x) {
      const Point2 at = face_from_frame({x + 0.5f, y + 0.5f});
      const float t =
          std::clamp(((at.x - 0.4f) * 0.2f + (at.y - 0.5f) * 0.05f) / 0.0425f, 0.0f, 1.0f);
      const float away = std::hypot(at.x - 0.4f - t * 0.2f, at.y - 0.5f - t * 0.05f);
      if (away < kRadius - pixel) {
        EXPECT_EQ(with.at(x, y), 0) << x << " " << y;
        inside += plain.at(x, y) > 0.9f;
      } else if (away > kRadius + 3 * pixel) {
        EXPECT_NEAR(with.at(x, y), plain.at(x, y), 0.02f) << x << " " << y;
      }
    }
  EXPECT_GT(inside, 200);
  EXPECT_EQ(used({stroke, stroke_on_face(Drawn::kErase, 4, {{0.5f, 0.5f}})}).data, plain.data);
  const ImageF raised = used({stroke, stroke_on_face(Drawn::kInclude, kRadius, stroke.points)});
  EXPECT_LT(
      std::inner_product(raised.data.begin(), raised.data.end(), plain.data.begin(), 0.0,
                         std::plus<>(), [](float a, float b) { return std::max(0.0f, b - a); }),
      0.05 * inside);
  // On the frame the radius is a share of its width.
  Polygon on_frame = stroke_on_face(Drawn::kExclude, 0.25f, {{0.5f, 0.5f}});
  on_frame.on_face = false;
  const ImageF hole = used({on_frame});
  EXPECT_EQ(hole.at(hole.width / 2 + hole.width / 4 - 2, hole.height / 2), 0);
}

TEST_P(Render, OnlyItsFramesAndItsFace) {
  const Shot& shot = World::get().performer[5];
  SwapOptions options;
  options.learned_mask = false;
  Renderer renderer(model(), options);
  const auto with = [&](std::vector<Polygon> polygons, FrameIndex index) {
    media::Frame frame = shot.frame;
    frame.index = index;
    face::Face f = shot.face;
    f.track = 4;
    renderer.render(frame, {{f, {}}}, polygons);
    return frame.rgb8().data;
  };
  const auto none = with({}, 20);
  Polygon p = box_on_face(0.3f, 0.3f, 0.7f, 0.7f);
  p.first = 10, p.last = 19;
  EXPECT_EQ(with({p}, 9), none);
  EXPECT_NE(with({p}, 10), none);
  EXPECT_NE(with({p}, 19), none);
  EXPECT_EQ(with({p}, 20), none);
  p.track = 3;
  EXPECT_EQ(with({p}, 10), none);
  p.track = 4;
  EXPECT_NE(with({p}, 10), none);
}

TEST_P(Render, AnIncludeReachesWhatWasMadeAndNoFarther) {
  const Shot& shot = World::get().performer[5];
  SwapOptions options;
  options.learned_mask = false;
  options.blur_pct = 0;
  Renderer renderer(model(), options);
  const auto used = [&](const std::vector<Polygon>& polygons) {
    return used_mask(renderer, shot.frame, shot.face, polygons);
  };
  const auto sum = [](const ImageF& image) {
    double total = 0;
    for (float v : image.data) total += v;
    return total;
  };
  const Polygon all = box_on_face(-4, -4, 5, 5, true), none = box_on_face(-4, -4, 5, 5);
  const ImageF plain = used({}), most = used({all});
  EXPECT_GT(sum(most), sum(plain) * 1.02);
  EXPECT_LT(sum(most), 0.9 * static_cast<double>(most.data.size()));
  for (size_t i = 0; i < most.data.size(); ++i) ASSERT_GE(most.data[i] + 1e-5f, plain.data[i]);
  EXPECT_EQ(sum(used({none})), 0);
  const ImageF again = used({none, all});  // in their order
  for (size_t i = 0; i < most.data.size(); ++i) ASSERT_NEAR(again.data[i], most.data[i], 0.02f);
  EXPECT_EQ(sum(used({all, none})), 0);
}

INSTANTIATE_TEST_SUITE_P(Families, Render, testing::Values("fast", "df"));

class AppearanceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!World::get().skip.empty()) GTEST_SKIP() << World::get().skip;
  }
  static train::Appearance learn(const std::vector<Shot>& a, const std::vector<Shot>& b) {
    const std::vector<Shot>* sides[2] = {&a, &b};
    std::vector<face::Points> points[2];
    for (int s = 0; s < 2; ++s)
      for (const Shot& shot : *sides[s]) points[s].push_back(shot.face.points);
    train::Appearance::Unwrapped unwrapped[2];
    Progress progress;
    Cancel cancel;
    return train::Appearance::learn(
        points, [&](int s, size_t i) { return (*sides[s])[i].frame.rgb8(); }, 96, unwrapped,
        progress, cancel);
  }
};

TEST_F(AppearanceTest, TheSamePersonOnBothSidesKeepsTheShapeAndTone) {
  const auto& ben = World::get().identity;
  train::Appearance a = learn(ben, ben);
  for (int k = 0; k < 3; ++k) EXPECT_NEAR(a.tone()[k], 1, 1e-3);
  for (size_t i = 0; i < ben.size(); i += 7) {
    face::Points same = a.identity_points(ben[i].face.points);
    for (int v = 0; v < face::kMeshPoints; v += 13) {
      EXPECT_NEAR(same[v].x, ben[i].face.points[v].x, 0.05);
      EXPECT_NEAR(same[v].y, ben[i].face.points[v].y, 0.05);
    }
  }
}

TEST_F(AppearanceTest, DarkerSkinIsMadeLighterButNotEyes) {
  const auto& ben = World::get().identity;
  std::vector<Shot> darker = ben;
  constexpr float kDarker = 0.7f;
  for (Shot& shot : darker) {
    Image8 image = shot.frame.rgb8();
    ImageF keep(image.width, image.height, 1);
    for (face::Part part : {face::Part::kLeftEye, face::Part::kRightEye}) {
      std::vector<Point2> outline;
      for (int i : face::part_outline(part))
        outline.push_back({shot.face.points[i].x, shot.face.points[i].y});
      const ImageF inside = compose::polygon_mask(image.width, image.height, outline);
      for (size_t p = 0; p < keep.data.size(); ++p)
        keep.data[p] = std::max(keep.data[p], inside.data[p]);
    }
    for (size_t p = 0; p < image.data.size(); ++p)
      image.data[p] = static_cast<uint8_t>(static_cast<float>(image.data[p]) *
                                           (kDarker + (1 - kDarker) * keep.data[p / 3]));
    shot.frame = media::Frame::from_rgb8(image, shot.frame.index, {25, 1});
  }
  train::Appearance a = learn(darker, ben);
  const ImageF& where = a.layout().eyes;
  double skin = 0, other = 0, skins = 0, others = 0;
  for (size_t p = 0; p < where.data.size(); ++p)
    for (size_t k = 0; k < 3; ++k) {
      if (where.data[p] == 0) skin += a.tone_map().data[3 * p + k], ++skins;
      if (where.data[p] > 0.99f) other += a.tone_map().data[3 * p + k], ++others;
    }
  ASSERT_GT(others, 0);
  EXPECT_NEAR(skin / skins, 1 / kDarker, 0.05);
  EXPECT_LT(other / others, 1.12);
  EXPECT_GE(other / others, 1);
}

TEST_F(AppearanceTest, RegistrationBringsFacesNearerToTheModel) {
  const auto& ben = World::get().identity;
  train::Appearance a = learn(ben, World::get().performer);
  double before = 0, after = 0;
  for (size_t i = 0; i < ben.size(); i += 5) {
    ImageF image = ben[i].frame.rgb_float();
    auto residual = [&](const face::Points& points) {
      auto seen = a.analyse(image, points, 0);
      ImageF expected = a.predict(seen.descriptor, 0);
      double sum = 0, weight = 0;
      for (size_t p = 0; p < seen.visible.data.size(); ++p)
        for (int k = 0; k < 3; ++k) {
          double d = seen.texture.data[p * 3 + k] - expected.data[p * 3 + k];
          sum += seen.visible.data[p] * d * d;
          weight += seen.visible.data[p];
        }
      return sum / weight;
    };
    before += residual(ben[i].face.points);
    after +=
        residual(a.refine(image, ben[i].face.points, 0, train::Appearance::Registration::kFast));
  }
  EXPECT_LT(after, 0.9 * before);
}

TEST_F(AppearanceTest, BytesRoundTripAndDamageIsTold) {
  train::Appearance a = learn(World::get().identity, World::get().performer);
  std::string bytes = a.serialise();
  train::Appearance b = train::Appearance::parse(bytes);
  const Shot& shot = World::get().performer[4];
  auto x = a.analyse(shot.frame.rgb_float(), shot.face.points, 1);
  auto y = b.analyse(shot.frame.rgb_float(), shot.face.points, 1);
  EXPECT_EQ(x.texture.data, y.texture.data);
  EXPECT_EQ(a.predict(x.descriptor, 0).data, b.predict(y.descriptor, 0).data);
  for (size_t cut : {size_t{0}, size_t{7}, size_t{12}, bytes.size() / 2, bytes.size() - 1})
    EXPECT_THROW(train::Appearance::parse(bytes.substr(0, cut)), Error) << cut;
  EXPECT_THROW(train::Appearance::parse(bytes + "x"), Error);
}

TEST_F(AppearanceTest, TooFewFacesIsAClearError) {
  std::vector<Shot> few(World::get().identity.begin(), World::get().identity.begin() + 3);
  try {
    learn(few, World::get().performer);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kNoFace);
  }
}

TEST(Occluders, FindsAHandSizedPatchAndNothingElse) {
  ImageF expected(96, 96, 3, 0.6f), seen = expected, visible(96, 96, 1, 1.0f);
  for (float v : occluders(seen, expected, visible).data) ASSERT_EQ(v, 0);
  for (int y = 40; y < 70; ++y)
    for (int x = 30; x < 60; ++x)
      for (int k = 0; k < 3; ++k) seen.at(x, y, k) = 0.2f;
  ImageF mask = occluders(seen, expected, visible);
  EXPECT_GT(mask.at(45, 55), 0.95f);
  EXPECT_LT(mask.at(45, 15), 0.01f);
  EXPECT_LT(mask.at(85, 55), 0.01f);
}

}  // namespace
}  // namespace likeness::swap
