// SPDX-License-Identifier: Apache-2.0
#include "likeness/swap/render.h"

#include <algorithm>

#include <opencv2/imgproc.hpp>
#include <torch/torch.h>

#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/compose/compose.h"
#include "likeness/face/geometry.h"
#include "likeness/face/mesh_warp.h"
#include "likeness/nets/precision.h"
#include "likeness/swap/occlusion.h"
#include "likeness/train/appearance.h"
#include "likeness/train/trainer.h"

namespace likeness::swap {
namespace {

using train::Appearance;

constexpr int kRefineRounds = 1;

/// What a network made, laid into a rectangle of the frame.
struct Layer {
  Rect region;
  ImageF rgb = {}, mask = {};
  ImageF firm = {};  ///< the mask up to the silhouette; empty where the model knows none
  /// The mask before polygons were drawn on it, and what they do to one of ones; empty without any.
  ImageF undrawn = {}, open = {};
  ImageF made = {};  ///< 1 where rgb was made at all; only when it was asked for
};

torch::Tensor to_tensor(const ImageF& image) {
  auto t = torch::from_blob(const_cast<float*>(image.data.data()),
                            {1, image.height, image.width, image.channels}, torch::kFloat32);
  return t.permute({0, 3, 1, 2});  // already channels-last
}

ImageF to_image(const torch::Tensor& tensor) {
  auto t =
      tensor.detach().to(torch::kCPU, torch::kFloat32).squeeze(0).permute({1, 2, 0}).contiguous();
  ImageF out(static_cast<int>(t.size(1)), static_cast<int>(t.size(0)), static_cast<int>(t.size(2)));
  std::copy_n(t.data_ptr<float>(), out.data.size(), out.data.data());
  return out;
}

Rect box_of(const face::Points& points, float grow, int width, int height) {
  Box box{1e9f, 1e9f, -1e9f, -1e9f};
  for (int i = 0; i < face::kMeshPoints; ++i) {
    box.x0 = std::min(box.x0, points[i].x), box.y0 = std::min(box.y0, points[i].y);
    box.x1 = std::max(box.x1, points[i].x), box.y1 = std::max(box.y1, points[i].y);
  }
  return clip_rect(box, grow * std::max(box.width(), box.height()) + 4, width, height);
}

face::Points moved(face::Points points, float dx, float dy) {
  for (auto& p : points) p.x += dx, p.y += dy;
  return points;
}

/// How far light taken from the mask's edge reaches inwards, of the face width.
constexpr float kSeamReach = 0.1f;
/// How far along the edge its kind (skin on skin, or not) is decided together, of the face width.
constexpr float kFirmReach = 0.04f;

float face_width(const face::Points& points) {
  return std::hypot(points[454].x - points[234].x, points[454].y - points[234].y);
}

/// A silhouette (0..1) as it can be pasted: without the slivers of folded triangles beside a turned
/// cheek, and without the steps of a contour that turns away from the camera.
ImageF contour(const ImageF& mask, float width_px) {
  const int d = 2 * std::max(1, cvRound(0.02f * width_px)) + 1;
  cv::Mat m(mask.height, mask.width, CV_32F, const_cast<float*>(mask.data.data())), out;
  m.convertTo(out, CV_8U, 255);
  cv::morphologyEx(out, out, cv::MORPH_OPEN, cv::Mat::ones(d, d, CV_8U));
  cv::erode(out, out, cv::Mat::ones(3, 3, CV_8U));
  out.convertTo(out, CV_32F, 1 / 255.0);
  cv::GaussianBlur(out, out, {}, 0.8);
  ImageF result(mask.width, mask.height, 1);
  for (int y = 0; y < mask.height; ++y) std::copy_n(out.ptr<float>(y), mask.width, result.row(y));
  return result;
}

bool finite(const face::Points& points) {
  for (const auto& p : points)
    if (!std::isfinite(p.x) || !std::isfinite(p.y) || !std::isfinite(p.z)) return false;
  return true;
}

/// The polygons of this face in this frame.
std::vector<const Polygon*> drawn_here(const std::vector<Polygon>& polygons, FrameIndex frame,
                                       int track) {
  std::vector<const Polygon*> out;
  for (const Polygon& p : polygons)
    if (p.first <= frame && frame <= p.last && (p.track < 0 || p.track == track)) out.push_back(&p);
  return out;
}

/// Corners, or points of the path, in pixels of the frame.
std::vector<Point2> placed(const Polygon& polygon, const Affine2& frame_from_face, int width,
                           int height) {
  std::vector<Point2> out;
  for (Point2 p : polygon.points)
    out.push_back(polygon.on_face
                      ? frame_from_face(p)
                      : Point2{p.x * static_cast<float>(width), p.y * static_cast<float>(height)});
  return out;
}

/// The layer's mask into one of the whole frame.
void raise(ImageF& used, const Layer& layer) {
  for (int y = 0; y < layer.mask.height; ++y)
    for (int x = 0; x < layer.mask.width; ++x) {
      float& to = used.at(layer.region.x0 + x, layer.region.y0 + y);
      to = std::max(to, layer.mask.at(x, y));
    }
}

/// Onto the layer's mask; what it was before, and where drawing leaves it open, is kept beside it.
void draw_polygons(Layer& layer, const std::vector<const Polygon*>& polygons,
                   const face::Points& points, int width, int height) {
  if (polygons.empty()) return;
  const Affine2 frame_from_face =
      face::crop_from_image(points, face::CropType::kWhole, 1).inverse();
  layer.undrawn = layer.mask;
  layer.open = ImageF(layer.mask.width, layer.mask.height, 1, 1.0f);
  const ImageF everywhere = layer.open;
  for (const Polygon* p : polygons) {
    auto points_here = placed(*p, frame_from_face, width, height);
    for (Point2& point : points_here)
      point = {point.x - static_cast<float>(layer.region.x0),
               point.y - static_cast<float>(layer.region.y0)};
    const float radius =
        p->radius * (p->on_face ? frame_from_face.scale() : static_cast<float>(width));
    const ImageF drawn =
        p->radius > 0
            ? compose::stroke_mask(layer.mask.width, layer.mask.height, points_here, radius)
            : compose::polygon_mask(layer.mask.width, layer.mask.height, points_here);
    switch (p->kind) {
      case Drawn::kExclude:
        compose::exclude_drawn(layer.mask, drawn);
        compose::exclude_drawn(layer.open, drawn);
        break;
      case Drawn::kInclude:
        compose::include_drawn(layer.mask, drawn, &layer.made);
        compose::include_drawn(layer.open, drawn);
        break;
      case Drawn::kErase:
        compose::erase_drawn(layer.mask, drawn, layer.undrawn);
        compose::erase_drawn(layer.open, drawn, everywhere);
        break;
    }
  }
}

/// What drawing did to the layer's mask, done to another shape of the same face.
void redraw(ImageF& shape, const Layer& layer) {
  for (size_t p = 0; p < shape.data.size(); ++p) {
    const float from = layer.undrawn.data[p], to = layer.mask.data[p];
    if (to < from) shape.data[p] *= to / from;
    if (to > from) shape.data[p] += (1 - shape.data[p]) * (to - from) / (1 - from);
    shape.data[p] *= layer.open.data[p];
  }
}

ImageF outline_mask(const Rect& region, const face::Points& points, face::Part part) {
  std::vector<Point2> polygon;
  for (int i : face::part_outline(part))
    polygon.push_back({points[i].x - region.x0, points[i].y - region.y0});
  return compose::polygon_mask(region.width(), region.height(), polygon);
}

}  // namespace

/// What comes from the file and does not depend on how it is laid into the frame.
struct Renderer::Loaded {
  train::LoadedModel model;
  torch::Device device{torch::kCPU};
  bool mesh = false;
  Appearance appearance;
  face::CropType crop_type = face::CropType::kWhole;
};

struct Renderer::Impl {
  SwapOptions options;
  std::shared_ptr<const Loaded> loaded;
  const train::LoadedModel& model = loaded->model;
  const torch::Device& device = loaded->device;
  const bool mesh = loaded->mesh;
  const Appearance& appearance = loaded->appearance;
  const face::CropType crop_type = loaded->crop_type;

