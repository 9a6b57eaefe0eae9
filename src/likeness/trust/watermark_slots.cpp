// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_slots.h"

#include <algorithm>

#include <opencv2/imgproc.hpp>

#include "likeness/base/threads.h"
#include "likeness/trust/watermark_grid.h"
#include "likeness/trust/watermark_whiten.h"

namespace likeness::trust {
namespace {

cv::Mat box(const cv::Mat& image, double chips, double samples_per_chip) {
  const int size = std::max(1, static_cast<int>(chips * samples_per_chip / 2 + 0.5)) * 2 - 1;
  cv::Mat out;
  cv::boxFilter(image, out, -1, {size, size}, {-1, -1}, true, cv::BORDER_REFLECT);
  return out;
}

/// Chip averages at every sample, with the slow part taken off.
cv::Mat chip_average(const cv::Mat& luma, double samples_per_chip) {
  const int size = std::max(1, static_cast<int>(samples_per_chip));
  cv::Mat mean, out;
  cv::boxFilter(luma, mean, -1, {size | 1, size | 1}, {-1, -1}, true, cv::BORDER_REFLECT);
  cv::GaussianBlur(mean, out, {0, 0}, 2.0 * samples_per_chip, 0, cv::BORDER_REFLECT);
  return mean - out;
}

/// residual / local variance
cv::Mat weighted(const cv::Mat& residual, double samples_per_chip) {
  constexpr double kLeastVariance = 0.02;
  cv::Mat variance = box(residual.mul(residual), 5, samples_per_chip) + kLeastVariance;
  return residual / variance;
}

/// What `before` and `after` do not explain of `now`, by least squares over windows of 5 chips.
cv::Mat unexplained(const cv::Mat& now, const cv::Mat& before, const cv::Mat& after,
                    double samples_per_chip) {
  const auto moment = [&](const cv::Mat& a, const cv::Mat& b) {
    return box(a.mul(b), 5, samples_per_chip);
  };
  // The marks of the neighbours count as noise in them: a ridge.
  constexpr float kRidge = 0.3f;
  const cv::Mat aa = moment(before, before), bb = moment(after, after), ab = moment(before, after),
                ya = moment(now, before), yb = moment(now, after);
  cv::Mat out(now.size(), CV_32F);
  for (int y = 0; y < now.rows; ++y) {
    const float *n = now.ptr<float>(y), *p = before.ptr<float>(y), *q = after.ptr<float>(y);
    const float *saa = aa.ptr<float>(y), *sbb = bb.ptr<float>(y), *sab = ab.ptr<float>(y),
                *sya = ya.ptr<float>(y), *syb = yb.ptr<float>(y);
    float* o = out.ptr<float>(y);
    for (int x = 0; x < now.cols; ++x) {
      const float a = saa[x] + kRidge, b = sbb[x] + kRidge, c = sab[x];
      const float inverse = 1.0f / (a * b - c * c + 1e-6f);
      const float u = (sya[x] * b - syb[x] * c) * inverse;
      const float v = (syb[x] * a - sya[x] * c) * inverse;
      o[x] = n[x] - u * p[x] - v * q[x];
    }
  }
  return out;
}

}  // namespace

cv::Mat reduced_luma(const media::Frame& frame, double chips, double samples) {
  const auto planes = frame.luma();
  const double pitch = chip_pitch_px(frame.width(), frame.height(), chips);
  const int width = std::max(8, static_cast<int>(frame.width() * samples / pitch + 0.5));
  const int height = std::max(8, static_cast<int>(frame.height() * samples / pitch + 0.5));
  cv::Mat sum;
  for (size_t p = 0; p < planes.size(); ++p) {
    const media::PlaneView& v = planes[p];
    const cv::Mat plane(v.height, v.width, v.bytes == 1 ? CV_8U : CV_16U, v.data,
                        static_cast<size_t>(v.stride_bytes));
    constexpr double kWeight[3] = {0.25, 0.625, 0.125};  // about luma, for RGB
    cv::Mat values, small;
    plane.convertTo(values, CV_32F, (planes.size() == 3 ? kWeight[p] : 1.0) / (1 << (v.depth - 8)));
    const bool shrink = width <= v.width && height <= v.height;
    cv::resize(values, small, {width, height}, 0, 0, shrink ? cv::INTER_AREA : cv::INTER_LINEAR);
    if (sum.empty())
      sum = small;
    else
      sum += small;
  }
  return sum;
}

SlotEvidence slot_evidence(const std::vector<ReducedFrame>& frames, double shift_s) {
  SlotEvidence out;
  std::vector<cv::Mat> means;
  std::vector<int> counts;
  for (const ReducedFrame& f : frames) {
    const int64_t slot = slot_of_time(f.time_s + shift_s);
    if (out.slot.empty() || out.slot.back() != slot) {
      out.slot.push_back(slot);
      means.push_back(f.luma.clone());
      counts.push_back(1);
    } else {
      means.back() += f.luma;
      ++counts.back();
    }
  }
  const int count = static_cast<int>(means.size());
  parallel_for(0, count, [&](int i) {
    const auto k = static_cast<size_t>(i);
    means[k] = chip_average(means[k] / counts[k], kSamplesPerChip);
  });
  out.evidence.resize(means.size());
  parallel_for(0, count, [&](int i) {
    const auto k = static_cast<size_t>(i);
    cv::Mat residual = means[k];
    if (count > 1) {
      const cv::Mat& before = means[static_cast<size_t>(i > 0 ? i - 1 : i + 1)];
      const cv::Mat& after = means[static_cast<size_t>(i + 1 < count ? i + 1 : i - 1)];
      residual = unexplained(means[k], before, after, kSamplesPerChip);
    }
    out.evidence[k] = weighted(residual, kSamplesPerChip);
  });
  return out;
}

cv::Mat still_evidence(const cv::Mat& luma, double samples_per_chip) {
  const int step = static_cast<int>(samples_per_chip + 0.5);
  return weighted(whitened(chip_average(luma, samples_per_chip), step), samples_per_chip);
}

}  // namespace likeness::trust
