// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "likeness/compose/compose.h"
#include "likeness/compose/internal.h"

namespace likeness::compositing {
namespace {

// Adds the signed area that lies to the right of edge a -> b to the row buffers, as differences
// along x: after a running sum over x every pixel holds winding number times coverage. Exact for
// straight edges.
void accumulate_edge(std::vector<double>& rows, int width, int height, double ax, double ay,
                     double bx, double by) {
  if (ay == by) return;
  const double sign = ay < by ? 1.0 : -1.0;
  if (ay > by) std::swap(ax, bx), std::swap(ay, by);
  const double slope = (bx - ax) / (by - ay);
  const double top = std::max(ay, 0.0), bottom = std::min<double>(by, height);
  const int stride = width + 2;
  for (int y = static_cast<int>(std::floor(top)); y < bottom; ++y) {
    const double y0 = std::max<double>(top, y), y1 = std::min<double>(bottom, y + 1);
    if (y1 <= y0) continue;
    const double xa = std::clamp(ax + (y0 - ay) * slope, 0.0, static_cast<double>(width));
    const double xb = std::clamp(ax + (y1 - ay) * slope, 0.0, static_cast<double>(width));
    const double x0 = std::min(xa, xb), x1 = std::max(xa, xb), area = sign * (y1 - y0);
    double* row = rows.data() + static_cast<size_t>(y) * stride;
    const int first = static_cast<int>(x0), last = static_cast<int>(std::ceil(x1)) - 1;
    if (last <= first) {  // inside one pixel column
      const double left_share = 1.0 - (0.5 * (x0 + x1) - first);
      row[first] += area * left_share;
      row[first + 1] += area * (1 - left_share);
      continue;
    }
    // Coverage of column k right of the edge, summed up to k, is the integral of the edge's
    // progress.
    const double rate = area / (x1 - x0);
    double before = 0;
    for (int k = first; k <= last; ++k) {
      const double from = std::max<double>(k, x0), to = std::min<double>(k + 1, x1);
      const double done_from = rate * (from - x0), done_to = rate * (to - x0);
      const double covered = 0.5 * (done_from + done_to) * (to - from) + done_to * (k + 1 - to);
      row[k] += covered - before;
      before = covered;
    }
    row[last + 1] += area - before;
  }
}

float edge_coverage(const ImageF& mask, int x, int y) {
  const float m = mask.at(x, y);
  if (m <= 0 || m >= 1) return m > 0 ? 1.0f : 0.0f;
  const int w = mask.width, h = mask.height;
  const float dx = mask.at(std::min(x + 1, w - 1), y) - mask.at(std::max(x - 1, 0), y);
  const float dy = mask.at(x, std::min(y + 1, h - 1)) - mask.at(x, std::max(y - 1, 0));
  const float rise = std::hypot(dx, dy);  // over two pixels: 1 and more at an antialiased edge
  if (rise >= 1) return m;
  const float ramp = rise > 1e-4f ? std::clamp(2 * (m - 0.5f) / rise + 0.5f, 0.0f, 1.0f)
                                  : (m >= 0.5f ? 1.0f : 0.0f);
  const float t = std::clamp((rise - 0.8f) / 0.2f, 0.0f, 1.0f);
  return ramp + t * t * (3 - 2 * t) * (m - ramp);
}

// Distance from a pixel's centre to a straight edge with normal direction (dx, dy) that leaves
// `coverage` of the pixel on the inner side; positive when the centre is outside. Geometry of a
// half-plane cutting the unit square.
float centre_to_edge(float dx, float dy, float coverage) {
  float a = std::fabs(dx), b = std::fabs(dy);
  const float length = std::sqrt(a * a + b * b);
  if (length <= 0) return 0.5f - coverage;
  a /= length;
  b /= length;
  if (a < b) std::swap(a, b);
  const float corner = 0.5f * b / a;
  if (coverage < corner) return 0.5f * (a + b) - std::sqrt(2 * a * b * coverage);
  if (coverage <= 1 - corner) return (0.5f - coverage) * a;
  return -0.5f * (a + b) + std::sqrt(2 * a * b * (1 - coverage));
}

constexpr int kFar = 1 << 20;

// Per pixel the signed row offset of the nearest pixel of its column that is not wholly inside.
std::vector<int> column_offsets(const ImageF& coverage) {
  const int w = coverage.width, h = coverage.height;
  std::vector<int> offset(static_cast<size_t>(w) * h);
  std::vector<int> run(w, -kFar);
  for (int y = 0; y < h; ++y) {
    const float* c = coverage.row(y);
    int* o = offset.data() + static_cast<size_t>(y) * w;
    for (int x = 0; x < w; ++x) o[x] = run[x] = c[x] < 1 ? 0 : std::max(run[x] - 1, -kFar);
  }
  std::fill(run.begin(), run.end(), kFar);
  for (int y = h - 1; y >= 0; --y) {
    const float* c = coverage.row(y);
    int* o = offset.data() + static_cast<size_t>(y) * w;
    for (int x = 0; x < w; ++x) {
      run[x] = c[x] < 1 ? 0 : std::min(run[x] + 1, kFar);
      o[x] = run[x] < -o[x] ? run[x] : o[x];
    }
  }
  return offset;
}

// Lower envelope of the parabolas (x - q)^2 + offset(q)^2 (Felzenszwalb and Huttenlocher 2012).
struct Envelope {
  std::vector<int> site;
  std::vector<float> from;
  explicit Envelope(int w) : site(w + 1), from(w + 2) {}