  nets::FaceOutput run(const ImageF& image, const ImageF* base) const {
    torch::NoGradGuard no_grad;
    nets::FaceBatch batch;
    batch.image = to_tensor(image).to(device);
    if (base) batch.base = to_tensor(*base).to(device);
    return model.net->swap(batch);
  }

  /// Mesh space: unwrap, predict, relight, wrap onto the identity's shape.
  Layer mesh_layer(const media::Frame& frame, const face::Face& f, bool ask_made,
                   Generated* generated) const {
    Rect source = box_of(f.points, 0.12f, frame.width(), frame.height());
    if (source.empty()) return {};
    float x0 = static_cast<float>(source.x0), y0 = static_cast<float>(source.y0);
    ImageF plate = frame.rgb_float(source);
    // Registration to the model: without it textures swim by the landmark net's errors.
    face::Points points = moved(f.points, -x0, -y0);
    for (int round = 0; round < kRefineRounds; ++round)
      points = appearance.refine(plate, points, 1, Appearance::Registration::kFast);
    auto seen = appearance.analyse(plate, points, 1);
    points = moved(points, x0, y0);
    face::Points shaped = appearance.identity_points(points);
    float s = static_cast<float>(options.shape);
    for (int i = 0; i < face::kPoints; ++i) {
      shaped[i].x = points[i].x + s * (shaped[i].x - points[i].x);
      shaped[i].y = points[i].y + s * (shaped[i].y - points[i].y);
      shaped[i].z = points[i].z + s * (shaped[i].z - points[i].z);
    }
    face::FrameMap map =
        face::map_frame(shaped, appearance.layout(), frame.width(), frame.height());
    if (map.region.empty()) return {};
    ImageF base = appearance.predict(seen.descriptor, 0);
    const ImageF& mean = appearance.person(1).mean;
    ImageF deviation(mean.width, mean.height, 3);
    for (size_t p = 0; p < deviation.data.size(); ++p)
      deviation.data[p] = std::clamp(
          0.5f + seen.visible.data[p / 3] * (seen.texture.data[p] - mean.data[p]), 0.0f, 1.0f);
    nets::FaceOutput out = run(deviation, &base);
    ImageF rgb = to_image(out.rgb);
    float relight = static_cast<float>(options.relight);
    for (size_t p = 0; p < rgb.data.size(); ++p)
      rgb.data[p] *= 1 + relight * (seen.shading.data[p] - 1);
    if (options.color == "tone")
      for (size_t p = 0; p < rgb.data.size(); ++p) rgb.data[p] *= appearance.tone_map().data[p];
    ImageF mask = compose::multiply(appearance.layout().inner, appearance.skin()),
           firm = compose::multiply(appearance.layout().silhouette, appearance.skin());
    if (options.occlusion > 0) {
      ImageF front = occluders(seen.texture, appearance.predict(seen.descriptor, 1), seen.visible);
      for (size_t p = 0; p < mask.data.size(); ++p) {
        mask.data[p] *= 1 - static_cast<float>(options.occlusion) * front.data[p];
        firm.data[p] *= 1 - static_cast<float>(options.occlusion) * front.data[p];
      }
    }
    if (generated) *generated = {rgb, mask};
    Layer layer{.region = map.region, .rgb = face::wrap(rgb, map)};
    ImageF both(mask.width, mask.height, 2);  // sampling two at once costs little more than one
    for (size_t p = 0; p < mask.data.size(); ++p) {
      both.data[2 * p] = mask.data[p];
      both.data[2 * p + 1] = firm.data[p];
    }
    both = face::wrap(both, map);
    layer.mask = layer.firm = ImageF(both.width, both.height, 1);
    for (size_t p = 0; p < layer.mask.data.size(); ++p) {
      layer.mask.data[p] = std::clamp(both.data[2 * p], 0.0f, 1.0f);
      layer.firm.data[p] = std::clamp(both.data[2 * p + 1], 0.0f, 1.0f);
    }
    layer.firm = contour(layer.firm, face_width(f.points));
    if (ask_made) {
      layer.made = face::wrap(appearance.layout().coverage, map);
      for (float& v : layer.made.data) v = std::clamp(v, 0.0f, 1.0f);
    }
    return layer;
  }

