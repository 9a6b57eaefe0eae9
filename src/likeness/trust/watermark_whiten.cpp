// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_whiten.h"

#include <array>
#include <vector>

#include <opencv2/imgproc.hpp>

namespace likeness::trust {
namespace {
constexpr std::array<std::array<int, 2>, 12> kNeighbours = {{{-1, 0},
                                                             {1, 0},
                                                             {0, -1},
                                                             {0, 1},
                                                             {-1, -1},
                                                             {1, 1},
                                                             {-1, 1},
                                                             {1, -1},
                                                             {-2, 0},
                                                             {2, 0},
                                                             {0, -2},
                                                             {0, 2}}};
}

cv::Mat whitened(const cv::Mat& image, int step) {
  constexpr int kCount = static_cast<int>(kNeighbours.size());
  cv::Mat padded;
  const int margin = 2 * step;
  cv::copyMakeBorder(image, padded, margin, margin, margin, margin, cv::BORDER_REFLECT);
  std::array<cv::Mat, kNeighbours.size()> shifted;
  for (size_t n = 0; n < kNeighbours.size(); ++n)
    shifted[n] = padded(cv::Rect(margin + kNeighbours[n][0] * step,
                                 margin + kNeighbours[n][1] * step, image.cols, image.rows));
  cv::Mat normal(kCount, kCount, CV_64F), right(kCount, 1, CV_64F), weights;
  for (int i = 0; i < kCount; ++i) {
    const auto& a = shifted[static_cast<size_t>(i)];
    for (int j = 0; j <= i; ++j)
      normal.at<double>(i, j) = normal.at<double>(j, i) = a.dot(shifted[static_cast<size_t>(j)]);
    right.at<double>(i) = a.dot(image);
  }
  normal += cv::Mat::eye(kCount, kCount, CV_64F) * (1e-4 * cv::trace(normal)[0] / kCount + 1e-9);
  cv::solve(normal, right, weights, cv::DECOMP_CHOLESKY);
  cv::Mat out = image.clone();
  for (int i = 0; i < kCount; ++i)
    cv::scaleAdd(shifted[static_cast<size_t>(i)], -weights.at<double>(i), out, out);
  return out;
}

}  // namespace likeness::trust
