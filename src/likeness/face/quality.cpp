// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/quality.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "likeness/face/geometry.h"
#include "likeness/face/nets_image.h"

namespace likeness::face {
namespace {

constexpr int kSide = 128;     ///< crop for sharpness and exposure
constexpr int kSkinSide = 64;  ///< grid for the skin model

float luma_of(const float* rgb) { return 0.2126f * rgb[0] + 0.7152f * rgb[1] + 0.0722f * rgb[2]; }

cv::Point2f in_crop(const Affine2& crop_from_image, const Point3& p) {
  const Point2 q = crop_from_image({p.x, p.y});
  return {q.x, q.y};
}

/// Filled outline of mesh points, scaled to a grid of `side` pixels.
void fill(cv::Mat& mask, const Points& points, const std::vector<int>& ring,
          const Affine2& crop_from_image, double value) {
  const float scale = static_cast<float>(mask.cols) / kSide;
  std::vector<cv::Point> outline;
  for (int i : ring) {
    const cv::Point2f p = in_crop(crop_from_image, points[i]) * scale;
    outline.emplace_back(cvRound(p.x * 16 - 8), cvRound(p.y * 16 - 8));
  }
  cv::fillPoly(mask, std::vector<std::vector<cv::Point>>{outline}, cv::Scalar(value), cv::LINE_8,
               4);
}

/// The skin of the face: the oval drawn in a little, without eyes, brows and mouth.
cv::Mat skin_mask(const Points& points, const Affine2& crop_from_image) {
  cv::Mat mask = cv::Mat::zeros(kSkinSide, kSkinSide, CV_8U);
  fill(mask, points, face_oval(), crop_from_image, 255);
  cv::erode(mask, mask, cv::Mat(), {-1, -1}, 2);
  cv::Mat holes = cv::Mat::zeros(kSkinSide, kSkinSide, CV_8U);
  for (Part part :
       {Part::kLeftEye, Part::kRightEye, Part::kLips, Part::kLeftBrow, Part::kRightBrow})
    fill(holes, points, part_outline(part), crop_from_image, 255);
  cv::dilate(holes, holes, cv::Mat(), {-1, -1}, 2);
  mask.setTo(0, holes);
  return mask;
}

using Colour = std::array<float, 3>;

Colour colour_of(const float* rgb) {
  constexpr float kDark = 8 / 255.f;  // keeps noise in the shadows from becoming colour
  const float r = rgb[0] + kDark, g = rgb[1] + kDark, b = rgb[2] + kDark;
  return {std::log(luma_of(rgb) + kDark), std::log(r / g), std::log(b / g)};
}

// Light changes luma a lot over a face and colour a little; less spread than this is never
// believed.
constexpr Colour kLeastSigma = {0.25f, 0.06f, 0.09f};

float mismatch(const Colour& colour, const SkinModel& skin) {
  float sum = 0;
  for (int c = 0; c < 3; ++c) {
    const float z = (colour[c] - skin.mean[c]) / skin.sigma[c];
    sum += z * z;
  }
  return sum;
}
constexpr float kStranger = 3.2f * 3.2f;  ///< squared distance from which a pixel is not this skin

float median(std::vector<float>& values) {
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Median and robust spread of the colours around cheeks, nose and chin.
SkinModel seed_skin(const std::vector<Colour>& colours) {
  SkinModel skin;
  if (colours.size() < 12) return skin;
  for (int c = 0; c < 3; ++c) {
    std::vector<float> values;
    for (const Colour& colour : colours) values.push_back(colour[c]);
    skin.mean[c] = median(values);
    for (float& v : values) v = std::fabs(v - skin.mean[c]);
    skin.sigma[c] = std::max(kLeastSigma[c], 1.8f * median(values));
  }
  skin.frames = 1;
  return skin;
}

/// Cheeks (both), nose and the sides of the chin.
constexpr int kSeeds[] = {50, 280, 205, 425, 36, 266, 4, 5, 195, 201, 421};

std::vector<Colour> seed_colours(const cv::Mat& grid, const cv::Mat& mask, const Points& points,
                                 const Affine2& crop_from_image) {
  constexpr float kScale = static_cast<float>(kSkinSide) / kSide;
  std::vector<Colour> out;
  for (int i : kSeeds) {
    const cv::Point2f at = in_crop(crop_from_image, points[i]) * kScale;
    for (int dy = -2; dy <= 2; ++dy)
      for (int dx = -2; dx <= 2; ++dx) {
        const int x = static_cast<int>(at.x) + dx, y = static_cast<int>(at.y) + dy;
        if (x < 0 || y < 0 || x >= kSkinSide || y >= kSkinSide || !mask.at<uint8_t>(y, x)) continue;
        out.push_back(colour_of(grid.ptr<float>(y) + 3 * x));
      }
  }
  return out;
}

/// Share of the skin that does not look like it. The track's model speaks where it exists: a hand
/// over the cheeks must not become the model.
float occlusion_of(const cv::Mat& grid, const Points& points, const Affine2& crop_from_image,
                   SkinModel& track) {
  const cv::Mat mask = skin_mask(points, crop_from_image);
  SkinModel now = seed_skin(seed_colours(grid, mask, points, crop_from_image));
  if (track.frames > 0 && now.frames > 0) {
    // The light may change, so the frame's own seeds count as far as they agree with the track.
    const float agree = std::exp(-0.5f * mismatch(now.mean, track));
    for (int c = 0; c < 3; ++c) {
      now.mean[c] = track.mean[c] + agree * (now.mean[c] - track.mean[c]);
      now.sigma[c] =
          std::max(kLeastSigma[c], track.sigma[c] + agree * (now.sigma[c] - track.sigma[c]));
    }
  } else if (track.frames > 0) {
    now = track;
  }
  if (now.frames <= 0) return 0;
  int skin = 0, strange = 0;
  for (int y = 0; y < kSkinSide; ++y)
    for (int x = 0; x < kSkinSide; ++x) {
      if (!mask.at<uint8_t>(y, x)) continue;
      ++skin;
      strange += mismatch(colour_of(grid.ptr<float>(y) + 3 * x), now) > kStranger;
    }
  if (skin < 50) return 1;
  const float share = static_cast<float>(strange) / static_cast<float>(skin);
  if (share < 0.25f) {
    const float rate = 1 / std::min(50.f, track.frames + 1);
    for (int c = 0; c < 3; ++c) {
      track.mean[c] += rate * (now.mean[c] - track.mean[c]);
      track.sigma[c] += rate * (now.sigma[c] - track.sigma[c]);
    }
    track.frames += 1;
  }
  return share;
}

/// Variance of the Laplacian inside the oval, in 8-bit luma.
float sharpness_of(const cv::Mat& luma, const cv::Mat& hull) {
  cv::Mat laplacian;
  cv::Laplacian(luma, laplacian, CV_32F, 1, 255);
  cv::Scalar mean, deviation;
  cv::meanStdDev(laplacian, mean, deviation, hull);
  return static_cast<float>(std::min(1.0, deviation[0] * deviation[0] / 1000));
}

/// 1 less the share of crushed and clipped pixels, and less again when the whole face is very dark
/// or bright.
float exposure_of(const cv::Mat& rgb, const cv::Mat& luma, const cv::Mat& hull) {
  int n = 0;
  float lost = 0;
  double sum = 0;
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) {
      if (!hull.at<uint8_t>(y, x)) continue;
      ++n;
      const float v = luma.at<float>(y, x);
      sum += v;
      const float* p = rgb.ptr<float>(y) + 3 * x;
      const float brightest = std::max({p[0], p[1], p[2]});
      lost += std::clamp((0.06f - v) / 0.04f, 0.f, 1.f) +
              std::clamp((brightest - 0.97f) / 0.02f, 0.f, 1.f);
    }
  if (!n) return 0;
  const float mean = static_cast<float>(sum / n);
  const float level = std::min(std::clamp((mean - 0.03f) / 0.12f, 0.f, 1.f),
                               std::clamp((0.97f - mean) / 0.12f, 0.f, 1.f));
  return std::clamp(1 - lost / static_cast<float>(n), 0.f, 1.f) * level;
}

}  // namespace

Quality QualityMeter::measure(const Image8& image, const Points& points, int track) {
  Quality quality;
  Box box{points[0].x, points[0].y, points[0].x, points[0].y};
  for (int i = 0; i < kMeshPoints; ++i)
    box = {std::min(box.x0, points[i].x), std::min(box.y0, points[i].y),
           std::max(box.x1, points[i].x), std::max(box.y1, points[i].y)};
  quality.size_px = std::max(box.width(), box.height());
  const Affine2 crop_from_image = face::crop_from_image(points, CropType::kFull, kSide);
  cv::Mat rgb(kSide, kSide, CV_32FC3);
  sample_crop(image, crop_from_image.inverse(), kSide, kSide, {},
              {rgb.ptr<float>(), static_cast<size_t>(kSide * kSide * 3)});
  cv::Mat luma(kSide, kSide, CV_32F), hull = cv::Mat::zeros(kSide, kSide, CV_8U), grid;
  for (int i = 0; i < kSide * kSide; ++i) luma.ptr<float>()[i] = luma_of(rgb.ptr<float>() + 3 * i);
  fill(hull, points, face_oval(), crop_from_image, 255);
  quality.sharpness = sharpness_of(luma, hull);
  quality.exposure = exposure_of(rgb, luma, hull);
  cv::resize(rgb, grid, {kSkinSide, kSkinSide}, 0, 0, cv::INTER_AREA);
  quality.occlusion = occlusion_of(grid, points, crop_from_image, skin_[track]);
  return quality;
}

}  // namespace likeness::face
