// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/tflite.h"

#include <cmath>

#include "likeness/base/atomic_file.h"
#include "likeness/tensor/byte_reader.h"
#include "likeness/tensor/flexbuffer.h"

namespace likeness::tensor {
namespace {

constexpr uint32_t kMaxItems = 1 << 16;       // tensors, operators, buffers
constexpr int64_t kMaxElements = 1 << 26;     // of one tensor
constexpr int64_t kMaxConstants = 1ll << 26;  // of all constants together
enum : int { kFloat32 = 0, kFloat16 = 1, kInt32 = 2 };

/// A FlatBuffers table: fields are found through the vtable; absent fields have default values.
class Table {
 public:
  Table(const ByteReader& bytes, uint64_t at) : bytes_(&bytes), at_(at) {
    const int64_t vtable = static_cast<int64_t>(at) - bytes.get<int32_t>(at);
    if (vtable < 0) bytes.fail("a table has no field list");
    vtable_ = static_cast<uint64_t>(vtable);
    fields_ = bytes.get<uint16_t>(vtable_) / 2;
    bytes.slice(vtable_, fields_ * 2u);
  }
  template <typename T>
  T value(int field, T absent) const {
    const uint64_t at = place(field);
    return at ? bytes_->get<T>(at) : absent;
  }
  bool has(int field) const { return place(field) != 0; }
  Table table(int field) const { return Table(*bytes_, follow(field)); }
  std::string text(int field) const {
    const auto raw = vector<uint8_t>(field);
    return std::string(raw.begin(), raw.end());
  }
  /// Elements of a vector field; empty when absent.
  template <typename T>
  std::vector<T> vector(int field) const {
    if (!has(field)) return {};
    const uint64_t at = follow(field);
    const uint32_t count = bytes_->get<uint32_t>(at);
    const auto raw = bytes_->slice(at + 4, static_cast<uint64_t>(count) * sizeof(T));
    std::vector<T> out(count);
    if (count) std::memcpy(out.data(), raw.data(), raw.size());
    return out;
  }
  std::span<const uint8_t> raw(int field) const {
    if (!has(field)) return {};
    const uint64_t at = follow(field);
    return bytes_->slice(at + 4, bytes_->get<uint32_t>(at));
  }
  std::vector<Table> tables(int field) const {
    if (!has(field)) return {};
    const uint64_t at = follow(field);
    const uint32_t count = bytes_->get<uint32_t>(at);
    if (count > kMaxItems) bytes_->fail("a list is too long");
    std::vector<Table> out;
    for (uint32_t i = 0; i < count; ++i) {
      const uint64_t item = at + 4 + 4ull * i;
      out.emplace_back(*bytes_, item + bytes_->get<uint32_t>(item));
    }
    return out;
  }

