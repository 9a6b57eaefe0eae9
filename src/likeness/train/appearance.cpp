// SPDX-License-Identifier: Apache-2.0
#include "likeness/train/appearance.h"

#include <algorithm>

#include <Eigen/Dense>
#include <opencv2/imgproc.hpp>
#include <opencv2/video/tracking.hpp>

#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/train/skin.h"

namespace likeness::train {
namespace {

using Eigen::MatrixXd;
using face::kMeshPoints;
using face::Points;

constexpr int kTerms = 6;
constexpr int kMaxComponents = 8;
constexpr double kExpressionRidge = 5;
constexpr int kRefineRounds = 4;

/// Landmarks whose offsets from neutral say what the face does: lips, inner lips, lids, brows,
/// chin, cheeks.
const std::vector<int>& expression_points() {
  static const std::vector<int> points = {
      61,  39,  37,  0,  267, 269, 291, 405, 314, 17,  84,  181, 78,  82,  13,  312,
      308, 317, 14,  87, 33,  160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
      70,  63,  105, 66, 55,  285, 296, 334, 293, 300, 152, 199, 50,  280, 205, 425};
  return points;
}

std::array<double, kTerms> pose_terms(double yaw, double pitch) {
  return {1, yaw, pitch, yaw * yaw, pitch * pitch, yaw * pitch};
}

float gap(const Shape& s, int a, int b) {
  return std::hypot(s[a].x - s[b].x, s[a].y - s[b].y, s[a].z - s[b].z);
}
/// Six numbers that say how far a face is from rest, so that the neutral can be read off.
std::array<double, 6> coarse_expression(const Shape& s) {
  return {gap(s, 13, 14),   gap(s, 61, 291),     gap(s, 159, 145),
          gap(s, 386, 374), s[105].y - s[159].y, s[334].y - s[386].y};
}

struct Posed {
  face::HeadPose pose;
  Shape shape;
};
Posed posed(const Points& points) {
  Posed p;
  p.pose = face::solve_pose(points);
  auto canonical = face::canonical_from_image(points, p.pose);
  std::copy_n(canonical.begin(), kMeshPoints, p.shape.begin());
  return p;
}

NeutralShape fit_neutral(const std::vector<Posed>& faces) {
  int n = static_cast<int>(faces.size());
  MatrixXd expression(n, 6);
  for (int i = 0; i < n; ++i) {
    auto e = coarse_expression(faces[i].shape);
    for (int k = 0; k < 6; ++k) expression(i, k) = e[k];
  }
  MatrixXd a(n, kTerms + 6), b(n, kMeshPoints * 3);
  for (int k = 0; k < 6; ++k) {
    std::vector<float> column(n);
    for (int i = 0; i < n; ++i) column[i] = static_cast<float>(expression(i, k));
    double rest = percentile_of(column, 0.4);
    double mean = expression.col(k).mean();
    double deviation = std::sqrt((expression.col(k).array() - mean).square().mean()) + 1e-6;
    for (int i = 0; i < n; ++i) a(i, kTerms + k) = (expression(i, k) - rest) / deviation;
  }
  std::vector<float> yaw(n), pitch(n);
  for (int i = 0; i < n; ++i) {
    yaw[i] = faces[i].pose.yaw_rad, pitch[i] = faces[i].pose.pitch_rad;
    auto terms = pose_terms(yaw[i], pitch[i]);
    for (int k = 0; k < kTerms; ++k) a(i, k) = terms[k];
    for (int v = 0; v < kMeshPoints; ++v) {
      b(i, v * 3) = faces[i].shape[v].x;
      b(i, v * 3 + 1) = faces[i].shape[v].y;
      b(i, v * 3 + 2) = faces[i].shape[v].z;
    }
  }
  MatrixXd normal = a.transpose() * a;
  for (int k = 1; k < normal.rows(); ++k) normal(k, k) += kExpressionRidge;
  normal(0, 0) += 1e-6;
  MatrixXd w = normal.ldlt().solve(a.transpose() * b);
  NeutralShape out;
  for (int k = 0; k < kTerms; ++k)
    for (int v = 0; v < kMeshPoints; ++v)
      out.coefficients[k][v] = {static_cast<float>(w(k, v * 3)),
                                static_cast<float>(w(k, v * 3 + 1)),
                                static_cast<float>(w(k, v * 3 + 2))};
  out.yaw_low = percentile_of(yaw, 0.01), out.yaw_high = percentile_of(yaw, 0.99);
  out.pitch_low = percentile_of(pitch, 0.01), out.pitch_high = percentile_of(pitch, 0.99);
  return out;
}

/// Weighted mean over samples.
ImageF mean_texture(const std::vector<ImageF>& textures, const std::vector<ImageF>& visible) {
  ImageF sum(textures[0].width, textures[0].height, 3), weight(sum.width, sum.height, 1);
  for (size_t i = 0; i < textures.size(); ++i)
    for (size_t p = 0; p < weight.data.size(); ++p) {
      float v = visible[i].data[p];
      weight.data[p] += v;
      for (int k = 0; k < 3; ++k) sum.data[p * 3 + k] += v * textures[i].data[p * 3 + k];
    }
  for (size_t p = 0; p < weight.data.size(); ++p)
    for (int k = 0; k < 3; ++k) sum.data[p * 3 + k] /= std::max(weight.data[p], 1e-3f);
  return sum;
}

void divide(ImageF& image, const ImageF& by) {
  for (size_t i = 0; i < image.data.size(); ++i) image.data[i] /= by.data[i];
}

}  // namespace

Shape NeutralShape::at(float yaw_rad, float pitch_rad) const {
  auto terms = pose_terms(std::clamp(yaw_rad, yaw_low, yaw_high),
                          std::clamp(pitch_rad, pitch_low, pitch_high));
  Shape out{};
  for (int k = 0; k < kTerms; ++k)
    for (int v = 0; v < kMeshPoints; ++v) {
      float t = static_cast<float>(terms[k]);
      out[v].x += t * coefficients[k][v].x;
      out[v].y += t * coefficients[k][v].y;
      out[v].z += t * coefficients[k][v].z;
    }
  return out;
}

ImageF shading_of(const ImageF& texture, const ImageF& mean, const ImageF& visible) {
  int size = texture.width;
  int small = std::max(8, size / 4);
  double sigma = small / 12.0;
  auto low_pass = [&](const ImageF& image) {
    cv::Mat weighted(size, size, CV_32FC3), down;
    for (int y = 0; y < size; ++y)
      for (int x = 0; x < size; ++x)
        for (int k = 0; k < 3; ++k)
          weighted.ptr<float>(y)[x * 3 + k] = image.at(x, y, k) * visible.at(x, y);
    cv::resize(weighted, down, {small, small}, 0, 0, cv::INTER_AREA);
    cv::GaussianBlur(down, down, {}, sigma);
    return down;
  };
  cv::Mat a = low_pass(texture), b = low_pass(mean), ratio(small, small, CV_32FC3), full;
  constexpr float kFloor = 2e-3f;
  for (int y = 0; y < small; ++y)
    for (int x = 0; x < small * 3; ++x)
      ratio.ptr<float>(y)[x] =
          std::clamp((a.ptr<float>(y)[x] + kFloor) / (b.ptr<float>(y)[x] + kFloor), 0.05f, 8.0f);
  cv::resize(ratio, full, {size, size}, 0, 0, cv::INTER_LINEAR);
  ImageF out(size, size, 3);
  for (int y = 0; y < size; ++y) std::copy_n(full.ptr<float>(y), size * 3, out.row(y));
  return out;
}

int Appearance::descriptor_size() { return static_cast<int>(expression_points().size()) * 3 + 2; }

void Appearance::build_layout() { layout_ = face::make_layout(layout_shape_, size_px_); }

void Appearance::build_tone_map() {
  constexpr double kWhites = 0.8;  // the brightest fifth between the lids: no iris, no lashes
  const ImageF& where = layout_.eyes;
  std::vector<size_t> eyes;
  for (size_t p = 0; p < where.data.size(); ++p)
    if (where.data[p] > 0.9f) eyes.push_back(p);
  std::array<float, 3> whites[2]{};
  for (int side = 0; side < 2; ++side) {
    const float* mean = person_[side].mean.data.data();
    std::vector<float> luma;
    for (size_t p : eyes)
      luma.push_back(0.299f * mean[3 * p] + 0.587f * mean[3 * p + 1] + 0.114f * mean[3 * p + 2]);
    const float limit = luma.empty() ? 0 : percentile_of(luma, kWhites);
    for (size_t i = 0; i < eyes.size(); ++i)
      for (size_t k = 0; k < 3; ++k)
        if (luma[i] >= limit) whites[side][k] += mean[3 * eyes[i] + k];
  }
  tone_map_ = ImageF(where.width, where.height, 3);
  for (size_t k = 0; k < 3; ++k) {
    const float skin = tone_[k];
    const float other = std::clamp((whites[1][k] + 1e-3f) / (whites[0][k] + 1e-3f),
                                   std::min(skin, 1.0f), std::max(skin, 1.0f));
    for (size_t p = 0; p < where.data.size(); ++p)
      tone_map_.data[3 * p + k] = skin + where.data[p] * (other - skin);
  }
}

std::vector<float> Appearance::descriptor(const Points& points, const face::HeadPose& pose,
                                          int side) const {
  auto canonical = face::canonical_from_image(points, pose);
  Shape rest = person_[side].neutral.at(pose.yaw_rad, pose.pitch_rad);
  std::vector<float> d;
  d.reserve(descriptor_size());
  for (int i : expression_points()) {
    d.push_back(canonical[i].x - rest[i].x);
    d.push_back(canonical[i].y - rest[i].y);
    d.push_back(canonical[i].z - rest[i].z);
  }
  d.push_back(2 * pose.yaw_rad);
  d.push_back(2 * pose.pitch_rad);
  return d;
}

ImageF Appearance::predict(const std::vector<float>& d, int side) const {
  const ExpressionModel& m = person_[side].expression;
  ImageF out = person_[side].mean;
  int size = static_cast<int>(d.size());
  for (int k = 0; k < m.components; ++k) {
    float f = 0;
    for (int i = 0; i < size; ++i) f += m.basis[static_cast<size_t>(k) * size + i] * d[i];
    f = std::clamp((f - m.mean[k]) / m.scale[k], m.low[k], m.high[k]);
    const float* mode = m.modes[k].data.data();
    for (size_t i = 0; i < out.data.size(); ++i) out.data[i] += f * mode[i];
  }
  for (float& v : out.data) v = std::clamp(v, 0.0f, 1.0f);
  return out;
}

Appearance::Analysis Appearance::analyse(const ImageF& image, const Points& points,
                                         int side) const {
  Analysis out;
  out.pose = face::solve_pose(points);
  out.descriptor = descriptor(points, out.pose, side);
  out.texture = face::unwrap(image, points, layout_);
  out.visible = face::visibility(points, layout_);
  out.shading = shading_of(out.texture, person_[side].mean, out.visible);
  divide(out.texture, out.shading);
  return out;
}

Points Appearance::identity_points(const Points& performer_points) const {
  face::HeadPose pose = face::solve_pose(performer_points);
  auto canonical = face::canonical_from_image(performer_points, pose);
  Shape performer = person_[1].neutral.at(pose.yaw_rad, pose.pitch_rad);
  Shape identity = person_[0].neutral.at(pose.yaw_rad, pose.pitch_rad);
  for (int v = 0; v < kMeshPoints; ++v) {
    canonical[v].x += identity_scale_ * identity[v].x + identity_offset_cm_.x - performer[v].x;
    canonical[v].y += identity_scale_ * identity[v].y + identity_offset_cm_.y - performer[v].y;
    canonical[v].z += identity_scale_ * identity[v].z + identity_offset_cm_.z - performer[v].z;
  }
  Points out = face::image_from_canonical(canonical, pose);
  return out;
}

namespace {

/// Principal components of the descriptors, then ridge regression of the textures on them.
ExpressionModel fit_expression(const std::vector<std::vector<float>>& descriptors,
                               const std::vector<ImageF>& textures,
                               const std::vector<ImageF>& visible, const ImageF& mean,
                               ImageF* mean_shift) {
  int n = static_cast<int>(descriptors.size()), size = static_cast<int>(descriptors[0].size());
  ExpressionModel m;
  m.components = std::min(kMaxComponents, std::max(1, n / 8));
  MatrixXd d(n, size);
  for (int i = 0; i < n; ++i)
    for (int k = 0; k < size; ++k) d(i, k) = descriptors[i][k];
  Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(d.transpose() * d);
  MatrixXd f(n, m.components);
  for (int c = 0; c < m.components; ++c) {
    Eigen::VectorXd axis = eigen.eigenvectors().col(size - 1 - c);
    for (int k = 0; k < size; ++k) m.basis.push_back(static_cast<float>(axis(k)));
    f.col(c) = d * axis;
    double average = f.col(c).mean();
    double deviation = std::sqrt((f.col(c).array() - average).square().mean()) + 1e-6;
    f.col(c) = (f.col(c).array() - average) / deviation;
    m.mean.push_back(static_cast<float>(average));
    m.scale.push_back(static_cast<float>(deviation));
    std::vector<float> column(n);
    for (int i = 0; i < n; ++i) column[i] = static_cast<float>(f(i, c));
    m.low.push_back(percentile_of(column, 0.01));
    m.high.push_back(percentile_of(column, 0.99));
  }
  MatrixXd normal = f.transpose() * f;
  normal.diagonal().array() += n / 6.0 + 1e-6;
  MatrixXd solver = normal.ldlt().solve(f.transpose());  // components x n
  m.modes.assign(m.components, ImageF(mean.width, mean.height, 3));
  *mean_shift = ImageF(mean.width, mean.height, 3);
  parallel_for(0, mean.height, [&](int y) {
    size_t begin = static_cast<size_t>(y) * mean.width * 3,
           count = static_cast<size_t>(mean.width) * 3;
    for (int i = 0; i < n; ++i) {
      const float* t = textures[i].data.data() + begin;
      const float* v = visible[i].data.data() + begin / 3;
      const float* mu = mean.data.data() + begin;
      float* shift = mean_shift->data.data() + begin;
      for (size_t p = 0; p < count; ++p) {
        float residual = (t[p] - mu[p]) * v[p / 3];
        shift[p] += residual / n;
        for (int c = 0; c < m.components; ++c)
          m.modes[c].data[begin + p] += static_cast<float>(solver(c, i)) * residual;
      }
    }
  });
  return m;
}

}  // namespace

void Appearance::learn_shapes(const std::vector<Points> points[2]) {
  std::vector<Posed> poses[2];
  for (int side = 0; side < 2; ++side) {
    poses[side].resize(points[side].size());
    parallel_for(0, static_cast<int>(points[side].size()),
                 [&](int i) { poses[side][i] = posed(points[side][i]); });
    person_[side].neutral = fit_neutral(poses[side]);
  }
  if (layout_.size_px == 0) {
    // The mean of the tenth of faces whose mouth is widest open, both people together.
    std::vector<std::pair<float, const Shape*>> open;
    for (auto& list : poses)
      for (auto& p : list) open.emplace_back(gap(p.shape, 13, 14), &p.shape);
    std::sort(open.begin(), open.end(), [](auto& x, auto& y) { return x.first > y.first; });
    open.resize(std::max<size_t>(1, open.size() / 10));
    for (auto& [width, shape] : open)
      for (int v = 0; v < kMeshPoints; ++v)
        layout_shape_[v] =
            layout_shape_[v] + Point2{(*shape)[v].x, -(*shape)[v].y} * (1.0f / open.size());
    build_layout();
  }
  // Scale and translation of the identity's inner face (brows, eyes, nose, mouth) onto the
  // performer's.
  Shape from = person_[0].neutral.at(0, 0), to = person_[1].neutral.at(0, 0);
  std::vector<int> inner = expression_points();
  for (int i : {168, 197, 5, 4, 75, 97, 2, 326, 305}) inner.push_back(i);
  auto vector = [](const Point3& p) { return Eigen::Vector3d(p.x, p.y, p.z); };
  Eigen::Vector3d mean_from(0, 0, 0), mean_to(0, 0, 0);
  for (int i : inner)
    mean_from += vector(from[i]) / inner.size(), mean_to += vector(to[i]) / inner.size();
  double cross = 0, own = 1e-9;
  for (int i : inner) {
    Eigen::Vector3d f = vector(from[i]) - mean_from;
    cross += f.dot(vector(to[i]) - mean_to);
    own += f.squaredNorm();
  }
  identity_scale_ = static_cast<float>(std::clamp(cross / own, 0.8, 1.25));
  Eigen::Vector3d offset = mean_to - identity_scale_ * mean_from;
  identity_offset_cm_ = {static_cast<float>(offset.x()), static_cast<float>(offset.y()),
                         static_cast<float>(offset.z())};
}

void Appearance::learn_textures(int side, const std::vector<Points>& points,
                                const std::function<Image8(int, size_t)>& image, Unwrapped& u,
                                Progress& progress, const Cancel& cancel) {
  int n = static_cast<int>(points.size());
  u.texture.resize(n), u.visible.resize(n), u.base.resize(n);
  std::vector<std::vector<float>> descriptors(n);
  parallel_for(0, n, [&](int i) {
    cancel.check();
    u.texture[i] = face::unwrap(image(side, static_cast<size_t>(i)), points[i], layout_);
    u.visible[i] = face::visibility(points[i], layout_);
    descriptors[i] = descriptor(points[i], face::solve_pose(points[i]), side);
    progress.advance();
  });
  // Mean and shading depend on each other: alternate.
  PersonModel& person = person_[side];
  std::vector<ImageF> normalised = u.texture;
  person.mean = mean_texture(normalised, u.visible);
  for (int round = 0; round < 2; ++round) {
    parallel_for(0, n, [&](int i) {
      normalised[i] = u.texture[i];
      divide(normalised[i], shading_of(u.texture[i], person.mean, u.visible[i]));
    });
    person.mean = mean_texture(normalised, u.visible);
  }
  parallel_for(0, n, [&](int i) {
    divide(u.texture[i], shading_of(u.texture[i], person.mean, u.visible[i]));
  });
  normalised.clear();
  ImageF shift;
  person.expression = fit_expression(descriptors, u.texture, u.visible, person.mean, &shift);
  for (size_t p = 0; p < shift.data.size(); ++p) person.mean.data[p] += shift.data[p];
  parallel_for(0, n, [&](int i) { u.base[i] = predict(descriptors[i], side); });
}

Points Appearance::refine(const ImageF& image, const Points& points, int side,
                          Registration quality) const {
  Analysis seen = analyse(image, points, side);
  ImageF expected = predict(seen.descriptor, side);
  int size = size_px_;
  cv::Mat from(size, size, CV_8U), to(size, size, CV_8U), flow;
  auto luma = [](const float* c) { return 0.299f * c[0] + 0.587f * c[1] + 0.114f * c[2]; };
  auto byte = [](float v) {
    return static_cast<uint8_t>(std::clamp(v * 255.0f + 0.5f, 0.0f, 255.0f));
  };
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) {
      float e = luma(&expected.at(x, y)), t = luma(&seen.texture.at(x, y)),
            v = seen.visible.at(x, y);
      from.at<uint8_t>(y, x) = byte(e);
      to.at<uint8_t>(y, x) = byte(v * t + (1 - v) * e);
    }
  auto dis = cv::DISOpticalFlow::create(cv::DISOpticalFlow::PRESET_MEDIUM);
  if (quality == Registration::kFine) {
    // Down to single pixels, with patches large enough to lock onto stubble and freckles.
    dis->setFinestScale(0);
    dis->setPatchSize(12);
    dis->setPatchStride(6);
  }
  dis->calc(from, to, flow);
  cv::Mat visible(size, size, CV_32F, seen.visible.data.data()), weight, weighted = flow.clone();
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) weighted.at<cv::Vec2f>(y, x) *= seen.visible.at(x, y);
  double sigma = size / 50.0;
  cv::GaussianBlur(weighted, weighted, {}, sigma);
  cv::GaussianBlur(visible, weight, {}, sigma);
  // A vertex moves by its flow through the local map from layout to image.
  Points out = points;
  float limit = 0.02f * size;
  const auto& triangles = face::warp_triangles();
  face::WarpPoints mesh = face::with_ring(points, layout_.ring);
  Point2 centre{size / 2.0f, size / 2.0f};
  for (int v = 0; v < kMeshPoints; ++v) {
    // A little towards the middle, so that vertices on the oval find a triangle on either side of
    // them.
    Point2 at = centre + (layout_.position_px[v] - centre) * 0.97f;
    int x = std::clamp(static_cast<int>(at.x), 0, size - 1),
        y = std::clamp(static_cast<int>(at.y), 0, size - 1);
    int index = layout_.triangle[static_cast<size_t>(y) * size + x];
    if (index < 0) continue;
    cv::Vec2f f = weighted.at<cv::Vec2f>(y, x) / (weight.at<float>(y, x) + 0.05f);
    float length = std::hypot(f[0], f[1]);
    if (length > limit) f *= limit / length;
    f *= seen.visible.at(x, y);
    const auto& t = triangles[index];
    Point2 a = layout_.position_px[t[0]], ab = layout_.position_px[t[1]] - a,
           ac = layout_.position_px[t[2]] - a;
    float area = ab.x * ac.y - ac.x * ab.y;
    if (std::fabs(area) < 1e-6f) continue;
    float wb = (f[0] * ac.y - ac.x * f[1]) / area, wc = (ab.x * f[1] - f[0] * ab.y) / area;
    auto flat = [&](int k) { return Point2{mesh[k].x, mesh[k].y}; };
    Point2 step = (flat(t[1]) - flat(t[0])) * wb + (flat(t[2]) - flat(t[0])) * wc;
    out[v].x += step.x;
    out[v].y += step.y;
  }
  return out;
}

