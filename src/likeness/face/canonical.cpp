// SPDX-License-Identifier: Apache-2.0
// The canonical face: a protobuf of vertices, triangles and pose weights (face-models.md 4.4).
#include <bit>
#include <cmath>
#include <map>
#include <set>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/face/geometry.h"

namespace likeness::face {
namespace {

constexpr int kVertexFloats = 5;  // x, y, z, u, v
constexpr int kTriangles = 898;
constexpr int kProcrustesPoints = 33;

[[noreturn]] void damaged(const std::string& why) {
  throw Error(ErrorCode::kDamaged, "the canonical face model is damaged: " + why,
              "run scripts/install-models again");
}

/// Cursor over protobuf wire format. Every read checks what is left.
class Wire {
 public:
  explicit Wire(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  bool done() const { return bytes_.empty(); }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) damaged("a number is cut off");
      uint8_t byte = bytes_[0];
      bytes_ = bytes_.subspan(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value;
    }
    damaged("a number is too long");
  }
  std::span<const uint8_t> take(uint64_t size) {
    if (size > bytes_.size()) damaged("a field is longer than the file");
    auto part = bytes_.first(static_cast<size_t>(size));
    bytes_ = bytes_.subspan(static_cast<size_t>(size));
    return part;
  }

 private:
  std::span<const uint8_t> bytes_;
};

float float_of(std::span<const uint8_t> four) {
  uint32_t bits = 0;
  for (int i = 3; i >= 0; --i) bits = bits << 8 | four[i];
  return std::bit_cast<float>(bits);
}

struct Field {
  uint32_t number = 0;
  int wire = 0;
  uint64_t value = 0;                ///< wire 0
  std::span<const uint8_t> payload;  ///< wire 1, 2, 5
};
Field next_field(Wire& wire) {
  uint64_t key = wire.varint();
  Field field{.number = static_cast<uint32_t>(key >> 3), .wire = static_cast<int>(key & 7)};
  switch (field.wire) {
    case 0:
      field.value = wire.varint();
      break;
    case 1:
      field.payload = wire.take(8);
      break;
    case 2:
      field.payload = wire.take(wire.varint());
      break;
    case 5:
      field.payload = wire.take(4);
      break;
    default:
      damaged("an unknown kind of field");
  }
  return field;
}

struct Raw {
  std::vector<float> vertices;
  std::vector<uint64_t> indices;
  std::vector<std::pair<int, float>> weights;
};

// Repeated numbers come one by one or packed in one field; both are valid protobuf.
void read_mesh(std::span<const uint8_t> bytes, Raw& raw) {
  Wire wire(bytes);
  while (!wire.done()) {
    Field field = next_field(wire);
    if (field.number == 3 && (field.wire == 5 || field.wire == 2)) {
      if (field.payload.size() % 4) damaged("vertices are not whole floats");
      for (size_t i = 0; i < field.payload.size(); i += 4)
        raw.vertices.push_back(float_of(field.payload.subspan(i, 4)));
    } else if (field.number == 4 && field.wire == 0) {
      raw.indices.push_back(field.value);
    } else if (field.number == 4 && field.wire == 2) {
      Wire packed(field.payload);
      while (!packed.done()) raw.indices.push_back(packed.varint());
    }
  }
}

void read_weight(std::span<const uint8_t> bytes, Raw& raw) {
  Wire wire(bytes);
  uint64_t landmark = 0;
  float weight = 0;
  while (!wire.done()) {
    Field field = next_field(wire);
    if (field.number == 1 && field.wire == 0) landmark = field.value;
    if (field.number == 2 && field.wire == 5) weight = float_of(field.payload);
  }
  if (landmark >= kMeshPoints || !std::isfinite(weight) || weight <= 0)
    damaged("a pose weight is out of range");
  raw.weights.emplace_back(static_cast<int>(landmark), weight);
}

std::vector<int> boundary_ring(const std::vector<std::array<int, 3>>& triangles) {
  std::set<std::pair<int, int>> edges;
  for (const auto& t : triangles)
    for (int i = 0; i < 3; ++i) edges.insert({t[i], t[(i + 1) % 3]});
  std::map<int, int> next;
  for (auto [a, b] : edges)
    if (!edges.count({b, a})) next[a] = b;
  std::vector<int> ring;
  if (next.empty()) return ring;
  constexpr int kForehead = 10;
  int at = next.count(kForehead) ? kForehead : next.begin()->first;
  const int first = at;
  do {
    ring.push_back(at);
    auto it = next.find(at);
    if (it == next.end() || ring.size() > next.size()) return {};
    at = it->second;
  } while (at != first);
  return ring;
}

}  // namespace

CanonicalFace parse_canonical_face(std::span<const uint8_t> bytes) {
  Raw raw;
  Wire wire(bytes);
  while (!wire.done()) {
    Field field = next_field(wire);
    if (field.wire != 2) continue;
    if (field.number == 1) read_mesh(field.payload, raw);
    if (field.number == 2) read_weight(field.payload, raw);
  }
  if (raw.vertices.size() != kMeshPoints * kVertexFloats) damaged("it does not have 468 vertices");
  if (raw.indices.size() != kTriangles * 3) damaged("it does not have 898 triangles");
  if (raw.weights.size() != kProcrustesPoints) damaged("it does not have 33 pose weights");
  CanonicalFace face;
  for (float v : raw.vertices)
    if (!std::isfinite(v) || std::fabs(v) > 100.f) damaged("a vertex is out of range");
  for (int i = 0; i < kMeshPoints; ++i) {
    const float* v = raw.vertices.data() + i * kVertexFloats;
    if (v[3] < 0 || v[3] > 1 || v[4] < 0 || v[4] > 1)
      damaged("a texture coordinate is out of range");
    face.position_cm[i] = {v[0], v[1], v[2]};
    face.uv[i] = {v[3], v[4]};
  }
  for (int t = 0; t < kTriangles; ++t) {
    std::array<int, 3> triangle;
    for (int k = 0; k < 3; ++k) {
      uint64_t index = raw.indices[t * 3 + k];
      if (index >= kMeshPoints) damaged("a triangle names a vertex that is not there");
      triangle[k] = static_cast<int>(index);
    }
    face.triangles.push_back(triangle);
  }
  face.procrustes = std::move(raw.weights);
  return face;
}

const CanonicalFace& canonical_face() {
  static const CanonicalFace face = [] {
    const auto path = models_folder() / "face_geometry.binarypb";
    std::string bytes;
    try {
      bytes = read_file(path, 1 << 20);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) throw;
      throw Error(ErrorCode::kMissing,
                  "the canonical face model is not installed: " + path.string(),
                  "run scripts/install-models");
    }
    return parse_canonical_face({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  }();
  return face;
}

// The mesh is a disc, so the face oval is its boundary: edges that only one triangle has.
const std::vector<int>& face_oval() {
  static const std::vector<int> ring = boundary_ring(canonical_face().triangles);
  return ring;
}

}  // namespace likeness::face
