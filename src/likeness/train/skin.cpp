// SPDX-License-Identifier: Apache-2.0
#include "likeness/train/skin.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "likeness/base/threads.h"
#include "likeness/face/geometry.h"

namespace likeness::train {
namespace {

/// Root mean square deviation of luma from the mean over the samples that see a pixel.
ImageF deviation(const std::vector<ImageF>& textures, const std::vector<ImageF>& visible,
                 const ImageF& mean) {
  ImageF out(mean.width, mean.height, 1);
  parallel_for(0, mean.height, [&](int y) {
    for (int x = 0; x < mean.width; ++x) {
      double sum = 0, weight = 1e-3;
      for (size_t i = 0; i < textures.size(); ++i) {
        double d = 0, v = visible[i].at(x, y);
        for (int k = 0; k < 3; ++k) d += (textures[i].at(x, y, k) - mean.at(x, y, k)) / 3;
        sum += v * d * d, weight += v;
      }
      out.at(x, y) = static_cast<float>(std::sqrt(sum / weight));
    }
  });
  return out;
}

/// Where hair hangs in from above: over the brows, and beside them down to the eyes. Beards and
/// shaded cheeks are not there, so that a little darker than skin, or a little unsteady, is hair.
bool may_be_hair(const face::MeshLayout& layout, int x, int y) {
  const auto& at = layout.position_px;
  const float brow_y = std::min(at[105].y, at[334].y), eye_y = (at[33].y + at[263].y) / 2;
  if (static_cast<float>(y) < brow_y) return true;
  return static_cast<float>(y) < eye_y &&
         (static_cast<float>(x) < at[70].x || static_cast<float>(x) > at[300].x);
}

/// Inside the face oval, 255, without the ring around it.
cv::Mat inside_oval(const face::MeshLayout& layout) {
  cv::Mat inside(layout.size_px, layout.size_px, CV_8U, cv::Scalar(0));
  std::vector<cv::Point> polygon;
  for (int i : face::face_oval())
    polygon.emplace_back(cvRound(layout.position_px[i].x), cvRound(layout.position_px[i].y));
  cv::fillPoly(inside, std::vector<std::vector<cv::Point>>{polygon}, 255);
  return inside;
}

struct Limits {
  float unsteady, unsteady_above;  ///< deviation of luma
  float dark_above;                ///< of the skin's luma
};

/// Marks what is not skin in a mean texture: far darker, of another hue, or never the same. Below
/// the nose only the last counts, and only inside the oval: a beard is dark and has its own hue,
/// and where the jaw ends is the layout's silhouette's business.
void mark_foreign(const ImageF& mean, const ImageF& deviation, const face::MeshLayout& layout,
                  const Limits& limits, cv::Mat& foreign) {
  constexpr float kDark = 0.45f, kHue = 0.07f;
  constexpr int kNoseBase = 2;
  int size = layout.size_px;
  const cv::Mat inside = inside_oval(layout);
  std::vector<float> luma, red, green;
  auto chroma = [](const float* c, int k) { return c[k] / (c[0] + c[1] + c[2] + 1e-3f); };
  for (int y = size * 3 / 10; y < size * 7 / 10; ++y)
    for (int x = size * 3 / 10; x < size * 7 / 10; ++x) {
      if (layout.priority.at(x, y) > 0.1f) continue;
      const float* c = &mean.at(x, y);
      luma.push_back(c[0] + c[1] + c[2]);
      red.push_back(chroma(c, 0)), green.push_back(chroma(c, 1));
    }
  if (luma.empty()) return;
  float skin_luma = percentile_of(luma, 0.5), skin_red = percentile_of(red, 0.5),
        skin_green = percentile_of(green, 0.5);
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) {
      const float* c = &mean.at(x, y);
      const bool above = may_be_hair(layout, x, y);
      if (static_cast<float>(y) > layout.position_px[kNoseBase].y) {
        if (inside.at<uint8_t>(y, x) && deviation.at(x, y) > limits.unsteady)
          foreign.at<uint8_t>(y, x) = 255;
        continue;
      }
      if (c[0] + c[1] + c[2] < (above ? limits.dark_above : kDark) * skin_luma ||
          std::hypot(chroma(c, 0) - skin_red, chroma(c, 1) - skin_green) > kHue ||
          deviation.at(x, y) > (above ? limits.unsteady_above : limits.unsteady))
        foreign.at<uint8_t>(y, x) = 255;
    }
}

/// Nothing above a lock of hair is skin that may be pasted: the forehead ends below the lowest lock
/// of each column, along a line without teeth.
void close_above(const face::MeshLayout& layout, cv::Mat& outside) {
  const int size = layout.size_px, reach = size / 32;
  std::vector<float> end(size, -1);
  for (int x = 0; x < size; ++x)
    for (int y = 0; y < size; ++y)
      if (outside.at<uint8_t>(y + 1, x + 1) && may_be_hair(layout, x, y))
        end[x] = static_cast<float>(y);
  std::vector<float> lowest(size, -1);
  for (int x = 0; x < size; ++x)
    for (int k = std::max(0, x - reach); k <= std::min(size - 1, x + reach); ++k)
      lowest[x] = std::max(lowest[x], end[k]);
  cv::Mat line(1, size, CV_32F, lowest.data());
  cv::GaussianBlur(line, line, {}, size / 64.0, 1, cv::BORDER_REPLICATE);
  for (int x = 0; x < size; ++x)
    for (int y = 0; y <= static_cast<int>(lowest[x]); ++y)
      if (layout.coverage.at(x, y) > 0 && layout.priority.at(x, y) < 0.3f)
        outside.at<uint8_t>(y + 1, x + 1) = 255;
}

/// 1 - what is foreign and hangs together with the outside; eyes, brows and lips are islands and
/// stay.
ImageF skin_mask(cv::Mat foreign, const face::MeshLayout& layout) {
  int size = layout.size_px;
  cv::copyMakeBorder(foreign, foreign, 1, 1, 1, 1, cv::BORDER_CONSTANT, cv::Scalar(255));
  cv::Mat marked = foreign.clone();
  marked.row(0).setTo(0), marked.row(size + 1).setTo(0);
  marked.col(0).setTo(0), marked.col(size + 1).setTo(0);
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) {
      if (layout.coverage.at(x, y) <= 0) {
        foreign.at<uint8_t>(y + 1, x + 1) = 255;
        marked.at<uint8_t>(y + 1, x + 1) = 0;
      }
      if (layout.priority.at(x, y) > 0.3f) foreign.at<uint8_t>(y + 1, x + 1) = 0;
    }
  cv::floodFill(foreign, {0, 0}, cv::Scalar(128));
  cv::Mat outside = (foreign == 128) & marked, soft, close;
  close_above(layout, outside);
  outside.convertTo(close, CV_32F, 1 / 255.0);
  cv::GaussianBlur(close, close, {}, size / 128.0);
  // Locks of hair give a ragged edge: smoothed, and grown by the same blur.
  outside.convertTo(soft, CV_32F, 1 / 255.0);
  cv::GaussianBlur(soft, soft, {}, size / 32.0);
  cv::threshold(soft, soft, 0.3, 1.0, cv::THRESH_BINARY);
  cv::GaussianBlur(soft, soft, {}, size / 48.0);
  ImageF out(size, size, 1);
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) {
      if (layout.coverage.at(x, y) <= 0) continue;
      // The falloff lies inside the skin: nothing foreign shines through. A brow goes up to the
      // hair itself: else the end of the one that is covered would look out beside the one pasted.
      const float feature = std::clamp(2 * layout.priority.at(x, y), 0.0f, 1.0f);
      const float wide = 1 - 2 * soft.at<float>(y + 1, x + 1),
                  narrow = feature * (1 - 2 * close.at<float>(y + 1, x + 1));
      out.at(x, y) = std::clamp(std::max(wide, narrow), 0.0f, 1.0f);
    }
  return out;
}

}  // namespace

ImageF skin_of(const Samples samples[2], const face::MeshLayout& layout) {
  // Strict with what would be pasted, lenient with what would be covered.
  constexpr Limits kLimits[2] = {{0.13f, 0.1f, 0.7f}, {0.25f, 0.25f, 0.6f}};
  cv::Mat foreign(layout.size_px, layout.size_px, CV_8U, cv::Scalar(0));
  for (int side = 0; side < 2; ++side)
    mark_foreign(samples[side].mean,
                 deviation(samples[side].texture, samples[side].visible, samples[side].mean),
                 layout, kLimits[side], foreign);
  return skin_mask(foreign, layout);
}

}  // namespace likeness::train