Appearance Appearance::learn(const std::vector<Points> points[2],
                             const std::function<Image8(int, size_t)>& image, int size_px,
                             Unwrapped unwrapped[2], Progress& progress, const Cancel& cancel) {
  for (int side = 0; side < 2; ++side)
    if (points[side].size() < 8)
      throw Error(ErrorCode::kNoFace,
                  std::string("the ") + (side == 0 ? "identity" : "performer") + " has " +
                      std::to_string(points[side].size()) + " faces; a model needs at least 8",
                  "extract more footage of this person");
  Appearance a;
  a.size_px_ = size_px;
  std::vector<Points> moved[2] = {points[0], points[1]};
  double faces = static_cast<double>(points[0].size() + points[1].size());
  progress.begin("register faces", faces * (2 * kRefineRounds + 1), "faces");
  for (int round = 0; round <= kRefineRounds; ++round) {
    a.learn_shapes(moved);
    for (int side = 0; side < 2; ++side)
      a.learn_textures(side, moved[side], image, unwrapped[side], progress, cancel);
    for (int side = 0; round < kRefineRounds && side < 2; ++side)
      parallel_for(0, static_cast<int>(moved[side].size()), [&](int i) {
        cancel.check();
        moved[side][i] = a.refine(to_float(image(side, static_cast<size_t>(i))), moved[side][i],
                                  side, Registration::kFine);
        progress.advance();
      });
  }
  progress.end();
  const Samples samples[2] = {{unwrapped[0].texture, unwrapped[0].visible, a.person_[0].mean},
                              {unwrapped[1].texture, unwrapped[1].visible, a.person_[1].mean}};
  a.skin_ = skin_of(samples, a.layout_);
  for (int k = 0; k < 3; ++k) {
    std::vector<float> ratios;
    for (size_t p = 0; p < a.layout_.coverage.data.size(); ++p)
      if (a.layout_.coverage.data[p] > 0.9f)
        ratios.push_back(a.person_[1].mean.data[p * 3 + k] /
                         std::max(a.person_[0].mean.data[p * 3 + k], 0.02f));
    a.tone_[k] = std::clamp(percentile_of(ratios, 0.5), 0.2f, 5.0f);
  }
  a.build_tone_map();
  return a;
}

}  // namespace likeness::train
