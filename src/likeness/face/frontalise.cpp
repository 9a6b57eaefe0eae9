// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/frontalise.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "likeness/base/error.h"
#include "likeness/face/raster.h"

namespace likeness::face {
namespace {

/// For each mesh point the one on the other half of the face.
const std::array<int, kMeshPoints>& mirror_index() {
  static const auto table = [] {
    const auto& position = canonical_face().position_cm;
    std::array<int, kMeshPoints> out;
    for (int i = 0; i < kMeshPoints; ++i) {
      float nearest = 1e9f;
      for (int j = 0; j < kMeshPoints; ++j) {
        const float dx = position[i].x + position[j].x, dy = position[i].y - position[j].y,
                    dz = position[i].z - position[j].z;
        const float d = dx * dx + dy * dy + dz * dz;
        if (d < nearest) nearest = d, out[i] = j;
      }
    }
    return out;
  }();
  return table;
}

float width_of(const Points& points) { return std::fabs(points[454].x - points[234].x); }

/// How well the camera sees each vertex, 0..1: facing it, and not behind other parts of the face.
std::array<float, kMeshPoints> visibility_of(const Points& points, int width, int height) {
  const auto normals = vertex_normals(points);
  const auto raster = raster_mesh(points, width, height);
  const float tolerance = 0.05f * eye_distance_px(points) + 1;
  // The outline of the mesh is not exactly that of the face: what lies on it may be background.
  cv::Mat cover(height, width, CV_8U), inside;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      cover.at<uint8_t>(y, x) = raster[static_cast<size_t>(y) * width + x].triangle >= 0 ? 255 : 0;
  cv::distanceTransform(cover, inside, cv::DIST_L2, 3);
  const float margin =
      std::max(1.f, 0.07f * std::max(width_of(points), 2 * eye_distance_px(points)));
  std::array<float, kMeshPoints> out;
  for (int i = 0; i < kMeshPoints; ++i) {
    const float facing = std::clamp((normals[i].z - 0.2f) / 0.4f, 0.f, 1.f);
    const int x = static_cast<int>(points[i].x), y = static_cast<int>(points[i].y);
    if (x < 0 || y < 0 || x >= width || y >= height) {
      out[i] = 0;
      continue;
    }
    const MeshPixel& front = raster[static_cast<size_t>(y) * width + x];
    const bool hidden = front.triangle >= 0 && front.z < points[i].z - tolerance;
    const float deep = std::clamp(inside.at<float>(y, x) / margin, 0.f, 1.f);
    out[i] = hidden ? 0 : deep * facing * facing * (3 - 2 * facing);
  }
  return out;
}

struct Rgb {
  float v[3] = {0, 0, 0};
};

Rgb sample(const Image8& image, float x, float y) {
  x = std::clamp(x - 0.5f, 0.f, static_cast<float>(image.width - 1));
  y = std::clamp(y - 0.5f, 0.f, static_cast<float>(image.height - 1));
  const int x0 = std::min(static_cast<int>(x), std::max(0, image.width - 2));
  const int y0 = std::min(static_cast<int>(y), std::max(0, image.height - 2));
  const int x1 = std::min(x0 + 1, image.width - 1), y1 = std::min(y0 + 1, image.height - 1);
  const float fx = x - static_cast<float>(x0), fy = y - static_cast<float>(y0);
  Rgb out;
  for (int c = 0; c < 3; ++c)
    out.v[c] = (1 - fy) * ((1 - fx) * image.at(x0, y0, c) + fx * image.at(x1, y0, c)) +
               fy * ((1 - fx) * image.at(x0, y1, c) + fx * image.at(x1, y1, c));
  return out;
}

/// The face's own shape without its pose, framed as a crop.
Points frontal_points(const Points& points, CropType type, int size_px) {
  HeadPose front;
  front.scale_px_per_cm = 10;
  Points out = image_from_canonical(canonical_from_image(points, solve_pose(points)), front);
  const Affine2 crop = crop_from_image(out, type, size_px);
  for (Point3& p : out) {
    const Point2 q = crop({p.x, p.y});
    p = {q.x, q.y, p.z * crop.scale()};
  }
  return out;
}

/// Where the trust is small, the colours of the nearest trusted pixels, smoother the further away.
void fill_holes(Image8& image, const ImageF& trust) {
  cv::Mat colour(image.height, image.width, CV_32FC3), cover(image.height, image.width, CV_32F);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      cover.at<float>(y, x) = trust.at(x, y);
      for (int c = 0; c < 3; ++c)
        colour.ptr<float>(y)[3 * x + c] = trust.at(x, y) * image.at(x, y, c);
    }
  cv::Mat filled = cv::Mat::zeros(colour.size(), CV_32FC3);
  cv::Mat filled_cover = cv::Mat::zeros(cover.size(), CV_32F);
  for (double sigma = image.width / 128.0; sigma < image.width / 2.0; sigma *= 2) {
    cv::Mat c, w;
    cv::GaussianBlur(colour, c, {}, sigma);
    cv::GaussianBlur(cover, w, {}, sigma);
    for (int y = 0; y < image.height; ++y)
      for (int x = 0; x < image.width; ++x) {
        const float here = w.at<float>(y, x);
        const float take = std::min(1 - filled_cover.at<float>(y, x), here);
        if (take <= 1e-4f) continue;
        for (int k = 0; k < 3; ++k)
          filled.ptr<float>(y)[3 * x + k] += take * c.ptr<float>(y)[3 * x + k] / here;
        filled_cover.at<float>(y, x) += take;
      }
  }
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const float w = filled_cover.at<float>(y, x), keep = trust.at(x, y);
      if (keep >= 1 || w < 1e-3f) continue;
      for (int c = 0; c < 3; ++c) {
        const float v = filled.ptr<float>(y)[3 * x + c] / w;
        image.at(x, y, c) = static_cast<uint8_t>(
            std::clamp(keep * image.at(x, y, c) + (1 - keep) * v + 0.5f, 0.f, 255.f));
      }
    }
}