  int build(const int* offset, int w) {
    int k = -1;
    for (int q = 0; q < w; ++q) {
      if (std::abs(offset[q]) >= kFar) continue;
      const float fq = static_cast<float>(offset[q]) * offset[q];
      float s = -1e30f;
      while (k >= 0) {
        const int v = site[k];
        const float fv = static_cast<float>(offset[v]) * offset[v];
        s = 0.5f * ((fq - fv) / static_cast<float>(q - v) + static_cast<float>(q + v));
        if (s > from[k]) break;
        --k;
      }
      if (k < 0) s = -1e30f;
      site[++k] = q;
      from[k] = s;
    }
    from[k + 1] = 1e30f;
    return k + 1;
  }
};

// The nearest cut pixel (qx, qy) by centres need not hold the nearest piece of the edge: the ones
// beside and behind it are asked too, and the smallest answer wins (a pixel without coverage gives
// an upper bound).
float distance_to_edge(const ImageF& coverage, int x, int y, int qx, int qy) {
  float best = detail::kNoEdge;
  const int sx = qx >= x ? 1 : -1, sy = qy >= y ? 1 : -1;
  const int steps[3][2] = {{0, 0}, {sx, 0}, {0, sy}};
  for (const auto& step : steps) {
    const int cx = qx + step[0], cy = qy + step[1];
    if (cx < 0 || cy < 0 || cx >= coverage.width || cy >= coverage.height) continue;
    const float c = coverage.at(cx, cy);
    if (c >= 1) continue;
    const float dx = static_cast<float>(cx - x), dy = static_cast<float>(cy - y);
    best = std::min(best, std::sqrt(dx * dx + dy * dy) - centre_to_edge(dx, dy, c));
  }
  return best;
}

ImageF dilate(const ImageF& mask, float radius) {
  ImageF outside(mask.width, mask.height, 1);
  for (size_t i = 0; i < mask.data.size(); ++i) outside.data[i] = 1 - mask.data[i];
  const ImageF distance = detail::inside_distance(outside);
  ImageF out = mask;
  for (size_t i = 0; i < out.data.size(); ++i)
    out.data[i] = std::max(out.data[i], std::clamp(radius - distance.data[i] + 0.5f, 0.0f, 1.0f));
  return out;
}

template <typename F>
ImageF combine(const ImageF& a, const ImageF& b, const char* name, F f) {
  detail::require_same_size(a, b, name);
  detail::require_channels(a, 1, 1, name);
  detail::require_channels(b, 1, 1, name);
  ImageF out(a.width, a.height, 1);
  for (size_t i = 0; i < out.data.size(); ++i) out.data[i] = f(a.data[i], b.data[i]);
  return out;
}

}  // namespace

namespace detail {

Rect support(const ImageF& mask, int margin) {
  Rect r{mask.width, mask.height, 0, 0};
  for (int y = 0; y < mask.height; ++y) {
    const float* row = mask.row(y);
    int first = 0, last = mask.width;
    while (first < mask.width && !(row[first] > 0)) ++first;
    if (first == mask.width) continue;
    while (!(row[last - 1] > 0)) --last;
    r.x0 = std::min(r.x0, first);
    r.x1 = std::max(r.x1, last);
    r.y0 = std::min(r.y0, y);
    r.y1 = y + 1;
  }
  if (r.empty()) return {};
  return {std::max(0, r.x0 - margin), std::max(0, r.y0 - margin),
          std::min(mask.width, r.x1 + margin), std::min(mask.height, r.y1 + margin)};
}

ImageF crop(const ImageF& image, Rect r) {
  ImageF out(r.width(), r.height(), image.channels);
  const size_t n = static_cast<size_t>(out.width) * out.channels;
  for (int y = 0; y < out.height; ++y) std::copy_n(&image.at(r.x0, r.y0 + y), n, out.row(y));
  return out;
}

void paste(ImageF& image, const ImageF& part, Rect r) {
  const size_t n = static_cast<size_t>(part.width) * part.channels;
  for (int y = 0; y < part.height; ++y) std::copy_n(part.row(y), n, &image.at(r.x0, r.y0 + y));
}

ImageF inside_distance(const ImageF& mask) {
  const int w = mask.width, h = mask.height;
  ImageF coverage(w, h, 1), out(w, h, 1);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) coverage.at(x, y) = edge_coverage(mask, x, y);
  const std::vector<int> offsets = column_offsets(coverage);
  Envelope envelope(w);
  for (int y = 0; y < h; ++y) {
    const int* offset = offsets.data() + static_cast<size_t>(y) * w;
    const float* c = coverage.row(y);
    float* d = out.row(y);
    if (envelope.build(offset, w) == 0) {
      std::fill(d, d + w, kNoEdge);
      continue;
    }
    for (int x = 0, k = 0; x < w; ++x) {
      if (c[x] < 1) {
        d[x] = c[x] - 0.5f;
        continue;
      }
      while (envelope.from[k + 1] < x) ++k;
      d[x] = distance_to_edge(coverage, x, y, envelope.site[k], y + offset[envelope.site[k]]);
    }
  }
  return out;
}

ImageF shrink_soft(const ImageF& mask, const ImageF& distance, float erode_px, float blur_px) {
  float deepest = 0;
  for (float d : distance.data) deepest = std::max(deepest, d);
  if (deepest >= kNoEdge) return mask;
  ImageF out(mask.width, mask.height, 1);
  if (deepest + 0.5f <= erode_px) return out;
  // A blur wider than the shape would leave nothing of it: it fades over half of its depth at most.
  const float reach = std::min(blur_px, 0.5f * std::max(0.0f, deepest - erode_px));
  const bool soft = reach >= 0.25f;
  const float shift = erode_px + (soft ? reach : 0) - 0.5f;
  for (size_t i = 0; i < out.data.size(); ++i)
    out.data[i] = std::min(mask.data[i], std::clamp(distance.data[i] - shift, 0.0f, 1.0f));
  if (!soft) return out;
  gaussian_blur_xy(out, reach / 2, reach / 2);
  // The edge was moved inwards by two sigma: what Gaussian tail is left at the old edge, Phi(-2),
  // is taken off.
  constexpr float kTail = 0.02275f, kGain = 1 / (1 - 2 * kTail);
  for (size_t i = 0; i < out.data.size(); ++i) {
    const float shape = std::clamp(distance.data[i] - erode_px + 0.5f, 0.0f, 1.0f);
    const float value = std::clamp((out.data[i] - kTail) * kGain, 0.0f, 1.0f) * shape;
    out.data[i] = mask.data[i] > 0 ? value : 0.0f;
  }
  return out;
}

}  // namespace detail

