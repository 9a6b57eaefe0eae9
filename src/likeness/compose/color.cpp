// SPDX-License-Identifier: Apache-2.0
// Affine colour maps and Reinhard's transfer.
#include <algorithm>
#include <cmath>

#include <Eigen/Dense>

#include "likeness/compose/compose.h"
#include "likeness/compose/internal.h"
#include "likeness/compose/transport.h"

namespace likeness::compositing {
namespace {

using Matrix = Eigen::Matrix3d;
using Vector = Eigen::Vector3d;

// Below this variance (a quarter of an 8-bit step, squared) a direction counts as flat.
constexpr double kFlatVariance = 1e-6;
constexpr double kFlatDirection = 1e-7;  // principal axes may be thinner than channels

Matrix covariance_of(const ColorStats& s) {
  return Eigen::Map<const Eigen::Matrix<double, 3, 3, Eigen::RowMajor>>(s.covariance.data());
}
Vector mean_of(const ColorStats& s) { return Vector(s.mean[0], s.mean[1], s.mean[2]); }

ColorMap affine(const Matrix& a, const ColorStats& source, const ColorStats& reference) {
  ColorMap map;
  const Vector b = mean_of(reference) - a * mean_of(source);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) map.a[i * 3 + j] = static_cast<float>(a(i, j));
    map.b[i] = static_cast<float>(b(i));
  }
  return map;
}

bool empty(const ColorStats& s) { return !(s.weight > 0); }

float decode_srgb(float v) {
  const float a = std::fabs(v);
  const float l = a <= 0.04045f ? a / 12.92f : std::pow((a + 0.055f) / 1.055f, 2.4f);
  return std::copysign(l, v);
}
float encode_srgb(float l) {
  const float a = std::fabs(l);
  const float v = a <= 0.0031308f ? 12.92f * a : 1.055f * std::pow(a, 1 / 2.4f) - 0.055f;
  return std::copysign(v, l);
}

// sRGB primaries (IEC 61966-2-1) to XYZ divided by the D65 white.
const Matrix& white_xyz_from_rgb() {
  static const Matrix m = [] {
    Matrix x;
    x << 0.4124564, 0.3575761, 0.1804375, 0.2126729, 0.7151522, 0.0721750, 0.0193339, 0.1191920,
        0.9503041;
    const Vector white = x * Vector::Ones();
    return Matrix(white.cwiseInverse().asDiagonal() * x);
  }();
  return m;
}
constexpr float kDelta = 6.0f / 29.0f;
float lab_f(float t) {
  return t > kDelta * kDelta * kDelta ? std::cbrt(t) : t / (3 * kDelta * kDelta) + 4.0f / 29.0f;
}
float lab_f_inverse(float f) {
  return f > kDelta ? f * f * f : 3 * kDelta * kDelta * (f - 4.0f / 29.0f);
}

ImageF lab_from_rgb(const ImageF& rgb) {
  const Eigen::Matrix3f m = white_xyz_from_rgb().cast<float>();
  ImageF lab(rgb.width, rgb.height, 3);
  for (size_t i = 0; i < rgb.data.size(); i += 3) {
    const Eigen::Vector3f linear(decode_srgb(rgb.data[i]), decode_srgb(rgb.data[i + 1]),
                                 decode_srgb(rgb.data[i + 2]));
    const Eigen::Vector3f xyz = m * linear;
    const float fx = lab_f(xyz(0)), fy = lab_f(xyz(1)), fz = lab_f(xyz(2));
    lab.data[i] = 116 * fy - 16;
    lab.data[i + 1] = 500 * (fx - fy);
    lab.data[i + 2] = 200 * (fy - fz);
  }
  return lab;
}

void rgb_from_lab(ImageF& lab) {
  const Eigen::Matrix3f m = white_xyz_from_rgb().inverse().cast<float>();
  for (size_t i = 0; i < lab.data.size(); i += 3) {
    const float fy = (lab.data[i] + 16) / 116, fx = fy + lab.data[i + 1] / 500,
                fz = fy - lab.data[i + 2] / 200;
    const Eigen::Vector3f xyz(lab_f_inverse(fx), lab_f_inverse(fy), lab_f_inverse(fz));
    const Eigen::Vector3f linear = m * xyz;
    for (int c = 0; c < 3; ++c) lab.data[i + c] = encode_srgb(linear(c));
  }
}

