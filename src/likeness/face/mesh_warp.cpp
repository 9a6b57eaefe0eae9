// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/mesh_warp.h"

#include <algorithm>

#include <opencv2/imgproc.hpp>

#include "likeness/base/error.h"
#include "likeness/face/geometry.h"

namespace likeness::face {
namespace {

constexpr float kNowhere = -1e4f;

struct Triangle2 {
  Point2 a, b, c;
  float double_area() const { return (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y); }
};

/// Calls body(x, y, wa, wb, wc) for every pixel centre inside (edges included by a hair).
template <typename F>
void rasterise(const Triangle2& t, const Rect& clip, F&& body) {
  float area = t.double_area();
  if (std::fabs(area) < 1e-6f) return;
  float inverse = 1.0f / area;
  int x0 = std::max(clip.x0, static_cast<int>(std::floor(std::min({t.a.x, t.b.x, t.c.x}) - 0.5f)));
  int x1 = std::min(clip.x1, static_cast<int>(std::ceil(std::max({t.a.x, t.b.x, t.c.x}) + 0.5f)));
  int y0 = std::max(clip.y0, static_cast<int>(std::floor(std::min({t.a.y, t.b.y, t.c.y}) - 0.5f)));
  int y1 = std::min(clip.y1, static_cast<int>(std::ceil(std::max({t.a.y, t.b.y, t.c.y}) + 0.5f)));
  constexpr float kHair = -1e-4f;
  for (int y = y0; y < y1; ++y)
    for (int x = x0; x < x1; ++x) {
      float px = x + 0.5f, py = y + 0.5f;
      float wb = ((px - t.a.x) * (t.c.y - t.a.y) - (t.c.x - t.a.x) * (py - t.a.y)) * inverse;
      float wc = ((t.b.x - t.a.x) * (py - t.a.y) - (px - t.a.x) * (t.b.y - t.a.y)) * inverse;
      float wa = 1.0f - wb - wc;
      if (wa >= kHair && wb >= kHair && wc >= kHair) body(x, y, wa, wb, wc);
    }
}

Point2 flat(const Point3& p) { return {p.x, p.y}; }

ImageF soft_polygons(int size, const std::vector<std::vector<Point2>>& outlines, float grow_px,
                     float sigma_px) {
  cv::Mat mask(size, size, CV_8U, cv::Scalar(0));
  for (const auto& outline : outlines) {
    std::vector<cv::Point> polygon;
    for (Point2 p : outline) polygon.emplace_back(cvRound(p.x * 16 - 8), cvRound(p.y * 16 - 8));
    const cv::Point* points = polygon.data();
    int count = static_cast<int>(polygon.size());
    cv::fillPoly(mask, &points, &count, 1, 255, cv::LINE_AA, 4);
  }
  if (grow_px > 0) {
    int d = std::max(1, cvRound(grow_px)) * 2 + 1;
    cv::dilate(mask, mask, cv::getStructuringElement(cv::MORPH_ELLIPSE, {d, d}));
  }
  cv::Mat soft;
  mask.convertTo(soft, CV_32F, 1 / 255.0);
  cv::GaussianBlur(soft, soft, {}, sigma_px);
  ImageF out(size, size, 1);
  for (int y = 0; y < size; ++y) std::copy_n(soft.ptr<float>(y), size, out.row(y));
  return out;
}

/// 0 to 1 over [0, 1], flat at both ends.
float smooth(float t) {
  t = std::clamp(t, 0.0f, 1.0f);
  return t * t * (3 - 2 * t);
}

/// Fills silhouette and inner. `from_y`: where the jaw's sides begin, the eyes' height.
void add_silhouette(MeshLayout& layout, float from_y) {
  // The oval lies a little outside what is seen of a jaw: 2 % of its radius (read off unwrapped
  // films).
  constexpr float kInside = 0.02f, kFall = 0.05f, kRamp = 0.08f;
  const int size = layout.size_px;
  Point2 centre;
  for (int i : face_oval()) centre = centre + layout.position_px[i];
  centre = centre * (1.0f / face_oval().size());
  std::vector<cv::Point> polygon;
  for (int i : face_oval()) {
    const Point2 p = centre + (layout.position_px[i] - centre) * (1 - kInside);
    polygon.emplace_back(cvRound(p.x * 16 - 8), cvRound(p.y * 16 - 8));
  }
  cv::Mat jaw(size, size, CV_8U, cv::Scalar(0)), distance, edge;
  cv::fillPoly(jaw, std::vector<std::vector<cv::Point>>{polygon}, 255, cv::LINE_8, 4);
  for (int y = 0; y < std::min(size, static_cast<int>(from_y)); ++y)
    for (int x = 0; x < size; ++x) jaw.at<uint8_t>(y, x) = layout.coverage.at(x, y) > 0 ? 255 : 0;
  cv::distanceTransform(jaw, distance, cv::DIST_L2, cv::DIST_MASK_PRECISE);
  jaw.convertTo(edge, CV_32F, 1 / 255.0);
  cv::GaussianBlur(edge, edge, {}, 1.5);
  cv::GaussianBlur(distance, distance, {}, 1.0);
  layout.silhouette = layout.coverage;
  layout.inner = layout.coverage;
  for (int y = 0; y < size; ++y) {
    const float low = smooth((static_cast<float>(y) - from_y) / (kRamp * size));
    for (int x = 0; x < size; ++x) {
      const float c = layout.coverage.at(x, y),
                  step = std::clamp(2 * edge.at<float>(y, x) - 0.5f, 0.0f, 1.0f),
                  fall = std::min(c, smooth(distance.at<float>(y, x) / (kFall * size)));
      layout.silhouette.at(x, y) += low * (step - c);
      layout.inner.at(x, y) += low * (fall - c);
    }
  }
}

/// Folded triangles leave single pixels without one: they take a neighbour's, whose map extends to
/// them.
void fill_holes(MeshLayout& layout) {
  int size = layout.size_px;
  for (bool again = true; again;) {
    again = false;
    std::vector<int> before = layout.triangle;
    for (int y = 0; y < size; ++y)
      for (int x = 0; x < size; ++x) {
        size_t at = static_cast<size_t>(y) * size + x;
        if (before[at] >= 0 || layout.coverage.at(x, y) <= 0) continue;
        for (auto [dx, dy] : {std::pair{-1, 0}, {1, 0}, {0, -1}, {0, 1}}) {
          int u = x + dx, v = y + dy;
          if (u < 0 || v < 0 || u >= size || v >= size ||
              before[static_cast<size_t>(v) * size + u] < 0)
            continue;
          layout.triangle[at] = before[static_cast<size_t>(v) * size + u];
          again = true;
          break;
        }
      }
  }
}

template <typename T>
void sample_bilinear(const ImageT<T>& image, Point2 p, float* out) {
  float x = std::clamp(p.x - 0.5f, 0.0f, image.width - 1.001f);
  float y = std::clamp(p.y - 0.5f, 0.0f, image.height - 1.001f);
  int x0 = std::max(0, static_cast<int>(x)), y0 = std::max(0, static_cast<int>(y));
  int x1 = std::min(x0 + 1, image.width - 1), y1 = std::min(y0 + 1, image.height - 1);
  float fx = x - x0, fy = y - y0;
  const T *a = &image.at(x0, y0), *b = &image.at(x1, y0), *c = &image.at(x0, y1),
          *d = &image.at(x1, y1);
  for (int k = 0; k < 3; ++k) {
    float top = a[k] + fx * (b[k] - a[k]), bottom = c[k] + fx * (d[k] - c[k]);
    out[k] = top + fy * (bottom - top);
  }
}

template <typename T>
ImageF unwrap_any(const ImageT<T>& image, const Points& points, const MeshLayout& layout,
                  float scale) {
  WarpPoints mesh = with_ring(points, layout.ring);
  const auto& triangles = warp_triangles();
  int size = layout.size_px;
  ImageF out(size, size, 3);
  double image_area = 0, layout_area = 0;
  for (const auto& t : triangles) {
    image_area +=
        std::fabs(Triangle2{flat(mesh[t[0]]), flat(mesh[t[1]]), flat(mesh[t[2]])}.double_area());
    layout_area += std::fabs(
        Triangle2{layout.position_px[t[0]], layout.position_px[t[1]], layout.position_px[t[2]]}
            .double_area());
  }
  // One triangle's map is affine, so neighbours of a sample are steps along its columns.
  bool average = image_area > 1.8 * layout_area;
  struct Map {
    Point2 origin, dx, dy;
  };
  std::vector<Map> maps(triangles.size());
  for (size_t i = 0; i < triangles.size(); ++i) {
    const auto& t = triangles[i];
    Triangle2 l{layout.position_px[t[0]], layout.position_px[t[1]], layout.position_px[t[2]]};
    float area = l.double_area();
    if (std::fabs(area) < 1e-9f) continue;
    Point2 a = flat(mesh[t[0]]), ab = flat(mesh[t[1]]) - a, ac = flat(mesh[t[2]]) - a;
    float bx = (l.c.y - l.a.y) / area, by = -(l.c.x - l.a.x) / area;
    float cx = -(l.b.y - l.a.y) / area, cy = (l.b.x - l.a.x) / area;
    maps[i].dx = ab * bx + ac * cx;
    maps[i].dy = ab * by + ac * cy;
    maps[i].origin = a - maps[i].dx * l.a.x - maps[i].dy * l.a.y;
  }
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) {
      int index = layout.triangle[static_cast<size_t>(y) * size + x];
      if (index < 0) continue;
      const Map& m = maps[index];
      float* o = &out.at(x, y);
      Point2 p = m.origin + m.dx * (x + 0.5f) + m.dy * (y + 0.5f);
      if (!average) {
        sample_bilinear(image, p, o);
      } else {
        float sum[3] = {0, 0, 0}, s[3];
        for (float v : {-0.25f, 0.25f})
          for (float u : {-0.25f, 0.25f}) {
            sample_bilinear(image, p + m.dx * u + m.dy * v, s);
            for (int k = 0; k < 3; ++k) sum[k] += s[k];
          }
        for (int k = 0; k < 3; ++k) o[k] = sum[k] * 0.25f;
      }
      for (int k = 0; k < 3; ++k) o[k] *= scale;
    }
  return out;
}

}  // namespace

