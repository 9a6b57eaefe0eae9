// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/nets_detector.h"

#include <algorithm>

#include "likeness/base/error.h"
#include "likeness/face/nets_image.h"

namespace likeness::face {
namespace {

constexpr float kMinScore = 0.5f;
constexpr int kNumbersPerAnchor = 16;  // centre x, y, width, height, 6 key points

}  // namespace

BlazeFace::BlazeFace(const tensor::Graph& graph, std::vector<Grid> grids) : net_(graph) {
  for (const Grid& g : grids)
    for (int y = 0; y < g.cells; ++y)
      for (int x = 0; x < g.cells; ++x)
        for (int k = 0; k < g.anchors_per_cell; ++k)
          anchors_.push_back({(static_cast<float>(x) + 0.5f) / static_cast<float>(g.cells),
                              (static_cast<float>(y) + 0.5f) / static_cast<float>(g.cells)});
  const auto& shape = net_.input_shape(0);
  const bool fits =
      net_.inputs() == 1 && net_.outputs() == 2 && shape.size() == 4 && shape[1] == shape[2];
  if (fits && net_.output_size(0) == anchors_.size())
    scores_output_ = 0, boxes_output_ = 1;
  else
    scores_output_ = 1, boxes_output_ = 0;
  if (!fits || net_.output_size(scores_output_) != anchors_.size() ||
      net_.output_size(boxes_output_) != anchors_.size() * kNumbersPerAnchor)
    throw Error(ErrorCode::kDamaged, "the face detector has unexpected inputs or outputs",
                "run scripts/install-models again");
  size_ = shape[1];
}

void BlazeFace::detect(const Image8& reduced, int reduction, Point2 centre, float side_px,
                       std::vector<Detection>& out) const {
  std::vector<float> input(net_.input_size(0));
  const Affine2 image_from_input = image_from_square(centre, side_px, 0, size_);
  Affine2 reduced_from_input = image_from_input;
  for (float& m : reduced_from_input.m) m /= static_cast<float>(reduction);
  sample_crop(reduced, reduced_from_input, size_, size_, {{127.5f, 127.5f, 127.5f}, 1.f / 127.5f},
              input);
  const auto outputs = net_.run(input);
  const std::vector<float>&boxes = outputs[boxes_output_], &scores = outputs[scores_output_];
  const float size = static_cast<float>(size_);
  for (size_t i = 0; i < anchors_.size(); ++i) {
    const float score = 1.f / (1.f + std::exp(-scores[i]));
    if (!(score >= kMinScore)) continue;
    const float* n = boxes.data() + i * kNumbersPerAnchor;
    const auto place = [&](float x, float y) {  // offsets from the anchor in input pixels
      return image_from_input({anchors_[i].x * size + x, anchors_[i].y * size + y});
    };
    Detection d;
    d.score = score;
    const Point2 a = place(n[0] - n[2] / 2, n[1] - n[3] / 2),
                 b = place(n[0] + n[2] / 2, n[1] + n[3] / 2);
    d.box = {a.x, a.y, b.x, b.y};
    if (!(d.box.width() > 1 && d.box.height() > 1)) continue;
    for (int k = 0; k < 6; ++k) d.keypoints[k] = place(n[4 + 2 * k], n[5 + 2 * k]);
    out.push_back(d);
  }
}

std::vector<Detection> merge_detections(std::vector<Detection> detections, float overlap) {
  std::stable_sort(detections.begin(), detections.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  std::vector<Detection> out;
  std::vector<char> taken(detections.size());
  for (size_t i = 0; i < detections.size(); ++i) {
    if (taken[i]) continue;
    Detection mean{};
    float weight = 0;
    for (size_t j = i; j < detections.size(); ++j) {
      const Detection& d = detections[j];
      if (taken[j] || (j != i && intersection_over_union(detections[i].box, d.box) <= overlap))
        continue;
      taken[j] = 1;
      weight += d.score;
      mean.box.x0 += d.score * d.box.x0, mean.box.y0 += d.score * d.box.y0;
      mean.box.x1 += d.score * d.box.x1, mean.box.y1 += d.score * d.box.y1;
      for (int k = 0; k < 6; ++k) mean.keypoints[k] = mean.keypoints[k] + d.keypoints[k] * d.score;
    }
    mean.box = {mean.box.x0 / weight, mean.box.y0 / weight, mean.box.x1 / weight,
                mean.box.y1 / weight};
    for (auto& p : mean.keypoints) p = p * (1 / weight);
    mean.score = detections[i].score;
    out.push_back(mean);
  }
  return out;
}

}  // namespace likeness::face