ImageF reinhard(const ImageF& source, const ImageF& source_mask, const ImageF& reference,
                const ImageF& reference_mask) {
  ImageF lab = lab_from_rgb(source);
  const ColorStats from = color_stats(lab, source_mask);
  const ColorStats to = color_stats(lab_from_rgb(reference), reference_mask);
  if (empty(from) || empty(to)) return source;
  // Lab is 100 times as wide as RGB: bring the statistics to one scale so that "flat" means the
  // same.
  auto scaled = [](ColorStats s) {
    for (double& v : s.mean) v /= 100;
    for (double& v : s.covariance) v /= 1e4;
    return s;
  };
  ColorMap map = linear_map(scaled(from), scaled(to));
  for (float& v : map.b) v *= 100;
  apply_map(lab, map);
  rgb_from_lab(lab);
  return lab;
}

}  // namespace

ColorMatch color_match(const std::string& name) {
  static const std::pair<const char*, ColorMatch> kNames[] = {
      {"none", ColorMatch::kNone}, {"rct", ColorMatch::kReinhard}, {"linear", ColorMatch::kLinear},
      {"lct", ColorMatch::kLct},   {"mkl", ColorMatch::kMkl},      {"idt", ColorMatch::kIdt},
      {"sot", ColorMatch::kSot}};
  for (const auto& [known, method] : kNames)
    if (name == known) return method;
  throw Error(ErrorCode::kUsage, "there is no colour match named '" + name + "'",
              "use none, rct, linear, lct, mkl, idt or sot");
}