ImageF polygon_mask(int width, int height, const std::vector<Point2>& outline) {
  detail::require_range(width, 0, 1 << 16, "polygon_mask: width");
  detail::require_range(height, 0, 1 << 16, "polygon_mask: height");
  ImageF mask(width, height, 1);
  for (Point2 p : outline)
    if (!std::isfinite(p.x) || !std::isfinite(p.y) || std::fabs(p.x) > 1e7f ||
        std::fabs(p.y) > 1e7f)
      throw Error(ErrorCode::kUsage, "polygon_mask: a corner of the outline is not a usable number",
                  "check the landmarks of this frame");
  if (outline.size() < 3 || mask.empty()) return mask;
  std::vector<double> rows(static_cast<size_t>(width + 2) * height, 0.0);
  for (size_t i = 0; i < outline.size(); ++i) {
    const Point2 a = outline[i], b = outline[(i + 1) % outline.size()];
    accumulate_edge(rows, width, height, a.x, a.y, b.x, b.y);
  }
  for (int y = 0; y < height; ++y) {
    const double* row = rows.data() + static_cast<size_t>(y) * (width + 2);
    double sum = 0;
    for (int x = 0; x < width; ++x) {
      sum += row[x];
      const double covered = std::min(1.0, std::fabs(sum));
      mask.at(x, y) = covered < 1e-9 ? 0.0f : static_cast<float>(covered);
    }
  }
  return mask;
}

