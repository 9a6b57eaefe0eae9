// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/onnx_graph.h"

#include <algorithm>
#include <map>
#include <set>

#include "likeness/tensor/byte_reader.h"

namespace likeness::tensor {
namespace {

using Bytes = std::span<const uint8_t>;
constexpr int kDeepest = 8;
constexpr uint32_t kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5;

// onnx.proto3
namespace model_field {
constexpr uint32_t kIrVersion = 1, kGraph = 7, kOpset = 8, kFunctions = 25;
}
namespace graph_field {
constexpr uint32_t kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12;
}
namespace node_field {
constexpr uint32_t kInput = 1, kOutput = 2, kName = 3, kOp = 4, kAttribute = 5;
}
namespace attribute_field {
constexpr uint32_t kTensor = 5, kGraph = 6, kTensors = 10, kGraphs = 11;
}
namespace tensor_field {
constexpr uint32_t kName = 8, kExternal = 13, kLocation = 14;
}

struct Field {
  uint32_t number = 0, kind = 0;
  uint64_t value = 0;
  Bytes bytes;
  std::string text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

class Wire {
 public:
  Wire(Bytes bytes, const std::string& what) : reader_(bytes, what), bytes_(bytes) {}
  bool next(Field& f) {
    if (at_ == bytes_.size()) return false;
    const uint64_t tag = varint();
    f = {static_cast<uint32_t>(tag >> 3), static_cast<uint32_t>(tag & 7), 0, {}};
    if (f.number == 0 || tag >> 32) reader_.fail("is not an ONNX model (bad tag)");
    switch (f.kind) {
      case kVarint:
        f.value = varint();
        return true;
      case kLength: {
        const uint64_t size = varint();
        f.bytes = reader_.slice(at_, size);
        at_ += size;
        return true;
      }
      case kFixed64:
      case kFixed32: {
        const uint64_t size = f.kind == kFixed64 ? 8 : 4;
        f.bytes = reader_.slice(at_, size);
        at_ += size;
        return true;
      }
      default:
        reader_.fail("is not an ONNX model (unknown wire type)");
    }
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto b = reader_.get<uint8_t>(at_++);
      value |= static_cast<uint64_t>(b & 0x7f) << shift;
      if (!(b & 0x80)) return value;
    }
    reader_.fail("holds a number that is too long");
  }
  ByteReader reader_;
  Bytes bytes_;
  uint64_t at_ = 0;
};

void check_tensor(Bytes tensor, const std::string& what) {
  Wire wire(tensor, what);
  for (Field f; wire.next(f);)
    if (f.number == tensor_field::kExternal ||
        (f.number == tensor_field::kLocation && f.value == 1))
      throw Error(ErrorCode::kUnsupported, what + ": its weights lie in another file",
                  "use a model that is one file");
}

OnnxNode parse_node(Bytes bytes, const std::string& what, int depth);

/// Names that the nodes of an inner graph take from outside (or from themselves: more does not
/// hurt).
void capture(Bytes graph, const std::string& what, int depth, std::vector<std::string>& into) {
  if (depth > kDeepest) throw Error(ErrorCode::kDamaged, what + ": graphs are nested too deep", "");
  Wire wire(graph, what);
  for (Field f; wire.next(f);) {
    if (f.number == graph_field::kNode && f.kind == kLength) {
      const OnnxNode n = parse_node(f.bytes, what, depth);
      into.insert(into.end(), n.inputs.begin(), n.inputs.end());
      into.insert(into.end(), n.captured.begin(), n.captured.end());
    } else if (f.number == graph_field::kInitializer && f.kind == kLength) {
      check_tensor(f.bytes, what);
    } else if (f.number == graph_field::kOutput && f.kind == kLength) {
      Wire value(f.bytes, what);
      for (Field v; value.next(v);)
        if (v.number == 1 && v.kind == kLength) into.push_back(v.text());
    }
  }
}

OnnxNode parse_node(Bytes bytes, const std::string& what, int depth) {
  OnnxNode out;
  out.bytes = bytes;
  Wire wire(bytes, what);
  for (Field f; wire.next(f);) {
    if (f.kind != kLength) continue;
    if (f.number == node_field::kInput) out.inputs.push_back(f.text());
    if (f.number == node_field::kOutput) out.outputs.push_back(f.text());
    if (f.number == node_field::kName) out.name = f.text();
    if (f.number == node_field::kOp) out.op = f.text();
    if (f.number != node_field::kAttribute) continue;
    Wire attribute(f.bytes, what);
    for (Field a; attribute.next(a);) {
      if (a.kind != kLength) continue;
      if (a.number == attribute_field::kGraph || a.number == attribute_field::kGraphs)
        capture(a.bytes, what, depth + 1, out.captured);
      if (a.number == attribute_field::kTensor || a.number == attribute_field::kTensors)
        check_tensor(a.bytes, what);
    }
  }
  return out;
}

void put_varint(std::vector<uint8_t>& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<uint8_t>(value | 0x80));
  out.push_back(static_cast<uint8_t>(value));
}
void put_bytes(std::vector<uint8_t>& out, uint32_t field, Bytes bytes) {
  put_varint(out, field << 3 | kLength);
  put_varint(out, bytes.size());
  out.insert(out.end(), bytes.begin(), bytes.end());
}
void put_text(std::vector<uint8_t>& out, uint32_t field, const std::string& text) {
  put_bytes(out, field, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}
void put_number(std::vector<uint8_t>& out, uint32_t field, uint64_t value) {
  put_varint(out, field << 3 | kVarint);
  put_varint(out, value);
}

/// A ValueInfoProto of any shape.
std::vector<uint8_t> value_info(const std::string& name, OnnxType type) {
  std::vector<uint8_t> tensor, kind, out;
  put_number(tensor, 1, static_cast<uint64_t>(type));
  put_bytes(kind, 1, tensor);
  put_text(out, 1, name);
  put_bytes(out, 2, kind);
  return out;
}

}  // namespace

OnnxGraph::OnnxGraph(Bytes model, std::string what) : what_(std::move(what)) {
  Bytes graph;
  bool found = false;
  Wire wire(model, what_);
  for (Field f; wire.next(f);) {
    if (f.number == model_field::kGraph && f.kind == kLength) {
      if (found) throw Error(ErrorCode::kDamaged, what_ + ": has two graphs", "fetch it again");
      graph = f.bytes, found = true;
    } else if (f.number == model_field::kIrVersion && f.kind == kVarint) {
      ir_version_ = f.value;
    } else if (f.kind == kLength &&
               (f.number == model_field::kOpset || f.number == model_field::kFunctions)) {
      other_.emplace_back(f.number, f.bytes);
    }
  }
  if (!found || ir_version_ == 0)
    throw Error(ErrorCode::kBadInput, what_ + " is not an ONNX model", "use an .onnx file");
  parse_graph(graph);
}

void OnnxGraph::parse_graph(Bytes graph) {
  Wire wire(graph, what_);
  for (Field f; wire.next(f);) {
    if (f.kind != kLength) continue;
    const auto name_in = [&](uint32_t field) {
      Wire inner(f.bytes, what_);
      std::string name;
      for (Field v; inner.next(v);)
        if (v.number == field && v.kind == kLength) name = v.text();
      return name;
    };
    switch (f.number) {
      case graph_field::kNode:
        nodes_.push_back(parse_node(f.bytes, what_, 0));
        break;
      case graph_field::kInitializer:
        check_tensor(f.bytes, what_);
        initializers_.push_back({name_in(tensor_field::kName), f.bytes});
        break;
      case graph_field::kInput:
        inputs_.push_back({name_in(1), f.bytes});
        break;
      case graph_field::kOutput:
        outputs_.push_back({name_in(1), f.bytes});
        break;
      default:
        break;
    }
  }
}

std::vector<std::string> OnnxGraph::inputs() const {
  std::set<std::string> constant;
  for (const Named& i : initializers_) constant.insert(i.name);
  std::vector<std::string> out;
  for (const Named& i : inputs_)
    if (!constant.count(i.name)) out.push_back(i.name);
  return out;
}

std::vector<std::string> OnnxGraph::outputs() const {
  std::vector<std::string> out;
  for (const Named& o : outputs_) out.push_back(o.name);
  return out;
}

std::vector<std::string> OnnxGraph::outputs_of(std::string_view op) const {
  std::vector<std::string> out;
  for (const OnnxNode& n : nodes_)
    if (n.op == op) out.insert(out.end(), n.outputs.begin(), n.outputs.end());
  return out;
}

std::vector<bool> OnnxGraph::needed(const std::vector<std::string>& outputs,
                                    const std::vector<OnnxCut>& cuts) const {
  std::map<std::string, size_t> maker;
  for (size_t i = 0; i < nodes_.size(); ++i)
    for (const std::string& o : nodes_[i].outputs) maker[o] = i;
  for (const OnnxCut& c : cuts) maker.erase(c.name);
  std::vector<bool> out(nodes_.size());
  std::vector<std::string> open = outputs;
  while (!open.empty()) {
    const auto it = maker.find(open.back());
    open.pop_back();
    if (it == maker.end() || out[it->second]) continue;
    out[it->second] = true;
    const OnnxNode& n = nodes_[it->second];
    open.insert(open.end(), n.inputs.begin(), n.inputs.end());
    open.insert(open.end(), n.captured.begin(), n.captured.end());
  }
  return out;
}

bool OnnxGraph::depends(const std::string& from, const std::string& of) const {
  const auto used = needed({from}, {});
  for (size_t i = 0; i < nodes_.size(); ++i)
    if (used[i])
      for (const auto* names : {&nodes_[i].inputs, &nodes_[i].captured, &nodes_[i].outputs})
        if (std::find(names->begin(), names->end(), of) != names->end()) return true;
  return false;
}

std::vector<uint8_t> OnnxGraph::extract(const std::vector<OnnxCut>& cuts,
                                        const std::vector<std::string>& outputs) const {
  std::set<std::string> known;
  for (const OnnxNode& n : nodes_) known.insert(n.outputs.begin(), n.outputs.end());
  const auto check = [&](const std::string& name) {
    if (!known.count(name))
      throw Error(ErrorCode::kDamaged, what_ + ": computes no '" + name + "'", "fetch it again");
  };
  for (const OnnxCut& c : cuts) check(c.name);
  for (const std::string& o : outputs) check(o);
  const auto used = needed(outputs, cuts);
  std::vector<uint8_t> graph;
  std::set<std::string> names;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!used[i]) continue;
    put_bytes(graph, graph_field::kNode, nodes_[i].bytes);
    names.insert(nodes_[i].inputs.begin(), nodes_[i].inputs.end());
    names.insert(nodes_[i].captured.begin(), nodes_[i].captured.end());
  }
  put_text(graph, graph_field::kName, "part");
  for (const Named& i : initializers_)
    if (names.count(i.name)) put_bytes(graph, graph_field::kInitializer, i.bytes);
  for (const Named& i : inputs_)
    if (names.count(i.name)) put_bytes(graph, graph_field::kInput, i.bytes);
  for (const OnnxCut& c : cuts)
    if (names.count(c.name)) put_bytes(graph, graph_field::kInput, value_info(c.name, c.type));
  for (const std::string& o : outputs)
    put_bytes(graph, graph_field::kOutput, value_info(o, OnnxType::kFloat));
  std::vector<uint8_t> model;
  put_number(model, model_field::kIrVersion, ir_version_);
  put_bytes(model, model_field::kGraph, graph);
  for (const auto& [field, bytes] : other_) put_bytes(model, field, bytes);
  return model;
}

}  // namespace likeness::tensor
