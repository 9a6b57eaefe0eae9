// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/motion.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>
#include <opencv2/video/tracking.hpp>

#include "likeness/face/geometry.h"
#include "likeness/face/smooth.h"

namespace likeness::face {
namespace {

constexpr int kPatch_px = 224;  ///< longer side of what the flow looks at
// In eye distances; the values that bring a swap closest to the truth of shared/performers.
constexpr float kFlowNoise = 0.0011f;
constexpr float kLandmarkNoise = 0.024f;
constexpr float kDisagreement = 0.032f;  ///< landmark and flow may differ by this in one frame

/// The same part of two frames, grey, at one scale: patch = (frame - origin) * scale.
struct Patches {
  cv::Mat before, now;
  Point2 origin;
  float scale = 0;
};

cv::Mat grey(const View& view, const cv::Rect& region, cv::Size size) {
  const cv::Mat image(view.image->height, view.image->width, CV_8UC3,
                      const_cast<uint8_t*>(view.image->data.data()));
  cv::Mat small, out;
  cv::resize(image(region), small, size, 0, 0, cv::INTER_AREA);
  cv::cvtColor(small, out, cv::COLOR_RGB2GRAY);
  return out;
}

Patches patches_of(const PreparedFrame& before, const PreparedFrame& now, const Box& box) {
  const float side = 1.2f * std::max(box.width(), box.height());
  View a = view_of(before, box.centre(), side, kPatch_px);
  View b = view_of(now, box.centre(), side, kPatch_px);
  if (!a.own.empty()) a.image = &a.own;
  if (!b.own.empty()) b.image = &b.own;
  Patches out;
  if (a.image->width != b.image->width || a.image->height != b.image->height) return out;
  const auto at = [&](float x, float y) {
    return cv::Point(static_cast<int>((x - a.origin.x) * a.scale),
                     static_cast<int>((y - a.origin.y) * a.scale));
  };
  const Point2 c = box.centre();
  const cv::Rect region =
      cv::Rect(at(c.x - side / 2, c.y - side / 2), at(c.x + side / 2, c.y + side / 2)) &
      cv::Rect(0, 0, a.image->width, a.image->height);
  if (region.width < 24 || region.height < 24) return out;
  const float reduce =
      std::min(1.0f, kPatch_px / static_cast<float>(std::max(region.width, region.height)));
  const cv::Size size(std::max(16, static_cast<int>(std::lround(region.width * reduce))),
                      std::max(16, static_cast<int>(std::lround(region.height * reduce))));
  out.before = grey(a, region, size), out.now = grey(b, region, size);
  out.scale = a.scale * static_cast<float>(size.width) / static_cast<float>(region.width);
  out.origin = {a.origin.x + static_cast<float>(region.x) / a.scale,
                a.origin.y + static_cast<float>(region.y) / a.scale};
  return out;
}

/// Bilinear sample at pixel centres; x, y in patch coordinates where a pixel covers [i, i + 1).
bool sample(const cv::Mat& flow, float x, float y, cv::Vec2f& out) {
  x -= 0.5f, y -= 0.5f;
  if (!(x >= 0 && y >= 0 && x < static_cast<float>(flow.cols - 1) &&
        y < static_cast<float>(flow.rows - 1)))
    return false;
  const int i = static_cast<int>(x), j = static_cast<int>(y);
  const float u = x - static_cast<float>(i), v = y - static_cast<float>(j);
  out = flow.at<cv::Vec2f>(j, i) * ((1 - u) * (1 - v)) +
        flow.at<cv::Vec2f>(j, i + 1) * (u * (1 - v)) +
        flow.at<cv::Vec2f>(j + 1, i) * ((1 - u) * v) + flow.at<cv::Vec2f>(j + 1, i + 1) * (u * v);
  return true;
}

Motion motion_of(const Patches& patches, const Face& before, const Face& now) {
  Motion out;
  cv::Mat there, back;
  auto dis = cv::DISOpticalFlow::create(cv::DISOpticalFlow::PRESET_MEDIUM);
  dis->calc(patches.before, patches.now, there);
  dis->calc(patches.now, patches.before, back);
  const float eyes_px = std::max(1.0f, eye_distance_px(now.points));
  for (int i = 0; i < kMeshPoints; ++i) {
    const float x = (before.points[i].x - patches.origin.x) * patches.scale,
                y = (before.points[i].y - patches.origin.y) * patches.scale;
    cv::Vec2f go, come;
    if (!sample(there, x, y, go) || !sample(back, x + go[0], y + go[1], come)) continue;
    const float step_x = go[0] / patches.scale / Motion::kUnit_px,
                step_y = go[1] / patches.scale / Motion::kUnit_px;
    if (!(std::fabs(step_x) < 32000 && std::fabs(step_y) < 32000)) continue;
    out.step[2 * i] = static_cast<int16_t>(std::lround(step_x));
    out.step[2 * i + 1] = static_cast<int16_t>(std::lround(step_y));
    const float error = std::hypot(go[0] + come[0], go[1] + come[1]) / patches.scale / eyes_px;
    out.doubt[i] = static_cast<uint8_t>(std::min(254.0f, error * 256));
  }
  return out;
}

constexpr size_t kMargin = 128;  ///< what is further away has no weight

/// One coordinate of one point over time.
struct Walk {
  std::vector<float> measured, step, variance;  ///< variance of the step
  std::vector<float> estimate;