WarpPoints with_ring(const Points& points, float ring) {
  WarpPoints out;
  std::copy_n(points.begin(), kMeshPoints, out.begin());
  const auto& oval = face_oval();
  Point2 centre;
  for (int i : oval) centre = centre + flat(points[i]);
  centre = centre * (1.0f / oval.size());
  for (int i = 0; i < kRingPoints; ++i) {
    const Point3& p = points[oval[i]];
    Point2 q = centre + (flat(p) - centre) * (1 + ring);
    out[kMeshPoints + i] = {q.x, q.y, p.z};
  }
  return out;
}

const std::vector<std::array<int, 3>>& warp_triangles() {
  static const std::vector<std::array<int, 3>> triangles = [] {
    auto all = canonical_face().triangles;
    const auto& oval = face_oval();
    for (int i = 0; i < kRingPoints; ++i) {
      int j = (i + 1) % kRingPoints;
      all.push_back({oval[i], oval[j], kMeshPoints + i});
      all.push_back({oval[j], kMeshPoints + j, kMeshPoints + i});
    }
    return all;
  }();
  return triangles;
}

MeshLayout make_layout(const std::array<Point2, kMeshPoints>& shape, int size_px) {
  MeshLayout layout;
  layout.size_px = size_px;
  Points points{};
  for (int i = 0; i < kMeshPoints; ++i) points[i] = {shape[i].x, shape[i].y, 0};
  WarpPoints mesh = with_ring(points, layout.ring);
  Box box{1e9f, 1e9f, -1e9f, -1e9f};
  for (const Point3& p : mesh) {
    box.x0 = std::min(box.x0, p.x), box.y0 = std::min(box.y0, p.y);
    box.x1 = std::max(box.x1, p.x), box.y1 = std::max(box.y1, p.y);
  }
  float scale = (size_px - 2.0f) / std::max(box.width(), box.height());
  for (int i = 0; i < kWarpPoints; ++i)
    layout.position_px[i] =
        (flat(mesh[i]) - box.centre()) * scale + Point2{size_px / 2.0f, size_px / 2.0f};

  layout.triangle.assign(static_cast<size_t>(size_px) * size_px, -1);
  const auto& triangles = warp_triangles();
  for (size_t i = 0; i < triangles.size(); ++i) {
    const auto& t = triangles[i];
    rasterise({layout.position_px[t[0]], layout.position_px[t[1]], layout.position_px[t[2]]},
              {0, 0, size_px, size_px}, [&](int x, int y, float, float, float) {
                layout.triangle[static_cast<size_t>(y) * size_px + x] = static_cast<int>(i);
              });
  }
  auto outline = [&](const std::vector<int>& indices) {
    std::vector<Point2> points_px;
    for (int i : indices) points_px.push_back(layout.position_px[i]);
    return points_px;
  };
  std::vector<Point2> ring;
  for (int i = 0; i < kRingPoints; ++i) ring.push_back(layout.position_px[kMeshPoints + i]);
  // Falloff between the ring's edge and a little inside the oval.
  cv::Mat mask(size_px, size_px, CV_8U, cv::Scalar(0)), distance;
  std::vector<cv::Point> polygon;
  for (Point2 p : ring) polygon.emplace_back(cvRound(p.x), cvRound(p.y));
  cv::fillPoly(mask, std::vector<std::vector<cv::Point>>{polygon}, 255);
  cv::distanceTransform(mask, distance, cv::DIST_L2, cv::DIST_MASK_PRECISE);
  float width = 0.5f * layout.ring * size_px * 0.9f;
  layout.coverage = ImageF(size_px, size_px, 1);
  for (int y = 0; y < size_px; ++y)
    for (int x = 0; x < size_px; ++x)
      layout.coverage.at(x, y) = smooth((distance.at<float>(y, x) - 1.0f) / width);
  fill_holes(layout);
  add_silhouette(layout, (layout.position_px[33].y + layout.position_px[263].y) / 2);
  layout.priority =
      soft_polygons(size_px,
                    {outline(part_outline(Part::kLeftEye)), outline(part_outline(Part::kRightEye)),
                     outline(part_outline(Part::kLips)), outline(part_outline(Part::kLeftBrow)),
                     outline(part_outline(Part::kRightBrow))},
                    size_px * 0.02f, size_px * 0.012f);
  layout.eyes = soft_polygons(
      size_px, {outline(part_outline(Part::kLeftEye)), outline(part_outline(Part::kRightEye))}, 0,
      size_px * 0.006f);
  return layout;
}

