// SPDX-License-Identifier: Apache-2.0
// The JSON index of a faceset: rows out and rows in. Input may be hostile.
#include <bit>
#include <cmath>
#include <cstring>

#include <nlohmann/json.hpp>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/text.h"
#include "likeness/faceset/faceset.h"

namespace likeness::faceset {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "floats are stored as they lie in memory");
constexpr int kVersion = 1;
constexpr uint64_t kHeaderSize = 16;

[[noreturn]] void damaged(const std::string& why) {
  throw Error(ErrorCode::kDamaged, "the faceset's index is damaged: " + why,
              "run extract again; the footage and the other facesets are not affected");
}

template <typename Array>
std::span<const uint8_t> bytes_of(const Array& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), sizeof values};
}

/// Exactly `count` finite floats, or kDamaged.
void floats_from_base64(const std::string& text, float* out, size_t count) {
  const size_t size = count * sizeof(float);
  if (text.size() != (size + 2) / 3 * 4) damaged("numbers of the wrong length");
  const auto bytes = base64_decode(text);
  if (!bytes || bytes->size() < size) damaged("numbers that are not base64");
  std::memcpy(out, bytes->data(), size);
  for (size_t i = 0; i < count; ++i)
    if (!std::isfinite(out[i])) damaged("a number that is not finite");
}

template <typename T>
T get(const json& row, const char* key) {
  auto it = row.find(key);
  if (it == row.end()) damaged(std::string("a row has no '") + key + "'");
  return it->get<T>();
}

/// Of a number that is an integer in the file too: converting 1e300 would be undefined.
template <typename T>
T integer(const json& row, const char* key) {
  auto it = row.find(key);
  if (it == row.end() || !it->is_number_integer())
    damaged(std::string("'") + key + "' is not an integer");
  return it->get<T>();
}

float number(const json& row, const char* key) {
  const float value = get<float>(row, key);
  if (!std::isfinite(value)) damaged(std::string("'") + key + "' is not finite");
  return value;
}

template <size_t N>
std::array<float, N> numbers(const json& row, const char* key) {
  const auto values = get<std::vector<float>>(row, key);
  if (values.size() != N) damaged(std::string("'") + key + "' has the wrong length");
  std::array<float, N> out;
  for (size_t i = 0; i < N; ++i) {
    if (!std::isfinite(values[i])) damaged(std::string("'") + key + "' is not finite");
    out[i] = values[i];
  }
  return out;
}

json row_of(const Item& item, const std::string& digest) {
  const auto& p = item.pose;
  const auto& q = item.quality;
  json row = {{"id", item.id},
              {"source", item.source},
              {"source_hash", item.source_hash},
              {"frame", item.frame},
              {"time_s", item.time_s},
              {"track", item.track},
              {"crop_from_image", item.crop_from_image.m},
              {"points", base64(bytes_of(item.points))},
              {"pose",
               {{"rotation", p.rotation},
                {"scale_px_per_cm", p.scale_px_per_cm},
                {"translation_px", {p.translation_px.x, p.translation_px.y, p.translation_z_px}},
                {"angles_rad", {p.yaw_rad, p.pitch_rad, p.roll_rad}}}},
              {"quality", {q.sharpness, q.size_px, q.exposure, q.occlusion}},
              {"manual", item.manual},
              {"excluded", item.excluded},
              {"offset", item.offset},
              {"size", item.size},
              {"digest", digest}};
  if (item.has_embedding) row["embedding"] = base64(bytes_of(item.embedding));
  return row;
}

face::HeadPose pose_of(const json& row) {
  face::HeadPose pose;
  pose.rotation = numbers<9>(row, "rotation");
  pose.scale_px_per_cm = number(row, "scale_px_per_cm");
  const auto translation = numbers<3>(row, "translation_px");
  pose.translation_px = {translation[0], translation[1]};
  pose.translation_z_px = translation[2];
  const auto angles = numbers<3>(row, "angles_rad");
  pose.yaw_rad = angles[0], pose.pitch_rad = angles[1], pose.roll_rad = angles[2];
  return pose;
}

