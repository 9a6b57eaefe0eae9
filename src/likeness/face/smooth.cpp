// SPDX-License-Identifier: Apache-2.0
// Smoothing of a track without lag. The motion is split into the rigid pose and the pose-free
// shape, and the shape into regions; each part is smoothed by a local quadratic fit (Savitzky &
// Golay 1964) whose window is chosen per frame by intersecting confidence intervals (Goldenshluger
// & Nemirovski 1997; Katkovnik 1999): the window grows while wider fits agree with narrower ones
// within the noise, so a blink, a plosive or a jerk of the head keeps its own frames. All windows
// are symmetric in time.
#include "likeness/face/smooth.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include <Eigen/Dense>

namespace likeness::face {
namespace {

constexpr std::array<int, 7> kHalfWindows = {1, 2, 3, 4, 6, 8, 11};

// Width of the confidence intervals in noise standard deviations; the values that bring velocity
// and acceleration of the landmarks closest to the exact ones of shared/performers.
constexpr float kGammaRigid = 4.8f;
constexpr float kGammaSteady = 4.8f;  ///< brows, nose, cheeks, jaw
constexpr float kGammaQuick = 2.4f;   ///< eyes and mouth

/// Channels that move together: values[t * channels + c], all in comparable units.
struct Signal {
  int frames = 0, channels = 0;
  std::vector<float> values;
  float* row(int t) { return values.data() + static_cast<size_t>(t) * channels; }
  const float* row(int t) const { return values.data() + static_cast<size_t>(t) * channels; }
};

/// Weights that give a local quadratic's value at frame 0 from samples -before..after.
std::vector<float> fit_weights(int before, int after, int half) {
  const int n = before + after + 1;
  if (half <= 1 || n < 4) {
    std::vector<float> identity(n, 0.f);
    identity[before] = 1.f;
    return identity;
  }
  Eigen::MatrixXd basis(n, 3);
  Eigen::VectorXd weight(n);
  for (int i = 0; i < n; ++i) {
    const double x = static_cast<double>(i - before) / (half + 1);
    basis.row(i) << 1, x, x * x;
    weight[i] = std::max(1e-3, 1 - x * x);  // Epanechnikov
  }
  const Eigen::MatrixXd weighted = weight.asDiagonal() * basis;
  const Eigen::Matrix3d normal = basis.transpose() * weighted;
  const Eigen::VectorXd fit = weighted * normal.ldlt().solve(Eigen::Vector3d::UnitX());
  return {fit.data(), fit.data() + n};
}

/// Fit weights by (window, frames before, frames after); clips shorten windows at their ends.
class FitTable {
 public:
  const std::vector<float>& weights(int half, int before, int after) {
    auto [it, fresh] = table_.try_emplace({half, before, after});
    if (fresh) it->second = fit_weights(before, after, half);
    return it->second;
  }
  /// Variance of the difference of two fits at one frame, in units of the noise variance.
  double difference_variance(int half_a, int half_b, int before, int after) {
    auto [it, fresh] = variance_.try_emplace({half_a, half_b, before, after}, 0.0);
    if (fresh) {
      const int b1 = std::min(half_a, before), b2 = std::min(half_b, before);
      const auto& a = weights(half_a, b1, std::min(half_a, after));
      const auto& b = weights(half_b, b2, std::min(half_b, after));
      double sum = 0;
      for (int k = -b2; k < static_cast<int>(b.size()) - b2; ++k) {
        const int i = k + b1;
        const double wa = i >= 0 && i < static_cast<int>(a.size()) ? a[i] : 0.0;
        sum += (b[k + b2] - wa) * (b[k + b2] - wa);
      }
      it->second = sum;
    }
    return it->second;
  }

