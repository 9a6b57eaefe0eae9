// SPDX-License-Identifier: Apache-2.0
#include "likeness/swap/occlusion.h"

#include <algorithm>

#include <opencv2/imgproc.hpp>

namespace likeness::swap {

ImageF occluders(const ImageF& texture, const ImageF& expected, const ImageF& visible) {
  int size = texture.width;
  cv::Mat difference(texture.height, size, CV_32F), weight(texture.height, size, CV_32F);
  for (int y = 0; y < texture.height; ++y)
    for (int x = 0; x < size; ++x) {
      float sum = 0;
      for (int k = 0; k < 3; ++k) {
        float d = texture.at(x, y, k) - expected.at(x, y, k);
        sum += d * d;
      }
      float v = visible.at(x, y);
      difference.ptr<float>(y)[x] = std::sqrt(sum / 3) * v;
      weight.ptr<float>(y)[x] = v;
    }
  // Averaged over about a finger's width, so that lashes, teeth and wrinkles do not count.
  double sigma = size / 40.0;
  cv::GaussianBlur(difference, difference, {}, sigma);
  cv::GaussianBlur(weight, weight, {}, sigma);
  constexpr float kLow = 0.12f,
                  kHigh = 0.22f;  // skin differences stay below, hands and hair lie above
  cv::Mat mask(texture.height, size, CV_32F);
  for (int y = 0; y < texture.height; ++y)
    for (int x = 0; x < size; ++x) {
      float d = difference.ptr<float>(y)[x] / std::max(weight.ptr<float>(y)[x], 0.05f);
      mask.ptr<float>(y)[x] = std::clamp((d - kLow) / (kHigh - kLow), 0.0f, 1.0f);
    }
  int d = std::max(1, size / 48) * 2 + 1;
  cv::dilate(mask, mask, cv::getStructuringElement(cv::MORPH_ELLIPSE, {d, d}));
  cv::GaussianBlur(mask, mask, {}, size / 96.0);
  ImageF out(size, texture.height, 1);
  for (int y = 0; y < texture.height; ++y) std::copy_n(mask.ptr<float>(y), size, out.row(y));
  return out;
}

}  // namespace likeness::swap