  /// Crop space: align, predict, warp back; the mask is the hull of the performer's face.
  Layer crop_layer(const media::Frame& frame, const face::Face& f, bool ask_made,
                   Generated* generated) const {
    int size = model.options.resolution_px;
    Affine2 crop_from_frame = face::crop_from_image(f.points, crop_type, size);
    Affine2 frame_from_crop = crop_from_frame.inverse();
    Box box{1e9f, 1e9f, -1e9f, -1e9f};
    for (Point2 corner : {Point2{0, 0}, Point2{float(size), 0}, Point2{0, float(size)},
                          Point2{float(size), float(size)}}) {
      Point2 p = frame_from_crop(corner);
      box.x0 = std::min(box.x0, p.x), box.y0 = std::min(box.y0, p.y);
      box.x1 = std::max(box.x1, p.x), box.y1 = std::max(box.y1, p.y);
    }
    Rect region = clip_rect(box, 4, frame.width(), frame.height());
    if (region.empty()) return {};
    Affine2 shift;
    shift.m = {1, 0, static_cast<float>(region.x0), 0, 1, static_cast<float>(region.y0)};
    Affine2 crop_from_region = compose(crop_from_frame, shift);
    ImageF crop = compose::warp_affine(frame.rgb_float(region), crop_from_region, size, size);
    for (float& v : crop.data) v = std::clamp(v, 0.0f, 1.0f);
    nets::FaceOutput out = run(crop, nullptr);
    ImageF rgb = to_image(out.rgb), mask = to_image(out.mask);
    if (generated) *generated = {rgb, mask};
    Affine2 region_from_crop = crop_from_region.inverse();
    Layer layer{
        .region = region,
        .rgb = compose::warp_affine(rgb, region_from_crop, region.width(), region.height())};
    std::vector<Point2> hull;
    for (int i : face::face_oval())
      hull.push_back({f.points[i].x - region.x0, f.points[i].y - region.y0});
    layer.mask = compose::polygon_mask(region.width(), region.height(), compose::convex_hull(hull));
    if (options.learned_mask)
      layer.mask = compose::multiply(
          layer.mask,
          compose::warp_affine(mask, region_from_crop, region.width(), region.height(), false));
    if (ask_made) {
      ImageF all(size, size, 1);
      std::fill(all.data.begin(), all.data.end(), 1.0f);
      layer.made =
          compose::warp_affine(all, region_from_crop, region.width(), region.height(), false);
    }
    return layer;
  }