  void smooth(float measurement_variance) {
    const size_t n = measured.size();
    estimate = measured;
    predicted_.resize(n), filtered_variance_.resize(n), predicted_variance_.resize(n);
    filtered_variance_[0] = measurement_variance;
    for (size_t k = 1; k < n; ++k) {
      predicted_[k] = estimate[k - 1] + step[k];
      predicted_variance_[k] = filtered_variance_[k - 1] + variance[k];
      const float gain = predicted_variance_[k] / (predicted_variance_[k] + measurement_variance);
      estimate[k] = predicted_[k] + gain * (measured[k] - predicted_[k]);
      filtered_variance_[k] = (1 - gain) * predicted_variance_[k];
    }
    for (size_t k = n - 1; k-- > 0;)
      estimate[k] += filtered_variance_[k] / predicted_variance_[k + 1] *
                     (estimate[k + 1] - predicted_[k + 1]);
  }

 private:
  std::vector<float> predicted_, filtered_variance_, predicted_variance_;
};

void steady_block(const std::vector<const Motion*>& motions, float strength,
                  std::vector<Points>& track) {
  const size_t n = track.size();
  std::vector<float> eyes_px(n);
  for (size_t k = 0; k < n; ++k) eyes_px[k] = std::max(1.0f, eye_distance_px(track[k]));
  const float noise_px = strength * kLandmarkNoise * eyes_px[n / 2];
  Walk walk[2];
  for (Walk& w : walk) w.measured.resize(n), w.step.resize(n), w.variance.resize(n);
  for (int i = 0; i < kMeshPoints; ++i) {
    for (size_t k = 0; k < n; ++k) {
      const Motion& m = *motions[k];
      const float step[2] = {m.step[2 * i] * Motion::kUnit_px,
                             m.step[2 * i + 1] * Motion::kUnit_px};
      walk[0].measured[k] = track[k][i].x, walk[1].measured[k] = track[k][i].y;
      float variance = 1e6f;
      if (k > 0 && m.doubt[i] != Motion::kUnknown) {
        const float unlike = std::hypot(track[k][i].x - track[k - 1][i].x - step[0],
                                        track[k][i].y - track[k - 1][i].y - step[1]) /
                             eyes_px[k];
        const float doubt = static_cast<float>(m.doubt[i]) / 256,
                    excess = std::max(0.0f, unlike - kDisagreement);
        variance =
            (kFlowNoise * kFlowNoise + doubt * doubt + excess * excess) * eyes_px[k] * eyes_px[k];
      }
      for (int c = 0; c < 2; ++c) walk[c].step[k] = step[c], walk[c].variance[k] = variance;
    }
    for (Walk& w : walk) w.smooth(noise_px * noise_px);
    for (size_t k = 0; k < n; ++k)
      track[k][i].x = walk[0].estimate[k], track[k][i].y = walk[1].estimate[k];
  }
}

}  // namespace

std::vector<Motion> MotionMeter::measure(const PreparedPtr& prepared,
                                         const std::vector<Face>& faces) {
  std::vector<Motion> out(faces.size());
  const bool follows = before_ && !prepared->scene_begins &&
                       before_->index + 1 == prepared->index && before_->width == prepared->width &&
                       before_->height == prepared->height;
  for (size_t i = 0; follows && i < faces.size(); ++i)
    for (const Face& before : faces_before_) {
      if (before.track != faces[i].track) continue;
      const Box a = before.box, b = faces[i].box;
      const Box both{std::min(a.x0, b.x0), std::min(a.y0, b.y0), std::max(a.x1, b.x1),
                     std::max(a.y1, b.y1)};
      const Patches patches = patches_of(*before_, *prepared, both);
      if (!patches.now.empty()) out[i] = motion_of(patches, before, faces[i]);
    }
  before_ = prepared, faces_before_ = faces;
  return out;
}

void steady_sequence(size_t frames, float strength, const ReadPoints& read,
                     const ReadMotion& motion,
                     const std::function<void(size_t, const Points&)>& write) {
  if (strength <= 0 || frames < 3) return;
  smooth_in_blocks(frames, kMargin, read, write, [&](size_t from, const std::vector<Points>& raw) {
    std::vector<const Motion*> motions;
    for (size_t k = 0; k < raw.size(); ++k) motions.push_back(&motion(from + k));
    std::vector<Points> block = raw;
    steady_block(motions, strength, block);
    return block;
  });
}

}  // namespace likeness::face