 private:
  uint64_t place(int field) const {
    if (2 + field >= fields_) return 0;
    const uint16_t offset = bytes_->get<uint16_t>(vtable_ + 4 + 2ull * field);
    return offset ? at_ + offset : 0;
  }
  uint64_t follow(int field) const {
    const uint64_t at = place(field);
    if (!at) bytes_->fail("a required field is missing");
    return at + bytes_->get<uint32_t>(at);
  }
  const ByteReader* bytes_;
  uint64_t at_, vtable_ = 0;
  int fields_ = 0;
};

struct OpCode {
  int code = 0;
  std::string custom;
};

[[noreturn]] void unsupported(const ByteReader& bytes, const std::string& why) {
  throw Error(ErrorCode::kUnsupported, bytes.what() + ": " + why,
              "use one of the models that scripts/install-models installs");
}

GraphTensor read_tensor(const ByteReader& bytes, const Table& table,
                        const std::vector<Table>& buffers, int64_t& constants, int& type) {
  GraphTensor out;
  out.name = table.text(3);
  out.shape = table.vector<int32_t>(0);
  if (out.shape.size() > 8) bytes.fail("a tensor has too many axes");
  int64_t elements = 1;
  for (int d : out.shape) {
    if (d < 1 || elements > kMaxElements / d) bytes.fail("a tensor has an impossible shape");
    elements *= d;
  }
  type = table.value<uint8_t>(1, 0);  // a byte with a sign; below 0 is unknown as well
  const uint32_t buffer = table.value<uint32_t>(2, 0);
  if (buffer >= buffers.size()) bytes.fail("a tensor names a buffer that is not there");
  const auto data = buffers[buffer].raw(0);
  if (data.empty()) return out;
  if (type != kFloat32 && type != kFloat16 && type != kInt32)
    unsupported(bytes, "tensor " + out.name + " has the type " + std::to_string(type));
  const size_t width = type == kFloat16 ? 2 : 4;
  if (data.size() != static_cast<size_t>(elements) * width)
    bytes.fail("a tensor's data have the wrong size");
  if ((constants += elements) > kMaxConstants) bytes.fail("the constants are too large");
  out.constant = true;
  if (type == kInt32) {
    out.integers.resize(elements);
    std::memcpy(out.integers.data(), data.data(), data.size());
  } else if (type == kFloat32) {
    out.values.resize(elements);
    std::memcpy(out.values.data(), data.data(), data.size());
  } else {
    out.values.resize(elements);
    for (int64_t i = 0; i < elements; ++i) {
      uint16_t half;
      std::memcpy(&half, data.data() + 2 * i, 2);
      out.values[i] = float_from_half(half);
    }
  }
  return out;
}

/// One operator; `node` has its inputs and outputs already.
class OperatorReader {
 public:
  OperatorReader(const ByteReader& bytes, const Graph& graph) : bytes_(bytes), graph_(graph) {}

  void read(const Table& table, const OpCode& code, Node& node) const {
    switch (code.code) {
      case 0:
        return arithmetic(table, node, Op::kAdd);
      case 41:
        return arithmetic(table, node, Op::kSub);
      case 18:
        return arithmetic(table, node, Op::kMul);
      case 1:
        return pool(table, node, Op::kAveragePool);
      case 17:
        return pool(table, node, Op::kMaxPool);
      case 2:
        node.op = Op::kConcat;
        if (table.has(4)) {
          node.axis = table.table(4).value<int32_t>(0, 0);
          node.activation = activation(table.table(4).value<int8_t>(1, 0));
        }
        return;
      case 3:
        return conv(table, node);
      case 4:
        return depthwise(table, node);
      case 9:
        node.op = Op::kFullyConnected;
        if (table.has(4)) node.activation = activation(table.table(4).value<int8_t>(0, 0));
        return;
      case 14:
        node.op = Op::kLogistic;
        return;
      case 19:
        node.op = Op::kRelu;
        return;
      case 22:
        node.op = Op::kReshape;
        return;
      case 23:
        return resize(table, node);
      case 34:
        node.op = Op::kPad;
        node.pads = integers(node, 1);
        return;
      case 45:
        return slice(table, node);
      case 54:
        node.op = Op::kPrelu;
        return;
      case 101:
        node.op = Op::kAbs;
        return;
      case 117:
        node.op = Op::kHardSwish;
        return;
      case 32:
        return custom(table, code.custom, node);
      default:
        unsupported(bytes_, "operator " + std::to_string(code.code) + " is not known");
    }
  }