std::vector<Point2> convex_hull(std::vector<Point2> points) {
  std::erase_if(points, [](Point2 p) { return !std::isfinite(p.x) || !std::isfinite(p.y); });
  std::sort(points.begin(), points.end(),
            [](Point2 a, Point2 b) { return a.x < b.x || (a.x == b.x && a.y < b.y); });
  points.erase(std::unique(points.begin(), points.end(),
                           [](Point2 a, Point2 b) { return a.x == b.x && a.y == b.y; }),
               points.end());
  if (points.size() < 3) return points;
  auto turn = [](Point2 o, Point2 a, Point2 b) {
    return (static_cast<double>(a.x) - o.x) * (static_cast<double>(b.y) - o.y) -
           (static_cast<double>(a.y) - o.y) * (static_cast<double>(b.x) - o.x);
  };
  std::vector<Point2> hull;  // Andrew's monotone chain: lower, then upper
  for (int pass = 0; pass < 2; ++pass) {
    const size_t base = hull.size();
    for (Point2 p : points) {
      while (hull.size() >= base + 2 && turn(hull[hull.size() - 2], hull.back(), p) <= 0)
        hull.pop_back();
      hull.push_back(p);
    }
    hull.pop_back();
    std::reverse(points.begin(), points.end());
  }
  return hull;
}

namespace {

/// change(value, covered, index) gives the new value of what is covered.
template <typename F>
void change_drawn(ImageF& mask, const ImageF& drawn, const ImageF* other, const char* name,
                  F&& change) {
  for (const ImageF* image : {static_cast<const ImageF*>(&mask), &drawn, other}) {
    if (!image) continue;
    detail::require_same_size(mask, *image, name);
    detail::require_channels(*image, 1, 1, name);
  }
  for (size_t i = 0; i < mask.data.size(); ++i)
    if (const float covered = drawn.data[i]; covered > 0)
      mask.data[i] = change(mask.data[i], covered, i);
}

}  // namespace

