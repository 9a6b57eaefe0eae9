// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/faceapi_weights.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "likeness/base/atomic_file.h"
#include "likeness/tensor/byte_reader.h"

namespace likeness::tensor {
namespace {

constexpr int64_t kMaxElements = 1 << 26;

/// Elements of the shape; fills `shape`.
int64_t read_shape(const nlohmann::json& entry, std::vector<int>& shape, const ByteReader& bytes) {
  if (!entry.contains("shape") || !entry["shape"].is_array() || entry["shape"].size() > 8)
    bytes.fail("a tensor has no shape");
  int64_t elements = 1;
  for (const auto& d : entry["shape"]) {
    if (!d.is_number_integer()) bytes.fail("a shape is not made of whole numbers");
    const int64_t size =
        d.is_number_unsigned() && d.get<uint64_t>() > INT32_MAX ? -1 : d.get<int64_t>();
    if (size < 1 || size > kMaxElements / elements) bytes.fail("a tensor is impossibly large");
    elements *= size;
    shape.push_back(static_cast<int>(size));
  }
  return elements;
}

float number(const nlohmann::json& object, const char* key, const ByteReader& bytes) {
  if (!object.contains(key) || !object[key].is_number())
    bytes.fail(std::string("a quantisation lacks ") + key);
  return object[key].get<float>();
}

}  // namespace

WeightMap parse_faceapi_weights(std::string_view manifest, std::span<const uint8_t> data) {
  const ByteReader bytes(data, "face-api weights");
  if (std::count(manifest.begin(), manifest.end(), '[') > 100000)
    bytes.fail("the manifest is nested too deep");
  const nlohmann::json json = nlohmann::json::parse(manifest, nullptr, false);
  if (!json.is_array()) bytes.fail("the manifest is not a list");
  WeightMap out;
  uint64_t at = 0;
  for (const auto& group : json) {
    if (!group.is_object() || !group.contains("weights") || !group["weights"].is_array())
      bytes.fail("the manifest names no weights");
    for (const auto& entry : group["weights"]) {
      if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string())
        bytes.fail("a tensor has no name");
      WeightTensor t;
      const int64_t elements = read_shape(entry, t.shape, bytes);
      if (entry.contains("quantization")) {
        const auto& q = entry["quantization"];
        if (!q.is_object() || !q.contains("dtype") || q["dtype"] != "uint8")
          bytes.fail("a quantisation is not uint8");
        const float scale = number(q, "scale", bytes), min = number(q, "min", bytes);
        const auto raw = bytes.slice(at, elements);
        t.values.resize(elements);
        for (int64_t i = 0; i < elements; ++i)
          t.values[i] = static_cast<float>(raw[i]) * scale + min;
        at += elements;
      } else {
        if (!entry.contains("dtype") || entry["dtype"] != "float32")
          bytes.fail("a tensor is not float32");
        const auto raw = bytes.slice(at, 4 * elements);
        t.values.resize(elements);
        std::memcpy(t.values.data(), raw.data(), raw.size());
        at += 4 * elements;
      }
      if (!out.emplace(entry["name"].get<std::string>(), std::move(t)).second)
        bytes.fail("a name appears twice");
    }
  }
  if (at != data.size()) bytes.fail("the data are longer than the manifest says");
  return out;
}

WeightMap read_faceapi_weights(const std::filesystem::path& manifest,
                               const std::filesystem::path& data) {
  const std::string text = read_file(manifest, 16 << 20);
  const MappedFile file(data);
  return parse_faceapi_weights(text, file.bytes());
}

}  // namespace likeness::tensor