ColorStats color_stats(const ImageF& image, const ImageF& mask) {
  detail::require_channels(image, 3, 3, "color_stats");
  detail::require_channels(mask, 1, 1, "color_stats");
  detail::require_same_size(image, mask, "color_stats");
  // Sums about mid-grey: keeps the difference of large sums small.
  double w = 0, s[3] = {}, q[6] = {};
  for (int y = 0; y < image.height; ++y) {
    const float *p = image.row(y), *m = mask.row(y);
    for (int x = 0; x < image.width; ++x, p += 3) {
      if (!(m[x] > 0)) continue;
      const double weight = m[x], r = p[0] - 0.5, g = p[1] - 0.5, b = p[2] - 0.5;
      const double wr = weight * r, wg = weight * g, wb = weight * b;
      w += weight;
      s[0] += wr, s[1] += wg, s[2] += wb;
      q[0] += wr * r, q[1] += wr * g, q[2] += wr * b, q[3] += wg * g, q[4] += wg * b,
          q[5] += wb * b;
    }
  }
  ColorStats stats;
  stats.weight = w;
  if (!(w > 0)) return stats;
  for (double& v : s) v /= w;
  const int index[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
  for (int i = 0; i < 3; ++i) {
    stats.mean[i] = s[i] + 0.5;
    for (int j = 0; j < 3; ++j) stats.covariance[i * 3 + j] = q[index[i][j]] / w - s[i] * s[j];
  }
  return stats;
}

ColorMap linear_map(const ColorStats& source, const ColorStats& reference) {
  if (empty(source) || empty(reference)) return {};
  Matrix a = Matrix::Identity();
  for (int i = 0; i < 3; ++i) {
    const double from = source.covariance[i * 4], to = reference.covariance[i * 4];
    if (from > kFlatVariance) a(i, i) = std::sqrt(std::max(to, 0.0) / from);
  }
  return affine(a, source, reference);
}

ColorMap lct_map(const ColorStats& source, const ColorStats& reference) {
  if (empty(source) || empty(reference)) return {};
  // The same small variance on both sides keeps flat directions at gain 1.
  const Matrix ridge = Matrix::Identity() * kFlatVariance;
  const Eigen::LLT<Matrix> from(covariance_of(source) + ridge),
      to(covariance_of(reference) + ridge);
  if (from.info() != Eigen::Success || to.info() != Eigen::Success)
    return linear_map(source, reference);
  const Matrix lower = from.matrixL(), target = to.matrixL();
  const Matrix a = lower.triangularView<Eigen::Lower>().solve<Eigen::OnTheRight>(target);
  return affine(a, source, reference);
}

ColorMap mkl_map(const ColorStats& source, const ColorStats& reference) {
  if (empty(source) || empty(reference)) return {};
  // Monge-Kantorovich: A = S^-1/2 (S^1/2 R S^1/2)^1/2 S^-1/2.
  const Eigen::SelfAdjointEigenSolver<Matrix> s(covariance_of(source));
  const Vector values = s.eigenvalues().cwiseMax(0.0);
  const Matrix axes = s.eigenvectors();
  Vector root = values.cwiseSqrt(), inverse_root;
  for (int i = 0; i < 3; ++i) inverse_root(i) = values(i) > kFlatDirection ? 1 / root(i) : 0.0;
  const Matrix half = axes * root.asDiagonal() * axes.transpose();
  const Matrix inverse_half = axes * inverse_root.asDiagonal() * axes.transpose();
  const Eigen::SelfAdjointEigenSolver<Matrix> inner(half * covariance_of(reference) * half);
  const Matrix middle = inner.eigenvectors() *
                        inner.eigenvalues().cwiseMax(0.0).cwiseSqrt().asDiagonal() *
                        inner.eigenvectors().transpose();
  Matrix a = inverse_half * middle * inverse_half;
  for (int i = 0; i < 3; ++i)  // flat directions keep gain 1
    if (!(values(i) > kFlatDirection)) a += axes.col(i) * axes.col(i).transpose();
  return affine(a, source, reference);
}

void apply_map(ImageF& image, const ColorMap& map) {
  detail::require_channels(image, 3, 3, "apply_map");
  const std::array<float, 9> a = map.a;
  const std::array<float, 3> b = map.b;
  float* p = image.data.data();
  const bool diagonal = a[1] == 0 && a[2] == 0 && a[3] == 0 && a[5] == 0 && a[6] == 0 && a[7] == 0;
  const size_t pixels = image.data.size() / 3;
  if (diagonal) {
    for (size_t i = 0; i < pixels; ++i, p += 3) {
      p[0] = a[0] * p[0] + b[0];
      p[1] = a[4] * p[1] + b[1];
      p[2] = a[8] * p[2] + b[2];
    }
    return;
  }
  for (size_t i = 0; i < pixels; ++i, p += 3) {
    const float r = p[0], g = p[1], v = p[2];
    p[0] = a[0] * r + a[1] * g + a[2] * v + b[0];
    p[1] = a[3] * r + a[4] * g + a[5] * v + b[1];
    p[2] = a[6] * r + a[7] * g + a[8] * v + b[2];
  }
}

ImageF match_color(const ImageF& source, const ImageF& source_mask, const ImageF& reference,
                   const ImageF& reference_mask, ColorMatch method) {
  detail::require_channels(source, 3, 3, "match_color");
  detail::require_channels(reference, 3, 3, "match_color");
  detail::require_channels(source_mask, 1, 1, "match_color");
  detail::require_channels(reference_mask, 1, 1, "match_color");
  detail::require_same_size(source, source_mask, "match_color");
  detail::require_same_size(reference, reference_mask, "match_color");
  if (method == ColorMatch::kNone) return source;
  if (method == ColorMatch::kReinhard)
    return reinhard(source, source_mask, reference, reference_mask);
  if (method == ColorMatch::kIdt || method == ColorMatch::kSot)
    return detail::transport_colors(source, source_mask, reference, reference_mask,
                                    method == ColorMatch::kSot);
  const ColorStats from = color_stats(source, source_mask),
                   to = color_stats(reference, reference_mask);
  ImageF out = source;
  apply_map(out, method == ColorMatch::kLinear ? linear_map(from, to)
                 : method == ColorMatch::kLct  ? lct_map(from, to)
                                               : mkl_map(from, to));
  return out;
}

}  // namespace likeness::compositing