Item item_of(const json& row, uint64_t crops_end) {
  Item item;
  item.id = get<std::string>(row, "id");
  item.source = get<std::string>(row, "source");
  item.source_hash = get<std::string>(row, "source_hash");
  item.frame = integer<FrameIndex>(row, "frame");
  item.time_s = get<double>(row, "time_s");
  if (!std::isfinite(item.time_s)) damaged("'time_s' is not finite");
  item.track = integer<int>(row, "track");
  item.crop_from_image.m = numbers<6>(row, "crop_from_image");
  static_assert(sizeof item.points == sizeof(float) * 3 * face::kPoints);
  floats_from_base64(get<std::string>(row, "points"), &item.points[0].x, 3 * face::kPoints);
  item.pose = pose_of(get<json>(row, "pose"));
  const auto quality = numbers<4>(row, "quality");
  item.quality = {quality[0], quality[1], quality[2], quality[3]};
  item.manual = get<bool>(row, "manual");
  item.excluded = get<bool>(row, "excluded");
  item.has_embedding = row.contains("embedding");
  if (item.has_embedding)
    floats_from_base64(get<std::string>(row, "embedding"), item.embedding.data(),
                       face::kEmbeddingSize);
  item.offset = integer<uint64_t>(row, "offset");
  item.size = integer<uint64_t>(row, "size");
  if (item.offset < kHeaderSize || item.offset > crops_end || item.size > crops_end - item.offset)
    damaged("a crop lies outside the file");
  // Ids name exported files: nothing that could leave a folder.
  if (item.id.empty() || item.id.size() > 64 ||
      item.id.find_first_not_of("0123456789abcdef") != std::string::npos)
    damaged("an id is not hexadecimal");
  return item;
}

}  // namespace

std::string item_id(const std::string& source_hash, FrameIndex frame, int track) {
  return sha256(source_hash + "/" + std::to_string(frame) + "/" + std::to_string(track))
      .substr(0, 16);
}

std::string index_to_json(const Index& index) {
  LIKENESS_REQUIRE(index.digests.size() == index.items.size());
  json rows = json::array();
  for (size_t i = 0; i < index.items.size(); ++i)
    rows.push_back(row_of(index.items[i], index.digests[i]));
  const json out = {{"version", kVersion},
                    {"crop_size_px", index.crop_size_px},
                    {"crop_type", face::crop_type_name(index.crop_type)},
                    {"items", std::move(rows)}};
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

Index parse_index(std::span<const uint8_t> bytes, uint64_t crops_end) {
  try {
    const json root = json::parse(bytes.begin(), bytes.end());
    if (!root.is_object()) damaged("it is not an object");
    const int version = integer<int>(root, "version");
    if (version != kVersion)
      throw Error(ErrorCode::kUnsupported,
                  "the faceset was written in format " + std::to_string(version),
                  "use the version of Likeness that wrote it, or run extract again");
    Index index;
    index.crop_size_px = integer<int>(root, "crop_size_px");
    if (index.crop_size_px < 16 || index.crop_size_px > 8192)
      damaged("the crop size is out of range");
    index.crop_type = face::crop_type(get<std::string>(root, "crop_type"));
    auto rows = root.find("items");
    if (rows == root.end() || !rows->is_array()) damaged("it has no items");
    for (const json& row : *rows) {
      if (!row.is_object()) damaged("a row is not an object");
      index.items.push_back(item_of(row, crops_end));
      index.digests.push_back(get<std::string>(row, "digest"));
    }
    return index;
  } catch (const json::exception& error) {
    damaged(error.what());
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kUsage) damaged(error.what());  // crop type
    throw;
  }
}

}  // namespace likeness::faceset
