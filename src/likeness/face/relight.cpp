// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/relight.h"

#include <algorithm>
#include <cmath>

#include <Eigen/Dense>
#include <opencv2/imgproc.hpp>

#include "likeness/base/error.h"
#include "likeness/face/raster.h"

namespace likeness::face {
namespace {

constexpr int kRounds = 6;  ///< of reweighting
constexpr float kMostGain = 3;
constexpr double kRidge = 0.02;  ///< keeps directions that no normal points to from exploding

float linear(uint8_t v) {  // IEC 61966-2-1
  const float x = static_cast<float>(v) / 255;
  return x <= 0.04045f ? x / 12.92f : std::pow((x + 0.055f) / 1.055f, 2.4f);
}
uint8_t encoded(float x) {
  x = std::clamp(x, 0.f, 1.f);
  const float v = x <= 0.0031308f ? 12.92f * x : 1.055f * std::pow(x, 1 / 2.4f) - 0.055f;
  return static_cast<uint8_t>(std::lround(255 * v));
}
const std::array<float, 256>& linear_table() {
  static const auto table = [] {
    std::array<float, 256> t;
    for (int i = 0; i < 256; ++i) t[i] = linear(static_cast<uint8_t>(i));
    return t;
  }();
  return table;
}

using Basis = Eigen::Matrix<double, 9, 1>;
Basis basis_of(const Point3& n) {
  Basis b;
  b << 1, n.y, n.z, n.x, n.x * n.y, n.y * n.z, 3 * n.z * n.z - 1, n.x * n.z, n.x * n.x - n.y * n.y;
  return b;
}

/// Pixels that are not skin: eyes, brows, lips.
cv::Mat holes_of(const Points& points, int width, int height) {
  cv::Mat holes = cv::Mat::zeros(height, width, CV_8U);
  for (Part part :
       {Part::kLeftEye, Part::kRightEye, Part::kLips, Part::kLeftBrow, Part::kRightBrow}) {
    std::vector<cv::Point> ring;
    for (int i : part_outline(part))
      ring.emplace_back(static_cast<int>(points[i].x), static_cast<int>(points[i].y));
    cv::fillPoly(holes, std::vector<std::vector<cv::Point>>{ring}, cv::Scalar(255));
  }
  const int reach = std::max(1, width / 64);
  cv::dilate(holes, holes, cv::Mat(), {-1, -1}, reach);
  return holes;
}

Point3 normal_at(const MeshPixel& pixel, const std::vector<Point3>& normals) {
  const auto& t = canonical_face().triangles[pixel.triangle];
  Point3 n{};
  for (int k = 0; k < 3; ++k) {
    n.x += pixel.weight[k] * normals[t[k]].x;
    n.y += pixel.weight[k] * normals[t[k]].y;
    n.z += pixel.weight[k] * normals[t[k]].z;
  }
  const float length = std::max(1e-6f, std::sqrt(n.x * n.x + n.y * n.y + n.z * n.z));
  return {n.x / length, n.y / length, n.z / length};
}

struct Sample {
  Basis basis;
  double luma = 0;
};

std::vector<Sample> skin_samples(const Image8& crop, const Points& points,
                                 const std::vector<MeshPixel>& raster) {
  const cv::Mat holes = holes_of(points, crop.width, crop.height);
  const auto normals = vertex_normals(points);
  const auto& table = linear_table();
  const int step = std::max(1, crop.width / 96);
  std::vector<Sample> out;
  for (int y = 0; y < crop.height; y += step)
    for (int x = 0; x < crop.width; x += step) {
      const MeshPixel& pixel = raster[static_cast<size_t>(y) * crop.width + x];
      if (pixel.triangle < 0 || holes.at<uint8_t>(y, x)) continue;
      const Point3 n = normal_at(pixel, normals);
      if (n.z < 0.15f) continue;  // seen edge-on: mostly not the face
      const uint8_t* p = &crop.at(x, y);
      out.push_back(
          {basis_of(n), 0.2126 * table[p[0]] + 0.7152 * table[p[1]] + 0.0722 * table[p[2]]});
    }
  return out;
}

/// Iteratively reweighted least squares with Cauchy weights: beards, glasses, highlights count
/// little.
Shading fit(const std::vector<Sample>& samples) {
  Shading shading;
  if (samples.size() < 50) {
    shading.coefficient[0] = 1;
    return shading;
  }
  Basis c = Basis::Zero();
  std::vector<double> weight(samples.size(), 1);
  for (int round = 0; round < kRounds; ++round) {
    Eigen::Matrix<double, 9, 9> normal = Eigen::Matrix<double, 9, 9>::Zero();
    Basis right = Basis::Zero();
    double sum = 0;
    for (size_t i = 0; i < samples.size(); ++i) {
      normal += weight[i] * samples[i].basis * samples[i].basis.transpose();
      right += weight[i] * samples[i].luma * samples[i].basis;
      sum += weight[i];
    }
    for (int k = 1; k < 9; ++k) normal(k, k) += kRidge * sum;
    c = normal.ldlt().solve(right);
    std::vector<double> residual;
    for (const Sample& s : samples) residual.push_back(std::fabs(s.luma - c.dot(s.basis)));
    std::vector<double> sorted = residual;
    auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    const double scale = std::max(1e-4, 2.385 * 1.4826 * *middle);  // 95 % efficiency on a Gaussian
    for (size_t i = 0; i < samples.size(); ++i)
      weight[i] = 1 / (1 + residual[i] * residual[i] / (scale * scale));
  }
  for (int k = 0; k < 9; ++k) shading.coefficient[k] = static_cast<float>(c[k]);
  return shading;
}

void check(const Image8& crop) {
  if (crop.empty() || crop.channels != 3)
    throw Error(ErrorCode::kBadInput, "lighting normalisation needs an RGB crop");
}

}  // namespace

float Shading::operator()(const Point3& normal) const {
  const Basis b = basis_of(normal);
  double sum = 0;
  for (int k = 0; k < 9; ++k) sum += b[k] * coefficient[k];
  return static_cast<float>(sum);
}

Shading estimate_shading(const Image8& crop, const Points& points) {
  check(crop);
  return fit(skin_samples(crop, points, raster_mesh(points, crop.width, crop.height)));
}

Image8 relight(const Image8& crop, const Points& points, float strength) {
  check(crop);
  const auto raster = raster_mesh(points, crop.width, crop.height);
  const auto samples = skin_samples(crop, points, raster);
  if (samples.size() < 50 || strength <= 0) return crop;
  const Shading shading = fit(samples);
  double mean = 0;
  for (const Sample& s : samples)
    for (int k = 0; k < 9; ++k)
      mean += s.basis[k] * shading.coefficient[k] / static_cast<double>(samples.size());
  const float target = std::max(1e-3f, static_cast<float>(mean));

  // Log gain on the mesh, carried outwards by a normalised blur and fading where no face is near.
  const auto normals = vertex_normals(points);
  cv::Mat gain = cv::Mat::zeros(crop.height, crop.width, CV_32F), cover = gain.clone();
  for (int y = 0; y < crop.height; ++y)
    for (int x = 0; x < crop.width; ++x) {
      const MeshPixel& pixel = raster[static_cast<size_t>(y) * crop.width + x];
      if (pixel.triangle < 0) continue;
      Point3 n = normal_at(pixel, normals);
      n.z = std::max(n.z, 0.3f);
      const float s = std::max(shading(n), target / kMostGain);
      gain.at<float>(y, x) =
          strength * std::clamp(std::log(target / s), -std::log(kMostGain), std::log(kMostGain));
      cover.at<float>(y, x) = 1;
    }
  // A narrow blur hides the facets of the mesh; a wide one says how deep in the face a pixel lies.
  cv::Mat smooth_gain, smooth_cover, wide_cover;
  cv::GaussianBlur(gain, smooth_gain, {}, crop.width / 36.0);
  cv::GaussianBlur(cover, smooth_cover, {}, crop.width / 36.0);
  cv::GaussianBlur(cover, wide_cover, {}, crop.width / 16.0);
  const auto& table = linear_table();
  Image8 out = crop;
  for (int y = 0; y < crop.height; ++y)
    for (int x = 0; x < crop.width; ++x) {
      const float near = wide_cover.at<float>(y, x);
      if (near < 1e-3f) continue;
      // Nothing outside: a halo on the background shows more than shading on the contour.
      const float edge = std::clamp((near - 0.45f) / 0.5f, 0.f, 1.f);
      const float fade = edge * edge * (3 - 2 * edge);
      const float g = std::exp(fade * smooth_gain.at<float>(y, x) /
                               std::max(0.05f, smooth_cover.at<float>(y, x)));
      for (int c = 0; c < 3; ++c) out.at(x, y, c) = encoded(g * table[crop.at(x, y, c)]);
    }
  return out;
}

}  // namespace likeness::face