ImageF unwrap(const Image8& image, const Points& points, const MeshLayout& layout) {
  return unwrap_any(image, points, layout, 1 / 255.0f);
}
ImageF unwrap(const ImageF& image, const Points& points, const MeshLayout& layout) {
  return unwrap_any(image, points, layout, 1.0f);
}

ImageF visibility(const Points& points, const MeshLayout& layout) {
  WarpPoints mesh = with_ring(points, layout.ring);
  const auto& triangles = warp_triangles();
  std::vector<float> facing(triangles.size());
  for (size_t i = 0; i < triangles.size(); ++i) {
    const Point3 &a = mesh[triangles[i][0]], &b = mesh[triangles[i][1]], &c = mesh[triangles[i][2]];
    float ux = b.x - a.x, uy = b.y - a.y, uz = b.z - a.z, vx = c.x - a.x, vy = c.y - a.y,
          vz = c.z - a.z;
    float nx = uy * vz - uz * vy, ny = uz * vx - ux * vz, nz = ux * vy - uy * vx;
    const auto& t = triangles[i];
    float sign =
        Triangle2{layout.position_px[t[0]], layout.position_px[t[1]], layout.position_px[t[2]]}
                    .double_area() < 0
            ? -1.0f
            : 1.0f;
    float length = std::sqrt(nx * nx + ny * ny + nz * nz) + 1e-9f;
    facing[i] = std::clamp((sign * nz / length - 0.15f) / 0.2f, 0.0f, 1.0f);
  }
  int size = layout.size_px;
  cv::Mat seen(size, size, CV_32F);
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) {
      int i = layout.triangle[static_cast<size_t>(y) * size + x];
      seen.at<float>(y, x) = i < 0 ? 0.0f : facing[i];
    }
  cv::erode(seen, seen, cv::Mat::ones(3, 3, CV_8U));
  cv::GaussianBlur(seen, seen, {}, size / 96.0);
  ImageF out(size, size, 1);
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x)
      out.at(x, y) =
          layout.triangle[static_cast<size_t>(y) * size + x] < 0 ? 0.0f : seen.at<float>(y, x);
  return out;
}