 private:
  Activation activation(int code) const {
    if (code == 0) return Activation::kNone;
    if (code == 1) return Activation::kRelu;
    unsupported(bytes_, "fused activation " + std::to_string(code));
  }
  int positive(int value) const {
    if (value < 1 || value > 4096) bytes_.fail("a stride, dilation or window is out of range");
    return value;
  }
  const std::vector<int32_t>& integers(const Node& node, size_t input) const {
    if (input >= node.inputs.size() || node.inputs[input] < 0)
      bytes_.fail("an operator lacks an input");
    const GraphTensor& t = graph_.tensors[node.inputs[input]];
    if (t.integers.empty()) unsupported(bytes_, "parameters that are not constant");
    return t.integers;
  }
  Table options(const Table& table) const {
    if (!table.has(4)) bytes_.fail("an operator has no options");
    return table.table(4);
  }
  void arithmetic(const Table& table, Node& node, Op op) const {
    node.op = op;
    if (table.has(4)) node.activation = activation(table.table(4).value<int8_t>(0, 0));
  }
  void window(const Table& o, Node& node) const {
    node.same_padding = o.value<int8_t>(0, 0) == 0;
    node.stride_x = positive(o.value<int32_t>(1, 0));
    node.stride_y = positive(o.value<int32_t>(2, 0));
  }
  void conv(const Table& table, Node& node) const {
    const Table o = options(table);
    node.op = Op::kConv;
    window(o, node);
    node.activation = activation(o.value<int8_t>(3, 0));
    node.dilation_x = positive(o.value<int32_t>(4, 1));
    node.dilation_y = positive(o.value<int32_t>(5, 1));
  }
  void depthwise(const Table& table, Node& node) const {
    const Table o = options(table);
    node.op = Op::kDepthwise;
    window(o, node);
    if (o.value<int32_t>(3, 0) != 1) unsupported(bytes_, "depthwise convolution with a multiplier");
    node.activation = activation(o.value<int8_t>(4, 0));
    node.dilation_x = positive(o.value<int32_t>(5, 1));
    node.dilation_y = positive(o.value<int32_t>(6, 1));
  }
  void pool(const Table& table, Node& node, Op op) const {
    const Table o = options(table);
    node.op = op;
    window(o, node);
    node.window_x = positive(o.value<int32_t>(3, 0));
    node.window_y = positive(o.value<int32_t>(4, 0));
    node.activation = activation(o.value<int8_t>(5, 0));
  }
  void resize(const Table& table, Node& node) const {
    node.op = Op::kResizeBilinear;
    if (!table.has(4)) return;
    node.align_corners = table.table(4).value<uint8_t>(2, 0) != 0;
    node.half_pixel = table.table(4).value<uint8_t>(3, 0) != 0;
  }
  void slice(const Table& table, Node& node) const {
    node.op = Op::kStridedSlice;
    node.begin = integers(node, 1);
    node.stride = integers(node, 3);
    int begin_mask = 0;
    if (table.has(4)) {
      const Table o = table.table(4);
      begin_mask = o.value<int32_t>(0, 0);
      for (int field = 2; field <= 4; ++field)
        if (o.value<int32_t>(field, 0))
          unsupported(bytes_, "slice with an ellipsis, new or dropped axis");
    }
    for (size_t i = 0; i < node.begin.size(); ++i)
      if (i < 31 && (begin_mask >> i & 1)) node.begin[i] = 0;
  }
  void custom(const Table& table, const std::string& name, Node& node) const {
    const auto raw = table.raw(5);
    if (name == "TransformLandmarks") {
      node.op = Op::kTransformLandmarks;
    } else if (name == "TransformTensorBilinear") {
      node.op = Op::kTransformTensor;
      read_crop(parse_flexbuffer_map(raw), node);
    } else if (name == "Landmarks2TransformMatrix") {
      node.op = Op::kLandmarksToMatrix;
      landmarks_to_matrix(parse_flexbuffer_map(raw), node);
    } else if (name ==
               "Convolution2DTransposeBias") {  // struct { int padding (1 SAME), stride x, y }
      const ByteReader o(raw, bytes_.what());
      node.op = Op::kTransposeConv;
      node.same_padding = o.get<int32_t>(0) == 1;
      node.stride_x = positive(o.get<int32_t>(4));
      node.stride_y = positive(o.get<int32_t>(8));
    } else {
      unsupported(bytes_, "custom operator '" + name.substr(0, 64) + "' is not known");
    }
  }
  using Options = std::map<std::string, std::vector<double>>;
  double number(const Options& o, const char* key) const {
    const auto it = o.find(key);
    if (it == o.end() || it->second.size() != 1 || !std::isfinite(it->second[0]) ||
        std::fabs(it->second[0]) > 1e6)
      bytes_.fail(std::string("custom option ") + key + " is missing or out of range");
    return it->second[0];
  }
  void read_crop(const Options& o, Node& node) const {
    node.crop_width = positive(static_cast<int>(number(o, "output_width")));
    node.crop_height = positive(static_cast<int>(number(o, "output_height")));
  }
  void landmarks_to_matrix(const Options& o, Node& node) const {
    read_crop(o, node);
    node.left_point = static_cast<int>(number(o, "left_rotation_idx"));
    node.right_point = static_cast<int>(number(o, "right_rotation_idx"));
    node.scale_x = static_cast<float>(number(o, "scale_x"));
    node.scale_y = static_cast<float>(number(o, "scale_y"));
    node.target_angle_rad = static_cast<float>(number(o, "target_rotation_radians"));
    const auto it = o.find("subset_idxs");
    if (it == o.end() || it->second.empty()) bytes_.fail("custom option subset_idxs is missing");
    for (double v : it->second) {
      if (!(v >= 0 && v < 65536)) bytes_.fail("a landmark index is out of range");
      node.subset.push_back(static_cast<int>(v));
    }
  }

