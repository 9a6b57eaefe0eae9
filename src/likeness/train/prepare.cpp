// SPDX-License-Identifier: Apache-2.0
#include "likeness/train/prepare.h"

#include <algorithm>

#include <opencv2/imgproc.hpp>

#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/train/appearance.h"

namespace likeness::train {
namespace {

constexpr int kHoldOutRun = 10;

std::vector<size_t> choose(const faceset::Faceset& set, int max_faces, const char* who) {
  std::vector<size_t> rows;
  for (size_t i = 0; i < set.items().size(); ++i)
    if (!set.items()[i].excluded) rows.push_back(i);
  if (rows.size() < 8)
    throw Error(
        ErrorCode::kNoFace,
        std::string("the ") + who + " has " + std::to_string(rows.size()) +
            " faces; training needs at least 8",
        "extract more footage of this person, or undo some filtering with `likeness faceset`");
  if (max_faces > 0 && rows.size() > static_cast<size_t>(max_faces))
    rows = faceset::best(set, rows, max_faces);
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::vector<int64_t> held_out(size_t count) {
  std::vector<int64_t> rows;
  if (count < 40) {
    rows.push_back(static_cast<int64_t>(count) / 2);
    return rows;
  }
  for (size_t i = 0; i < count; ++i)
    if (i / kHoldOutRun % 10 == 5) rows.push_back(static_cast<int64_t>(i));
  if (rows.empty()) rows.push_back(static_cast<int64_t>(count) / 2);
  return rows;
}

torch::Tensor bytes_tensor(int64_t n, int channels, int size) {
  return torch::empty({n, channels, size, size}, torch::kUInt8);
}

/// HWC float [0,1] into row `index` of an N x C x R x R uint8 tensor; value * scale + offset.
void put(torch::Tensor& tensor, int64_t index, const ImageF& image, float scale = 1,
         float offset = 0) {
  int64_t plane = static_cast<int64_t>(image.width) * image.height;
  uint8_t* out = tensor.data_ptr<uint8_t>() + index * plane * image.channels;
  for (int64_t p = 0; p < plane; ++p)
    for (int k = 0; k < image.channels; ++k)
      out[k * plane + p] = static_cast<uint8_t>(
          std::clamp(image.data[p * image.channels + k] * scale + offset, 0.0f, 1.0f) * 255.0f +
          0.5f);
}

void prepare_mesh(const faceset::Faceset* sets[2], const std::vector<size_t> rows[2], int size,
                  Prepared& out, Progress& progress, const Cancel& cancel) {
  std::vector<face::Points> points[2];
  for (int side = 0; side < 2; ++side)
    for (size_t i : rows[side]) points[side].push_back(sets[side]->items()[i].points);
  Appearance::Unwrapped unwrapped[2];
  Appearance appearance = Appearance::learn(
      points, [&](int side, size_t i) { return sets[side]->image(rows[side][i]); }, size, unwrapped,
      progress, cancel);
  for (int side = 0; side < 2; ++side) {
    auto& u = unwrapped[side];
    auto& s = out.data.side[side];
    auto n = static_cast<int64_t>(rows[side].size());
    s.images = bytes_tensor(n, 3, size), s.targets = bytes_tensor(n, 3, size),
    s.base = bytes_tensor(n, 3, size);
    s.masks = bytes_tensor(n, 1, size), s.priority = bytes_tensor(n, 1, size);
    const ImageF& mean = appearance.person(side).mean;
    const face::MeshLayout& layout = appearance.layout();
    parallel_for(0, static_cast<int>(n), [&](int i) {
      ImageF &texture = u.texture[i], &visible = u.visible[i];
      // What is not seen is not a deviation: fill it with the prediction.
      ImageF deviation(size, size, 3), target(size, size, 3), mask(size, size, 1),
          priority(size, size, 1);
      for (size_t p = 0; p < visible.data.size(); ++p) {
        float v = visible.data[p];
        for (int k = 0; k < 3; ++k) {
          size_t q = p * 3 + k;
          deviation.data[q] = 0.5f + v * (texture.data[q] - mean.data[q]);
          target.data[q] = v * texture.data[q] + (1 - v) * u.base[i].data[q];
        }
        mask.data[p] = v * std::min(1.0f, layout.coverage.data[p] * 2);
        priority.data[p] = v * layout.priority.data[p];
      }
      put(s.images, i, deviation);
      put(s.targets, i, target);
      put(s.base, i, u.base[i]);
      put(s.masks, i, mask);
      put(s.priority, i, priority);
    });
    u = {};
  }
  out.extras.blobs["appearance"] = appearance.serialise();
}

ImageF polygons(int size, const std::vector<std::vector<Point2>>& outlines) {
  cv::Mat mask(size, size, CV_32F, cv::Scalar(0));
  for (const auto& outline : outlines) {
    std::vector<cv::Point> polygon;
    for (Point2 p : outline) polygon.emplace_back(cvRound(p.x * 16 - 8), cvRound(p.y * 16 - 8));
    std::vector<std::vector<cv::Point>> one{polygon};
    cv::fillPoly(mask, one, cv::Scalar(1.0), cv::LINE_8, 4);
  }
  ImageF out(size, size, 1);
  for (int y = 0; y < size; ++y) std::copy_n(mask.ptr<float>(y), size, out.row(y));
  return out;
}

void prepare_crops(const faceset::Faceset* sets[2], const std::vector<size_t> rows[2], int size,
                   Prepared& out, Progress& progress, const Cancel& cancel) {
  if (sets[0]->crop_type() != sets[1]->crop_type())
    throw Error(ErrorCode::kUsage, "the two facesets have different crop types",
                "extract both with the same --crop-type");
  progress.begin("load faces", static_cast<double>(rows[0].size() + rows[1].size()), "faces");
  for (int side = 0; side < 2; ++side) {
    auto& s = out.data.side[side];
    auto n = static_cast<int64_t>(rows[side].size());
    s.images = bytes_tensor(n, 3, size);
    s.masks = bytes_tensor(n, 1, size), s.priority = bytes_tensor(n, 1, size);
    parallel_for(0, static_cast<int>(n), [&](int i) {
      cancel.check();
      const faceset::Item& item = sets[side]->items()[rows[side][i]];
      Image8 crop = sets[side]->image(rows[side][i]);
      cv::Mat from(crop.height, crop.width, CV_8UC3, crop.data.data()), to;
      cv::resize(from, to, {size, size}, 0, 0,
                 size < crop.width ? cv::INTER_AREA : cv::INTER_CUBIC);
      ImageF image(size, size, 3);
      for (int y = 0; y < size; ++y)
        for (int x = 0; x < size * 3; ++x) image.row(y)[x] = to.ptr<uint8_t>(y)[x] / 255.0f;
      float scale = static_cast<float>(size) / crop.width;
      auto outline = [&](const std::vector<int>& indices) {
        std::vector<Point2> polygon;
        for (int k : indices) polygon.push_back(Point2{item.points[k].x, item.points[k].y} * scale);
        return polygon;
      };
      put(s.images, i, image);
      put(s.masks, i, polygons(size, {outline(face::face_oval())}));
      put(s.priority, i,
          polygons(size, {outline(face::part_outline(face::Part::kLeftEye)),
                          outline(face::part_outline(face::Part::kRightEye)),
                          outline(face::part_outline(face::Part::kLips))}));
      progress.advance();
    });
    s.targets = s.images;
  }
  progress.end();
}

}  // namespace

Prepared prepare(const faceset::Faceset& identity, const faceset::Faceset& performer,
                 const TrainOptions& options, int max_faces, Progress& progress,
                 const Cancel& cancel) {
  const faceset::Faceset* sets[2] = {&identity, &performer};
  std::vector<size_t> rows[2] = {choose(identity, max_faces, "identity"),
                                 choose(performer, max_faces, "performer")};
  Prepared out;
  bool mesh = options.net.family == "fast";
  if (mesh)
    prepare_mesh(sets, rows, options.net.resolution_px, out, progress, cancel);
  else
    prepare_crops(sets, rows, options.net.resolution_px, out, progress, cancel);
  for (int side = 0; side < 2; ++side) out.data.side[side].held_out = held_out(rows[side].size());
  static const char* crop_names[] = {"half", "full", "whole", "head"};
  out.extras.metadata["space"] = mesh ? "mesh" : "crop";
  out.extras.metadata["crop_type"] = crop_names[static_cast<int>(identity.crop_type())];
  out.extras.metadata["faces"] = {rows[0].size(), rows[1].size()};
  return out;
}

}  // namespace likeness::train