FrameMap map_frame(const Points& points, const MeshLayout& layout, int frame_width,
                   int frame_height) {
  WarpPoints mesh = with_ring(points, layout.ring);
  Box box{1e9f, 1e9f, -1e9f, -1e9f};
  for (const Point3& p : mesh) {
    box.x0 = std::min(box.x0, p.x), box.y0 = std::min(box.y0, p.y);
    box.x1 = std::max(box.x1, p.x), box.y1 = std::max(box.y1, p.y);
  }
  FrameMap map;
  map.region = clip_rect(box, 2, frame_width, frame_height);
  if (map.region.empty()) return map;
  int width = map.region.width();
  size_t count = static_cast<size_t>(width) * map.region.height();
  map.layout_px.assign(count, {kNowhere, kNowhere});
  std::vector<float> depth(count, 1e9f);
  for (const auto& t : warp_triangles()) {
    const Point3 &a = mesh[t[0]], &b = mesh[t[1]], &c = mesh[t[2]];
    Triangle2 frame{flat(a), flat(b), flat(c)};
    Point2 la = layout.position_px[t[0]], lb = layout.position_px[t[1]],
           lc = layout.position_px[t[2]];
    if (frame.double_area() * Triangle2{la, lb, lc}.double_area() <= 0) continue;  // faces away
    rasterise(frame, map.region, [&](int x, int y, float wa, float wb, float wc) {
      size_t at = static_cast<size_t>(y - map.region.y0) * width + (x - map.region.x0);
      float z = wa * a.z + wb * b.z + wc * c.z;
      if (z >= depth[at]) return;
      depth[at] = z;
      map.layout_px[at] = la * wa + lb * wb + lc * wc;
    });
  }
  return map;
}

