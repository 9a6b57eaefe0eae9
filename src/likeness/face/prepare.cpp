// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/prepare.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

namespace likeness::face {
namespace {

constexpr int kWorkLongest_px = 1280;
constexpr int kSmallLongest_px = 400;  ///< the detectors look at 128 and 192 px
constexpr int kThoroughEvery = 5;      ///< grid detections on the full work image, for far faces
constexpr int kMeshInput_px = 192;
constexpr double kHeldBytes = 200e6;

Image8 shrink(const Image8& image, int longest_px) {
  const int longest = std::max(image.width, image.height);
  if (longest <= longest_px) return image;
  const double scale = static_cast<double>(longest_px) / longest;
  Image8 out(std::max(1, static_cast<int>(std::lround(image.width * scale))),
             std::max(1, static_cast<int>(std::lround(image.height * scale))), 3);
  const cv::Mat from(image.height, image.width, CV_8UC3, const_cast<uint8_t*>(image.data.data()));
  cv::Mat to(out.height, out.width, CV_8UC3, out.data.data());
  cv::resize(from, to, to.size(), 0, 0, cv::INTER_AREA);
  return out;
}

void scale_detection(Detection& d, float scale) {
  d.box = {d.box.x0 * scale, d.box.y0 * scale, d.box.x1 * scale, d.box.y1 * scale};
  for (Point2& p : d.keypoints) p = p * scale;
}

std::vector<Detection> detect_on(const FaceNets& nets, const Image8& image,
                                 float image_from_frame) {
  auto found = nets.detect(image);
  for (Detection& d : found) scale_detection(d, 1 / image_from_frame);
  return found;
}

/// Grey over the boxes, so that the detector looks elsewhere.
Image8 painted_over(const PreparedFrame& prepared, const std::vector<Box>& hidden) {
  Image8 image = prepared.small;
  const float s = prepared.small_from_frame;
  for (const Box& box : hidden) {
    const Rect r =
        clip_rect({box.x0 * s, box.y0 * s, box.x1 * s, box.y1 * s}, 0, image.width, image.height);
    for (int y = r.y0; y < r.y1; ++y)
      std::fill(image.row(y) + 3 * r.x0, image.row(y) + 3 * r.x1, uint8_t{128});
  }
  return image;
}

}  // namespace

Points View::into(const Points& points) const {
  Points out;
  for (int i = 0; i < kPoints; ++i)
    out[i] = {(points[i].x - origin.x) * scale, (points[i].y - origin.y) * scale,
              points[i].z * scale};
  return out;
}

Points View::back(const Points& points) const {
  Points out;
  for (int i = 0; i < kPoints; ++i)
    out[i] = {points[i].x / scale + origin.x, points[i].y / scale + origin.y, points[i].z / scale};
  return out;
}

std::shared_ptr<PreparedFrame> prepare_frame(media::Frame frame, const FaceNets& nets,
                                             const AnalysisOptions& options) {
  auto out = std::make_shared<PreparedFrame>();
  out->index = frame.index;
  out->width = frame.width();
  out->height = frame.height();
  const int longest = std::max(out->width, out->height);
  out->work = longest > kWorkLongest_px ? frame.rgb8_scaled(kWorkLongest_px) : frame.rgb8();
  out->work_from_frame =
      static_cast<float>(std::max(out->work.width, out->work.height)) / static_cast<float>(longest);
  out->small = shrink(out->work, kSmallLongest_px);
  out->small_from_frame = static_cast<float>(std::max(out->small.width, out->small.height)) /
                          static_cast<float>(longest);
  out->signature = scene_signature(out->small);
  out->frame = std::move(frame);
  if (out->index % options.detect_every == 0) {
    const bool thorough = out->index / options.detect_every % kThoroughEvery == 0;
    out->detections = thorough ? detect_on(nets, out->work, out->work_from_frame)
                               : detect_on(nets, out->small, out->small_from_frame);
  }
  return out;
}

View view_of(const PreparedFrame& prepared, Point2 centre, float side_px, float wanted_px) {
  View view;
  if (prepared.work_from_frame >= 1 || side_px * prepared.work_from_frame >= wanted_px) {
    view.image = &prepared.work;
    view.scale = prepared.work_from_frame;
    return view;
  }
  const float reach = 0.75f * side_px;  // a rotated square fits
  const Rect region =
      clip_rect({centre.x - reach, centre.y - reach, centre.x + reach, centre.y + reach}, 2,
                prepared.width, prepared.height);
  if (region.empty()) {
    view.image = &prepared.work;
    view.scale = prepared.work_from_frame;
    return view;
  }
  view.own = to_uint8(prepared.frame.rgb_float(region));
  view.origin = {static_cast<float>(region.x0), static_cast<float>(region.y0)};
  return view;
}

FaceFinder finder_of(const FaceNets& nets, const AnalysisOptions& options) {
  FaceFinder finder;
  finder.detect = [&nets](const PreparedFrame& prepared) {
    return detect_on(nets, prepared.small, prepared.small_from_frame);
  };
  finder.detect_without = [&nets](const PreparedFrame& prepared, const std::vector<Box>& hidden) {
    return detect_on(nets, painted_over(prepared, hidden), prepared.small_from_frame);
  };
  finder.mesh = [&nets, attention = options.attention](const PreparedFrame& prepared,
                                                       const FaceNets::Crop& crop) {
    const View view = view_of(prepared, crop.centre, crop.side_px, kMeshInput_px);
    FaceNets::Crop inside = crop;
    inside.centre = (crop.centre - view.origin) * view.scale;
    inside.side_px *= view.scale;
    Face face = nets.mesh(view.own.empty() ? *view.image : view.own, inside, attention);
    face.points = view.back(face.points);
    face.box = box_of(face.points);
    return face;
  };
  return finder;
}

int frames_to_hold(const media::VideoInfo& info, const AnalysisOptions& options) {
  const double pixels = static_cast<double>(info.width) * info.height;
  const double longest = std::max(1, std::max(info.width, info.height));
  const double reduced = std::min(1.0, kWorkLongest_px / longest);
  const double bytes =
      pixels * (info.bit_depth > 8 ? 3 : 1.5) + 3 * pixels * reduced * reduced + 3e5;
  return std::clamp(static_cast<int>(kHeldBytes / std::max(1.0, bytes)), 1, options.detect_every);
}

}  // namespace likeness::face