void exclude_drawn(ImageF& mask, const ImageF& drawn) {
  change_drawn(mask, drawn, nullptr, "exclude_drawn",
               [](float value, float covered, size_t) { return value * (1 - covered); });
}
void include_drawn(ImageF& mask, const ImageF& drawn, const ImageF* limit) {
  change_drawn(mask, drawn, limit, "include_drawn", [&](float value, float covered, size_t i) {
    return std::max(value, covered * (limit ? limit->data[i] : 1.0f));
  });
}
void erase_drawn(ImageF& mask, const ImageF& drawn, const ImageF& value) {
  change_drawn(mask, drawn, &value, "erase_drawn", [&](float now, float covered, size_t i) {
    return covered >= 1 ? value.data[i] : now + covered * (value.data[i] - now);
  });
}

ImageF stroke_mask(int width, int height, const std::vector<Point2>& path, float radius) {
  detail::require_range(width, 0, 1 << 16, "stroke_mask: width");
  detail::require_range(height, 0, 1 << 16, "stroke_mask: height");
  const auto usable = [](float v) { return std::fabs(v) <= 1e7f; };  // false for NaN
  if (!usable(radius) || radius < 0 ||
      !std::all_of(path.begin(), path.end(), [&](Point2 p) { return usable(p.x) && usable(p.y); }))
    throw Error(ErrorCode::kUsage, "stroke_mask: the path or its radius is not a usable number",
                "check the landmarks of this frame");
  ImageF mask(width, height, 1);
  for (size_t i = 0; i < path.size(); ++i) {
    const Point2 a = path[i], b = path[std::min(i + 1, path.size() - 1)];
    const float reach = radius + 1, dx = b.x - a.x, dy = b.y - a.y, along = dx * dx + dy * dy;
    const auto from = [](float v, int most) {
      return static_cast<int>(std::clamp(std::floor(v), 0.0f, static_cast<float>(most)));
    };
    const int x0 = from(std::min(a.x, b.x) - reach, width),
              x1 = from(std::max(a.x, b.x) + reach + 1, width),
              y0 = from(std::min(a.y, b.y) - reach, height),
              y1 = from(std::max(a.y, b.y) + reach + 1, height);
    for (int y = y0; y < y1; ++y)
      for (int x = x0; x < x1; ++x) {
        const float px = static_cast<float>(x) + 0.5f - a.x,
                    py = static_cast<float>(y) + 0.5f - a.y;
        const float t = along > 0 ? std::clamp((px * dx + py * dy) / along, 0.0f, 1.0f) : 0.0f;
        const float away = std::hypot(px - t * dx, py - t * dy);
        float& to = mask.at(x, y);
        to = std::max(to, std::clamp(radius + 0.5f - away, 0.0f, 1.0f));
      }
  }
  return mask;
}

ImageF erode_blur(const ImageF& mask, float erode_px, float blur_px) {
  detail::require_channels(mask, 1, 1, "erode_blur");
  detail::require_range(erode_px, -4096, 4096, "erode_blur: erode_px");
  detail::require_range(blur_px, 0, 4096, "erode_blur: blur_px");
  if (mask.empty() || (erode_px == 0 && blur_px == 0)) return mask;
  const int margin = 2 + static_cast<int>(std::ceil(std::max(0.0f, -erode_px)));
  const Rect region = detail::support(mask, margin);
  if (region.empty()) return mask;
  ImageF part = detail::crop(mask, region);
  if (erode_px < 0) part = dilate(part, -erode_px);
  if (erode_px > 0 || blur_px > 0)
    part =
        detail::shrink_soft(part, detail::inside_distance(part), std::max(erode_px, 0.0f), blur_px);
  ImageF out(mask.width, mask.height, 1);
  detail::paste(out, part, region);
  return out;
}

ImageF multiply(const ImageF& a, const ImageF& b) {
  return combine(a, b, "multiply", [](float x, float y) { return x * y; });
}
ImageF maximum(const ImageF& a, const ImageF& b) {
  return combine(a, b, "maximum", [](float x, float y) { return std::max(x, y); });
}
ImageF subtract(const ImageF& a, const ImageF& b) {
  return combine(a, b, "subtract", [](float x, float y) { return std::max(0.0f, x - y); });
}

}  // namespace likeness::compositing