namespace {

/// The loop over channels has to be known to the compiler: it is a tenth of a swap.
template <int kChannels>
void wrap_channels(const ImageF& image, const FrameMap& map, ImageF& out) {
  const auto cubic = [](float t, float* w) {
    w[0] = ((-0.5f * t + 1.0f) * t - 0.5f) * t;
    w[1] = (1.5f * t - 2.5f) * t * t + 1.0f;
    w[2] = ((-1.5f * t + 2.0f) * t + 0.5f) * t;
    w[3] = (0.5f * t - 0.5f) * t * t;
  };
  for (size_t i = 0; i < map.layout_px.size(); ++i) {
    const Point2 p = map.layout_px[i];
    if (p.x < -1e3f) continue;
    const float x = p.x - 0.5f, y = p.y - 0.5f;
    const int xi = static_cast<int>(std::floor(x)), yi = static_cast<int>(std::floor(y));
    float wx[4], wy[4];
    cubic(x - xi, wx);
    cubic(y - yi, wy);
    int column[4];
    for (int s = 0; s < 4; ++s) column[s] = std::clamp(xi + s - 1, 0, image.width - 1) * kChannels;
    float sum[kChannels] = {};
    for (int r = 0; r < 4; ++r) {
      const float* row = image.row(std::clamp(yi + r - 1, 0, image.height - 1));
      for (int s = 0; s < 4; ++s) {
        const float* q = row + column[s];
        const float w = wy[r] * wx[s];
        for (int k = 0; k < kChannels; ++k) sum[k] += w * q[k];
      }
    }
    std::copy_n(sum, kChannels, out.data.data() + i * kChannels);
  }
}

}  // namespace

ImageF wrap(const ImageF& image, const FrameMap& map) {
  ImageF out(map.region.width(), map.region.height(), image.channels);
  LIKENESS_REQUIRE(image.channels >= 1 && image.channels <= 3);
  if (image.channels == 1) wrap_channels<1>(image, map, out);
  if (image.channels == 2) wrap_channels<2>(image, map, out);
  if (image.channels == 3) wrap_channels<3>(image, map, out);
  return out;
}

}  // namespace likeness::face
