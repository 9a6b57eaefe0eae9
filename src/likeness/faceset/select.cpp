// SPDX-License-Identifier: Apache-2.0
// Choosing faces: sorting, filtering, the balanced best, near-duplicates.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <tuple>

#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/faceset/faceset.h"

namespace likeness::faceset {
namespace {

constexpr float kDegrees = 57.29577951f;
constexpr int kThumb = 16;  ///< side of the luma thumbnails that near-duplicates are compared by
using Thumb = std::array<uint8_t, kThumb * kThumb>;

std::vector<size_t> kept_indices(const Faceset& set) {
  std::vector<size_t> out;
  for (size_t i = 0; i < set.items().size(); ++i)
    if (!set.items()[i].excluded) out.push_back(i);
  return out;
}

float luma(const uint8_t* rgb) {  // BT.709 weights
  return 0.2126f * rgb[0] + 0.7152f * rgb[1] + 0.0722f * rgb[2];
}

Thumb thumb_of(const Image8& image) {
  Thumb out;
  for (int ty = 0; ty < kThumb; ++ty)
    for (int tx = 0; tx < kThumb; ++tx) {
      const int x0 = tx * image.width / kThumb,
                x1 = std::max(x0 + 1, (tx + 1) * image.width / kThumb);
      const int y0 = ty * image.height / kThumb,
                y1 = std::max(y0 + 1, (ty + 1) * image.height / kThumb);
      double sum = 0;
      for (int y = y0; y < y1; ++y)
        for (int x = x0; x < x1; ++x) sum += luma(&image.at(x, y));
      out[ty * kThumb + tx] = static_cast<uint8_t>(std::lround(sum / ((x1 - x0) * (y1 - y0))));
    }
  return out;
}

/// Mean colour of the middle half of a crop: brightness, or hue in turns [0, 1).
float colour_value(const Image8& image, bool hue) {
  double sum[3] = {0, 0, 0};
  int n = 0;
  for (int y = image.height / 4; y < image.height * 3 / 4; ++y)
    for (int x = image.width / 4; x < image.width * 3 / 4; ++x, ++n)
      for (int c = 0; c < 3; ++c) sum[c] += image.at(x, y, c);
  const double r = sum[0] / n, g = sum[1] / n, b = sum[2] / n;
  if (!hue) return static_cast<float>((0.2126 * r + 0.7152 * g + 0.0722 * b) / 255);
  const double angle = std::atan2(std::sqrt(3.0) * (g - b), 2 * r - g - b) / (2 * M_PI);
  return static_cast<float>(angle - std::floor(angle));
}

std::vector<float> colour_values(const Faceset& set, bool hue) {
  std::vector<float> out(set.items().size(), 0.f);
  parallel_for(0, static_cast<int>(out.size()), [&](int i) {
    if (!set.items()[i].excluded) out[i] = colour_value(set.image(i), hue);
  });
  return out;
}

std::vector<float> distances(const Faceset& set) {
  const face::Embedding mean = mean_embedding(set);
  std::vector<float> out;
  for (const Item& item : set.items()) {
    double sum = 0;
    for (int i = 0; i < face::kEmbeddingSize; ++i)
      sum += (item.embedding[i] - mean[i]) * static_cast<double>(item.embedding[i] - mean[i]);
    out.push_back(item.has_embedding ? static_cast<float>(std::sqrt(sum)) : 1e3f);
  }
  return out;
}

using Key = float (*)(const Item&);
const std::map<std::string, Key>& row_keys() {
  static const std::map<std::string, Key> keys = {
      {"sharpness", [](const Item& i) { return i.quality.sharpness; }},
      {"yaw", [](const Item& i) { return i.pose.yaw_rad; }},
      {"pitch", [](const Item& i) { return i.pose.pitch_rad; }},
      {"size", [](const Item& i) { return i.quality.size_px; }},
      {"exposure", [](const Item& i) { return i.quality.exposure; }},
      {"occlusion", [](const Item& i) { return -i.quality.occlusion; }},
  };
  return keys;
}

template <typename Less>
std::vector<size_t> sorted(std::vector<size_t> indices, bool descending, Less less) {
  std::stable_sort(indices.begin(), indices.end(),
                   [&](size_t a, size_t b) { return descending ? less(b, a) : less(a, b); });
  return indices;
}

bool passes(const Item& item, float distance, const Filter& rules) {
  const auto& q = item.quality;
  const float yaw = item.pose.yaw_rad * kDegrees, pitch = item.pose.pitch_rad * kDegrees;
  return !item.excluded && q.sharpness >= rules.min_sharpness && q.size_px >= rules.min_size_px &&
         q.occlusion <= rules.max_occlusion && q.exposure >= rules.min_exposure &&
         yaw >= rules.min_yaw_deg && yaw <= rules.max_yaw_deg && pitch >= rules.min_pitch_deg &&
         pitch <= rules.max_pitch_deg && (!item.has_embedding || distance <= rules.max_distance);
}

}  // namespace

const std::vector<std::string>& sort_keys() {
  static const std::vector<std::string> keys = {"sharpness",  "yaw",       "pitch",      "size",
                                                "exposure",   "occlusion", "similarity", "time",
                                                "brightness", "hue",       "source"};
  return keys;
}

std::vector<size_t> sort_by(const Faceset& set, const std::string& key, bool descending) {
  const auto& items = set.items();
  const auto by_value = [&](const std::vector<float>& values) {
    return sorted(kept_indices(set), descending,
                  [&](size_t a, size_t b) { return values[a] < values[b]; });
  };
  if (auto it = row_keys().find(key); it != row_keys().end()) {
    std::vector<float> values;
    for (const Item& item : items) values.push_back(it->second(item));
    return by_value(values);
  }
  if (key == "similarity") {
    std::vector<float> values = distances(set);
    for (float& v : values) v = -v;
    return by_value(values);
  }
  if (key == "brightness" || key == "hue") return by_value(colour_values(set, key == "hue"));
  const auto by_time = [&](size_t a, size_t b) {
    return std::tie(items[a].time_s, items[a].track) < std::tie(items[b].time_s, items[b].track);
  };
  if (key == "time") return sorted(kept_indices(set), descending, by_time);
  if (key == "source")
    return sorted(kept_indices(set), descending, [&](size_t a, size_t b) {
      return items[a].source != items[b].source ? items[a].source < items[b].source : by_time(a, b);
    });
  std::string names;
  for (const auto& name : sort_keys()) names += (names.empty() ? "" : ", ") + name;
  throw Error(ErrorCode::kUsage, "cannot sort by '" + key + "'", "use one of: " + names);
}

std::vector<size_t> filter(const Faceset& set, const Filter& rules) {
  const auto distance = distances(set);
  std::vector<size_t> out;
  for (size_t i = 0; i < set.items().size(); ++i)
    if (passes(set.items()[i], distance[i], rules)) out.push_back(i);
  if (rules.near_duplicate > 0) out = without_near_duplicates(set, out, rules.near_duplicate);
  if (rules.best > 0) out = best(set, out, rules.best);
  return out;
}

// Rounds over the occupied cells of a yaw x pitch grid, one face from each, until n are found: rare
// poses are all kept before common ones get a second face.
std::vector<size_t> best(const Faceset& set, const std::vector<size_t>& candidates, int n) {
  constexpr float kYawBin_deg = 6, kPitchBin_deg = 8;
  std::map<std::pair<int, int>, std::vector<size_t>> cells;
  for (size_t i : candidates) {
    const auto& pose = set.items().at(i).pose;
    cells[{static_cast<int>(std::floor(pose.yaw_rad * kDegrees / kYawBin_deg + 0.5f)),
           static_cast<int>(std::floor(pose.pitch_rad * kDegrees / kPitchBin_deg + 0.5f))}]
        .push_back(i);
  }
  for (auto& [cell, members] : cells)
    std::stable_sort(members.begin(), members.end(), [&](size_t a, size_t b) {
      return set.items()[a].quality.sharpness > set.items()[b].quality.sharpness;
    });
  std::vector<size_t> out;
  const size_t wanted = std::min(candidates.size(), static_cast<size_t>(std::max(0, n)));
  for (size_t round = 0; out.size() < wanted; ++round) {
    std::vector<size_t> layer;
    for (auto& [cell, members] : cells)
      if (round < members.size()) layer.push_back(members[round]);
    // The last round may not fit: its sharpest faces win.
    std::stable_sort(layer.begin(), layer.end(), [&](size_t a, size_t b) {
      return set.items()[a].quality.sharpness > set.items()[b].quality.sharpness;
    });
    layer.resize(std::min(layer.size(), wanted - out.size()));
    out.insert(out.end(), layer.begin(), layer.end());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<size_t> without_near_duplicates(const Faceset& set, const std::vector<size_t>& in,
                                            double threshold) {
  std::vector<Thumb> thumbs(in.size());
  parallel_for(0, static_cast<int>(in.size()),
               [&](int i) { thumbs[i] = thumb_of(set.image(in[i])); });
  std::vector<size_t> order(in.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return set.items()[in[a]].quality.sharpness > set.items()[in[b]].quality.sharpness;
  });
  const double limit = threshold * 255 * kThumb * kThumb;
  std::vector<size_t> kept;
  for (size_t candidate : order) {
    const bool fresh = std::all_of(kept.begin(), kept.end(), [&](size_t other) {
      int sum = 0;
      for (size_t k = 0; k < thumbs[other].size(); ++k)
        sum += std::abs(thumbs[candidate][k] - thumbs[other][k]);
      return sum >= limit;
    });
    if (fresh) kept.push_back(candidate);
  }
  std::sort(kept.begin(), kept.end());
  std::vector<size_t> out;
  for (size_t k : kept) out.push_back(in[k]);
  return out;
}

// Weiszfeld's iteration for the geometric median.
face::Embedding mean_embedding(const Faceset& set) {
  constexpr int kRounds = 12;
  constexpr double kNear = 0.05;  ///< distances below this count alike
  std::array<double, face::kEmbeddingSize> centre{};
  for (int round = 0; round < kRounds; ++round) {
    std::array<double, face::kEmbeddingSize> sum{};
    double total = 0;
    for (const Item& item : set.items()) {
      if (!item.has_embedding || item.excluded) continue;
      double square = 0;
      for (int i = 0; i < face::kEmbeddingSize; ++i)
        square += (item.embedding[i] - centre[i]) * (item.embedding[i] - centre[i]);
      const double weight = round ? 1 / std::max(kNear, std::sqrt(square)) : 1;
      for (int i = 0; i < face::kEmbeddingSize; ++i) sum[i] += weight * item.embedding[i];
      total += weight;
    }
    if (total <= 0) break;
    for (int i = 0; i < face::kEmbeddingSize; ++i) centre[i] = sum[i] / total;
  }
  face::Embedding out;
  for (int i = 0; i < face::kEmbeddingSize; ++i) out[i] = static_cast<float>(centre[i]);
  return out;
}

}  // namespace likeness::faceset