  /// `ask_made`: Layer::made is wanted too.
  Layer layer(const media::Frame& frame, const face::Face& f, bool ask_made = false,
              Generated* generated = nullptr) const {
    return mesh ? mesh_layer(frame, f, ask_made, generated)
                : crop_layer(frame, f, ask_made, generated);
  }

  void finish(media::Frame& frame, const Target& target, Layer& layer) const {
    float width_px = face_width(target.face.points);
    const float erode_px = static_cast<float>(options.erode_pct) / 100 * width_px,
                blur_px = static_cast<float>(options.blur_pct) / 100 * width_px;
    const bool drawn = !layer.undrawn.empty();
    if (erode_px != 0 || blur_px != 0)
      for (ImageF* mask : {&layer.mask, &layer.undrawn})
        if (!mask->empty())
          *mask = compose::multiply(*mask, compose::erode_blur(*mask, erode_px, blur_px));
    if (!layer.firm.empty() && erode_px != 0)
      layer.firm = compose::erode_blur(layer.firm, erode_px, 1);
    auto keep = [&](double amount, std::initializer_list<face::Part> parts) {
      for (face::Part part : parts) {
        ImageF hole = compose::erode_blur(outline_mask(layer.region, target.face.points, part),
                                          -0.01f * width_px, 0.02f * width_px);
        for (ImageF* mask : {&layer.mask, &layer.undrawn, &layer.firm})
          for (size_t p = 0; p < mask->data.size(); ++p)
            mask->data[p] *= 1 - static_cast<float>(amount) * hole.data[p];
      }
    };
    if (options.keep_mouth > 0) keep(options.keep_mouth, {face::Part::kInnerMouth});
    if (options.keep_eyes > 0)
      keep(options.keep_eyes, {face::Part::kLeftEye, face::Part::kRightEye});

    ImageF plate = frame.rgb_float(layer.region);
    if (options.color != "tone" && options.color != "none")
      layer.rgb = compose::match_color(layer.rgb, layer.mask, plate, layer.mask,
                                       compose::color_match(options.color));
    // By the face's own edge: what is drawn changes nothing beside it.
    const ImageF& undrawn = drawn ? layer.undrawn : layer.mask;
    compose::match_edge(layer.rgb, plate, layer.firm.empty() ? undrawn : layer.firm,
                        kSeamReach * width_px, static_cast<float>(options.seam));
    if (!layer.firm.empty()) {
      ImageF firmed = undrawn;
      compose::firm_edge(firmed, layer.firm, layer.rgb, plate, kFirmReach * width_px);
      if (drawn) redraw(firmed, layer);
      layer.mask = std::move(firmed);
    }
    if (options.sharpen > 0)
      compose::unsharp(layer.rgb, static_cast<float>(options.sharpen),
                       std::max(0.6f, width_px / 150));
    if (options.motion_blur > 0)
      compose::motion_blur(layer.rgb, target.motion_px * static_cast<float>(options.motion_blur));
    if (options.grain > 0) {
      auto sigma = compose::noise_sigma(plate, layer.mask);
      for (float& s : sigma) s *= static_cast<float>(options.grain);
      compose::add_grain(layer.rgb, sigma, 1, frame.index, layer.region.x0, layer.region.y0);
    }
    for (float& m : layer.mask.data) m *= static_cast<float>(options.opacity);
    if (options.blend == "alpha") {
      frame.blend_rgb(layer.region, layer.rgb, layer.mask);
      return;
    }
    ImageF joined = options.blend == "poisson"
                        ? compose::blend_poisson(plate, layer.rgb, layer.mask)
                        : compose::blend_multiband(plate, layer.rgb, layer.mask);
    ImageF where(layer.mask.width, layer.mask.height, 1);
    for (size_t p = 0; p < where.data.size(); ++p)
      where.data[p] = layer.mask.data[p] > 0 ? 1.0f : 0.0f;
    frame.blend_rgb(layer.region, joined, where);
  }
};

std::shared_ptr<const Renderer::Loaded> Renderer::load(const std::filesystem::path& path,
                                                       const SwapOptions& options) {
  auto loaded = std::make_shared<Loaded>();
  loaded->device = nets::pick_device(options.device);
  loaded->model = train::load_model(path, options.device);
  auto& extras = loaded->model.extras;
  loaded->mesh = extras.metadata.value("space", "") == "mesh";
  loaded->crop_type = face::crop_type(extras.metadata.value("crop_type", "whole"));
  if (loaded->mesh) {
    auto blob = extras.blobs.find("appearance");
    if (blob == extras.blobs.end())
      throw Error(ErrorCode::kDamaged, path.string() + " has no appearance model",
                  "train the model again, or restore an earlier checkpoint");
    loaded->appearance = Appearance::parse(blob->second);
    if (loaded->appearance.layout().size_px != loaded->model.options.resolution_px)
      throw Error(ErrorCode::kDamaged,
                  path.string() + ": network and appearance model differ in size",
                  "train the model again, or restore an earlier checkpoint");
  }
  auto precision = nets::pick_precision(options.precision, loaded->device);
  loaded->model.net->to(nets::scalar_type(precision));
  loaded->model.net->eval();
  return loaded;
}

Renderer::Renderer(const std::filesystem::path& path, const SwapOptions& given) {
  SwapOptions options = given;
  validate_options(options);
  impl_.reset(new Impl{options, load(path, options)});
}
Renderer::Renderer(const Renderer& other, const SwapOptions& given) {
  SwapOptions options = given;
  validate_options(options);
  LIKENESS_REQUIRE(options.device == other.impl_->options.device &&
                   options.precision == other.impl_->options.precision);
  impl_.reset(new Impl{options, other.impl_->loaded});
}
Renderer::~Renderer() = default;

int64_t Renderer::step() const { return impl_->model.step; }

void Renderer::render(media::Frame& frame, const std::vector<Target>& targets,
                      const std::vector<Polygon>& polygons, ImageF* used) const {
  if (used && used->empty()) *used = ImageF(frame.width(), frame.height(), 1);
  for (const Target& target : targets) {
    if (!finite(target.face.points))
      throw Error(ErrorCode::kDamaged, "a stored face has impossible landmarks",
                  "run `likeness extract` on this clip again");
    const auto drawn = drawn_here(polygons, frame.index, target.face.track);
    const bool include = std::any_of(drawn.begin(), drawn.end(),
                                     [](const Polygon* p) { return p->kind == Drawn::kInclude; });
    Layer layer = impl_->layer(frame, target.face, include);
    if (layer.region.empty()) continue;
    draw_polygons(layer, drawn, target.face.points, frame.width(), frame.height());
    impl_->finish(frame, target, layer);
    if (used) raise(*used, layer);
  }
}

Renderer::Generated Renderer::generate(const media::Frame& frame, const face::Face& f) const {
  Generated out;
  impl_->layer(frame, f, false, &out);
  return out;
}

}  // namespace likeness::swap