  const ByteReader& bytes_;
  const Graph& graph_;
};

void check_index(const ByteReader& bytes, int index, size_t count, bool optional) {
  if ((index < 0 && !(optional && index == -1)) ||
      (index >= 0 && static_cast<size_t>(index) >= count))
    bytes.fail("an operator names a tensor that is not there");
}

std::vector<OpCode> read_op_codes(const Table& model) {
  std::vector<OpCode> codes;
  for (const Table& t : model.tables(1)) {
    OpCode c;
    c.code = std::max<int>(t.value<int8_t>(0, 0), t.value<int32_t>(3, 0));
    c.custom = t.text(1);
    codes.push_back(std::move(c));
  }
  return codes;
}

}  // namespace

Graph parse_tflite(std::span<const uint8_t> raw, const std::string& name) {
  const ByteReader bytes(raw, name);
  if (raw.size() < 8 || std::memcmp(raw.data() + 4, "TFL3", 4) != 0)
    throw Error(ErrorCode::kBadInput, name + ": not a TensorFlow Lite file",
                "run scripts/install-models to fetch the models again");
  const Table model(bytes, bytes.get<uint32_t>(0));
  const std::vector<OpCode> codes = read_op_codes(model);
  const std::vector<Table> subgraphs = model.tables(2), buffers = model.tables(4);
  if (subgraphs.size() != 1) unsupported(bytes, "a model with several graphs");
  const Table& sub = subgraphs[0];

  Graph graph;
  int64_t constants = 0;
  for (const Table& t : sub.tables(0)) {
    int type = 0;
    graph.tensors.push_back(read_tensor(bytes, t, buffers, constants, type));
  }
  const size_t count = graph.tensors.size();
  for (int i : sub.vector<int32_t>(1))
    check_index(bytes, i, count, false), graph.inputs.push_back(i);
  for (int i : sub.vector<int32_t>(2))
    check_index(bytes, i, count, false), graph.outputs.push_back(i);

  const OperatorReader reader(bytes, graph);
  for (const Table& t : sub.tables(3)) {
    const uint32_t code = t.value<uint32_t>(0, 0);
    if (code >= codes.size()) bytes.fail("an operator has no code");
    Node node;
    for (int i : t.vector<int32_t>(1)) check_index(bytes, i, count, true), node.inputs.push_back(i);
    for (int i : t.vector<int32_t>(2))
      check_index(bytes, i, count, false), node.outputs.push_back(i);
    if (node.inputs.empty() || node.outputs.size() != 1 || node.inputs[0] < 0)
      bytes.fail("an operator has no input or not one output");
    if (codes[code].code ==
        6) {  // DEQUANTIZE of float16 weights: already widened, so only a rename
      GraphTensor& to = graph.tensors[node.outputs[0]];
      GraphTensor& from = graph.tensors[node.inputs[0]];
      if (!from.constant || from.values.empty())
        unsupported(bytes, "DEQUANTIZE of something not constant");
      if (to.shape != from.shape) bytes.fail("DEQUANTIZE changes a shape");
      if ((constants += from.elements()) > kMaxConstants) bytes.fail("the constants are too large");
      to.values = from.values;
      to.constant = true;
      continue;
    }
    reader.read(t, codes[code], node);
    graph.nodes.push_back(std::move(node));
  }
  if (graph.inputs.empty() || graph.outputs.empty() || graph.nodes.empty())
    bytes.fail("the graph is empty");
  return graph;
}

Graph read_tflite(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_tflite(file.bytes(), path.string());
}

}  // namespace likeness::tensor