 private:
  std::map<std::array<int, 3>, std::vector<float>> table_;
  std::map<std::array<int, 4>, double> variance_;
};

/// Noise of a signal: the median over time of the channels' third differences, which motion that is
/// locally quadratic does not enter.
float noise_of(const Signal& signal) {
  if (signal.frames < 4) return 0;
  std::vector<float> energy;
  for (int t = 0; t + 3 < signal.frames; ++t) {
    const float *a = signal.row(t), *b = signal.row(t + 1), *c = signal.row(t + 2),
                *d = signal.row(t + 3);
    double sum = 0;
    for (int k = 0; k < signal.channels; ++k) {
      const double difference = d[k] - 3.0 * c[k] + 3.0 * b[k] - a[k];
      sum += difference * difference;
    }
    energy.push_back(static_cast<float>(sum / (20.0 * signal.channels)));
  }
  auto middle = energy.begin() + energy.size() / 2;
  std::nth_element(energy.begin(), middle, energy.end());
  return std::sqrt(*middle);
}

void fit(const Signal& signal, int t, int half, FitTable& table, std::vector<float>& out) {
  const int before = std::min(half, t), after = std::min(half, signal.frames - 1 - t);
  const auto& weights = table.weights(half, before, after);
  out.assign(signal.channels, 0.f);
  for (size_t k = 0; k < weights.size(); ++k) {
    const float* row = signal.row(t - before + static_cast<int>(k));
    for (int c = 0; c < signal.channels; ++c) out[c] += weights[k] * row[c];
  }
}

/// Does the wider fit leave the narrower one by more than the noise explains?
bool disagrees(const std::vector<float>& narrow, const std::vector<float>& wide, double variance) {
  double sum = 0;
  for (size_t c = 0; c < wide.size(); ++c)
    sum += (wide[c] - narrow[c]) * static_cast<double>(wide[c] - narrow[c]);
  return sum > variance * static_cast<double>(wide.size());
}

/// `tolerance`: half-width of the confidence interval of one sample, in the signal's units.
Signal smooth_signal(const Signal& signal, float tolerance, FitTable& table) {
  Signal out = signal;
  if (tolerance <= 0) return out;
  std::array<std::vector<float>, kHalfWindows.size()> fits;
  for (int t = 0; t < signal.frames; ++t) {
    const int before = t, after = signal.frames - 1 - t;
    size_t chosen = 0;
    fit(signal, t, kHalfWindows[0], table, fits[0]);
    for (size_t w = 1; w < kHalfWindows.size(); ++w) {
      fit(signal, t, kHalfWindows[w], table, fits[w]);
      bool stop = false;
      for (size_t v = 0; v < w && !stop; ++v) {
        const double variance =
            tolerance * tolerance *
            table.difference_variance(kHalfWindows[v], kHalfWindows[w], before, after);
        stop = variance > 0 && disagrees(fits[v], fits[w], variance);
      }
      if (stop) break;
      chosen = w;
    }
    std::copy(fits[chosen].begin(), fits[chosen].end(), out.row(t));
  }
  return out;
}

/// Points that move together, so that a window is chosen for the lids and not for the whole face.
struct Region {
  std::vector<int> points;
  float gamma;
};
const std::vector<Region>& regions() {
  static const std::vector<Region> groups = [] {
    const auto& position = canonical_face().position_cm;
    enum {
      kLeftEye,
      kRightEye,
      kMouth,
      kJaw,
      kLeftBrow,
      kRightBrow,
      kLeftIris,
      kRightIris,
      kRest,
      kCount
    };
    std::vector<Region> out(kCount);
    for (int r = 0; r < kCount; ++r)
      out[r].gamma =
          r == kJaw || r == kLeftBrow || r == kRightBrow || r == kRest ? kGammaSteady : kGammaQuick;
    const auto near_outline = [&](Part part, int i, float reach_cm) {
      for (int j : part_outline(part))
        if (std::hypot(position[i].x - position[j].x, position[i].y - position[j].y) < reach_cm)
          return true;
      return false;
    };
    for (int i = 0; i < kMeshPoints; ++i) {
      if (near_outline(Part::kLips, i, 0.6f) || near_outline(Part::kInnerMouth, i, 0.6f))
        out[kMouth].points.push_back(i);
      else if (near_outline(Part::kLeftEye, i, 0.5f))
        out[kLeftEye].points.push_back(i);
      else if (near_outline(Part::kRightEye, i, 0.5f))
        out[kRightEye].points.push_back(i);
      else if (near_outline(Part::kLeftBrow, i, 0.5f))
        out[kLeftBrow].points.push_back(i);
      else if (near_outline(Part::kRightBrow, i, 0.5f))
        out[kRightBrow].points.push_back(i);
      else if (position[i].y < position[61].y + 1.f)
        out[kJaw].points.push_back(i);
      else
        out[kRest].points.push_back(i);
    }
    // The refined net lists the right iris first (468..472), then the left one.
    for (int i = 0; i < 5; ++i)
      out[kRightIris].points.push_back(468 + i), out[kLeftIris].points.push_back(473 + i);
    return out;
  }();
  return groups;
}

constexpr float kHeadRadius_cm = 8;  ///< makes rotations and zooms comparable with shifts

/// Rotation as a quaternion of steady sign, position and log scale: two signals per track.
std::pair<Signal, Signal> rigid_signals(const std::vector<HeadPose>& poses) {
  const int n = static_cast<int>(poses.size());
  Signal rotation{n, 4, std::vector<float>(n * 4)}, place{n, 4, std::vector<float>(n * 4)};
  Eigen::Vector4f last(0, 0, 0, 1);
  for (int t = 0; t < n; ++t) {
    Eigen::Matrix3f r;
    for (int i = 0; i < 9; ++i) r(i / 3, i % 3) = poses[t].rotation[i];
    Eigen::Vector4f q = Eigen::Quaternionf(r).coeffs();
    if (q.dot(last) < 0) q = -q;
    last = q;
    const float size = poses[t].scale_px_per_cm;
    for (int i = 0; i < 4; ++i) rotation.row(t)[i] = q[i] * 2 * kHeadRadius_cm;
    float* row = place.row(t);
    row[0] = poses[t].translation_px.x, row[1] = poses[t].translation_px.y;
    row[2] = poses[t].translation_z_px;
    row[3] = std::log(size) * kHeadRadius_cm * poses[0].scale_px_per_cm;
  }
  return {rotation, place};
}

std::vector<HeadPose> poses_of(const Signal& rotation, const Signal& place, float first_scale) {
  std::vector<HeadPose> poses(rotation.frames);
  for (int t = 0; t < rotation.frames; ++t) {
    const float *q = rotation.row(t), *p = place.row(t);
    const Eigen::Matrix3f r =
        Eigen::Quaternionf(q[3], q[0], q[1], q[2]).normalized().toRotationMatrix();
    for (int i = 0; i < 9; ++i) poses[t].rotation[i] = r(i / 3, i % 3);
    poses[t].translation_px = {p[0], p[1]};
    poses[t].translation_z_px = p[2];
    poses[t].scale_px_per_cm = std::exp(p[3] / (kHeadRadius_cm * first_scale));
  }
  return poses;
}

using Shapes = std::vector<std::array<Point3, kPoints>>;

Signal gather(const Shapes& shapes, const std::vector<int>& points) {
  Signal out{static_cast<int>(shapes.size()), static_cast<int>(points.size()) * 3, {}};
  out.values.reserve(shapes.size() * points.size() * 3);
  for (const auto& shape : shapes)
    for (int i : points)
      for (float v : {shape[i].x, shape[i].y, shape[i].z}) out.values.push_back(v);
  return out;
}

void scatter(const Signal& signal, const std::vector<int>& points, Shapes& shapes) {
  for (int t = 0; t < signal.frames; ++t)
    for (size_t k = 0; k < points.size(); ++k) {
      const float* v = signal.row(t) + 3 * k;
      shapes[t][points[k]] = {v[0], v[1], v[2]};
    }
}

}  // namespace

float jitter_of_sequence(size_t frames, const ReadPoints& read) {
  if (frames < 3) return 0;
  double sum = 0;
  for (size_t t = 1; t + 1 < frames; ++t) {
    const Points &before = read(t - 1), &now = read(t), &after = read(t + 1);
    double frame = 0;
    for (int i = 0; i < kMeshPoints; ++i)
      frame += std::hypot(before[i].x - 2 * now[i].x + after[i].x,
                          before[i].y - 2 * now[i].y + after[i].y);
    sum += frame / kMeshPoints / std::max(1e-6f, eye_distance_px(now));
  }
  return static_cast<float>(100 * sum / static_cast<double>(frames - 2));
}

float jitter_pct(const std::vector<Points>& track) {
  return jitter_of_sequence(track.size(), [&](size_t t) -> const Points& { return track[t]; });
}

namespace {

// Long tracks go in blocks; the noise is then that of the block, too.
constexpr size_t kMargin = 24;  ///< more than the widest window and its neighbours' choices reach

std::vector<Points> smooth_block(std::span<const Points> track, float strength) {
  std::vector<HeadPose> poses;
  Shapes shapes;
  for (const Points& points : track) {
    poses.push_back(solve_pose(points));
    shapes.push_back(canonical_from_image(points, poses.back()));
  }
  FitTable table;
  const auto [rotation, place] = rigid_signals(poses);
  const Signal smooth_rotation =
      smooth_signal(rotation, strength * kGammaRigid * noise_of(rotation), table);
  const Signal smooth_place = smooth_signal(place, strength * kGammaRigid * noise_of(place), table);
  const auto smooth_poses = poses_of(smooth_rotation, smooth_place, poses[0].scale_px_per_cm);

  // Talking moves the mouth in most frames, so its own differences are not noise alone.
  const float steady_noise = noise_of(gather(shapes, regions().back().points));
  for (const auto& [points, gamma] : regions()) {
    const Signal shape = gather(shapes, points);
    const float noise = std::min(noise_of(shape), 1.5f * steady_noise);
    scatter(smooth_signal(shape, strength * gamma * noise, table), points, shapes);
  }
  std::vector<Points> out;
  for (size_t t = 0; t < track.size(); ++t)
    out.push_back(image_from_canonical(shapes[t], smooth_poses[t]));
  return out;
}

}  // namespace

void smooth_in_blocks(
    size_t frames, size_t margin, const ReadPoints& read,
    const std::function<void(size_t, const Points&)>& write,
    const std::function<std::vector<Points>(size_t from, const std::vector<Points>& raw)>&
        process) {
  constexpr size_t kBlock = 1024;
  std::vector<Points> raw;  // frames [from, to)
  size_t from = 0;
  for (size_t begin = 0; begin < frames;) {
    // The last block takes what would be too short for one of its own.
    size_t end = begin + kBlock;
    if (end + kBlock / 2 > frames) end = frames;
    const size_t to = std::min(frames, end + margin);
    for (size_t t = from + raw.size(); t < to; ++t) raw.push_back(read(t));
    const auto block = process(from, raw);
    for (size_t t = begin; t < end; ++t) write(t, block[t - from]);
    // The next block looks back at frames that are overwritten now.
    const size_t keep_from = end > margin ? end - margin : 0;
    raw.erase(raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(keep_from - from));
    from = keep_from;
    begin = end;
  }
}

void smooth_sequence(size_t frames, float strength, const ReadPoints& read,
                     const std::function<void(size_t, const Points&)>& write) {
  if (strength <= 0 || frames < 5) return;
  smooth_in_blocks(frames, kMargin, read, write, [&](size_t, const std::vector<Points>& raw) {
    return smooth_block(raw, strength);
  });
}

std::vector<Points> smooth_track(const std::vector<Points>& track, float strength) {
  std::vector<Points> out = track;
  smooth_sequence(
      track.size(), strength, [&](size_t t) -> const Points& { return track[t]; },
      [&](size_t t, const Points& points) { out[t] = points; });
  return out;
}

}  // namespace likeness::face
