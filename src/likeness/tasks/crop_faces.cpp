// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/crop_faces.h"

#include <algorithm>

#include "likeness/compose/compose.h"
#include "likeness/face/geometry.h"

namespace likeness::tasks {
namespace {

/// The image under the crop, and where it lies.
Rect region_of(const Affine2& image_from_crop, int size_px, int width, int height) {
  const auto s = static_cast<float>(size_px);
  Box box{1e9f, 1e9f, -1e9f, -1e9f};
  for (Point2 p : {Point2{0, 0}, Point2{s, 0}, Point2{0, s}, Point2{s, s}}) {
    const Point2 q = image_from_crop(p);
    box = {std::min(box.x0, q.x), std::min(box.y0, q.y), std::max(box.x1, q.x),
           std::max(box.y1, q.y)};
  }
  return clip_rect(box, 3, width, height);
}

Image8 cut(const media::Frame& frame, const Affine2& crop_from_image, int size_px) {
  const Rect r = region_of(crop_from_image.inverse(), size_px, frame.width(), frame.height());
  if (r.empty()) return Image8(size_px, size_px, 3);
  ImageF region = frame.rgb_float(r);
  Affine2 image_from_region{{1, 0, static_cast<float>(r.x0), 0, 1, static_cast<float>(r.y0)}};
  const float scale = crop_from_image.scale();
  if (scale < 0.6f) {  // area-average first: a bicubic tap would alias
    const int w = std::max(1, static_cast<int>(std::lround(region.width * scale)));
    const int h = std::max(1, static_cast<int>(std::lround(region.height * scale)));
    const float sx = static_cast<float>(region.width) / static_cast<float>(w);
    const float sy = static_cast<float>(region.height) / static_cast<float>(h);
    region = compose::resize(region, w, h);
    image_from_region = compose(image_from_region, Affine2{{sx, 0, 0, 0, sy, 0}});
  }
  return to_uint8(
      compose::warp_affine(region, compose(crop_from_image, image_from_region), size_px, size_px));
}

Point2 centre_in_image(const faceset::Item& item, int size_px) {
  const float half = static_cast<float>(size_px) / 2;
  return item.crop_from_image.inverse()({half, half});
}

}  // namespace

Crop crop_face(const media::Frame& frame, const face::Face& face, face::CropType type, int size_px,
               const std::string& source, const std::string& source_hash) {
  Crop out;
  faceset::Item& item = out.item;
  item.id = faceset::item_id(source_hash, face.frame, face.track);
  item.source = source;
  item.source_hash = source_hash;
  item.frame = face.frame;
  item.time_s = frame.time.value();
  item.track = face.track;
  item.crop_from_image = face::crop_from_image(face.points, type, size_px);
  const float scale = item.crop_from_image.scale();
  for (size_t i = 0; i < face.points.size(); ++i) {
    const Point2 p = item.crop_from_image({face.points[i].x, face.points[i].y});
    item.points[i] = {p.x, p.y, face.points[i].z * scale};
  }
  item.pose = face.pose;
  item.quality = face.quality;
  item.has_embedding = face.has_embedding;
  item.embedding = face.embedding;
  item.manual = face.manual;
  out.image = cut(frame, item.crop_from_image, size_px);
  return out;
}

bool same_face(const faceset::Item& a, const faceset::Item& b, int size_px) {
  if (a.frame != b.frame || a.source_hash != b.source_hash) return false;
  const float side = static_cast<float>(size_px) / std::max(1e-6f, a.crop_from_image.scale());
  return distance(centre_in_image(a, size_px), centre_in_image(b, size_px)) < 0.3f * side;
}

}  // namespace likeness::tasks