struct Halves {
  std::vector<Rgb> own, mirrored;
  std::vector<float> own_weight, mirrored_weight;
};

/// Both candidates for every pixel: the skin itself and its counterpart on the other half.
Halves sample_halves(const Image8& image, const Points& points,
                     const std::vector<MeshPixel>& raster) {
  const auto visible = visibility_of(points, image.width, image.height);
  const auto& mirror = mirror_index();
  Halves out;
  out.own.resize(raster.size()), out.mirrored.resize(raster.size());
  out.own_weight.resize(raster.size()), out.mirrored_weight.resize(raster.size());
  for (size_t k = 0; k < raster.size(); ++k) {
    if (raster[k].triangle < 0) continue;
    const auto& t = canonical_face().triangles[raster[k].triangle];
    Point2 own{}, other{};
    for (int i = 0; i < 3; ++i) {
      const float w = raster[k].weight[i];
      const int m = mirror[t[i]];
      own.x += w * points[t[i]].x, own.y += w * points[t[i]].y;
      other.x += w * points[m].x, other.y += w * points[m].y;
      out.own_weight[k] += w * visible[t[i]];
      out.mirrored_weight[k] += w * visible[m];
    }
    out.own[k] = sample(image, own.x, own.y);
    out.mirrored[k] = sample(image, other.x, other.y);
  }
  return out;
}

/// Light seldom falls evenly: the mirrored half takes the level of this half where both are seen.
Rgb mirror_gain(const Halves& halves) {
  double own[3] = {0, 0, 0}, other[3] = {0, 0, 0}, weight = 0;
  for (size_t k = 0; k < halves.own.size(); ++k) {
    // The receiving side is the one seen worse.
    const float w = halves.own_weight[k] * halves.mirrored_weight[k];
    if (w <= 0 || halves.own_weight[k] > halves.mirrored_weight[k]) continue;
    weight += w;
    for (int c = 0; c < 3; ++c)
      own[c] += w * halves.own[k].v[c], other[c] += w * halves.mirrored[k].v[c];
  }
  Rgb gain{{1, 1, 1}};
  if (weight > 50)
    for (int c = 0; c < 3; ++c)
      gain.v[c] = std::clamp(static_cast<float>(own[c] / std::max(1.0, other[c])), 0.6f, 1.6f);
  return gain;
}

}  // namespace

Frontal frontalise(const Image8& image, const Points& points, CropType type, int size_px) {
  if (image.empty() || image.channels != 3)
    throw Error(ErrorCode::kBadInput, "frontalisation needs an RGB picture");
  LIKENESS_REQUIRE(size_px >= 16 && size_px <= 4096);
  Frontal out{Image8(size_px, size_px, 3), ImageF(size_px, size_px, 1), ImageF(size_px, size_px, 1),
              frontal_points(points, type, size_px)};
  const auto raster = raster_mesh(out.points, size_px, size_px, false);
  const Halves halves = sample_halves(image, points, raster);
  const Rgb gain = mirror_gain(halves);
  ImageF trust(size_px, size_px, 1);
  for (size_t k = 0; k < raster.size(); ++k) {
    if (raster[k].triangle < 0) continue;
    const int x = static_cast<int>(k) % size_px, y = static_cast<int>(k) / size_px;
    const float own = std::max(halves.own_weight[k], 1e-3f);
    const float other = (1 - halves.own_weight[k]) * halves.mirrored_weight[k];
    const float share = own / (own + other);
    out.mask.at(x, y) = 1;
    out.seen.at(x, y) = halves.own_weight[k];
    // Skin seen edge-on from either side is mostly background or hair: the neighbours know better.
    trust.at(x, y) = std::clamp((own + other - 0.05f) / 0.3f, 0.f, 1.f);
    for (int c = 0; c < 3; ++c) {
      const float v =
          share * halves.own[k].v[c] + (1 - share) * gain.v[c] * halves.mirrored[k].v[c];
      out.image.at(x, y, c) = static_cast<uint8_t>(std::clamp(v + 0.5f, 0.f, 255.f));
    }
  }
  fill_holes(out.image, trust);
  return out;
}

}  // namespace likeness::face
