// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/safetensors.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "likeness/base/json_depth.h"
#include "likeness/tensor/byte_reader.h"

namespace likeness::tensor {
namespace {

struct TypeInfo {
  DType type;
  const char* name;
  size_t size;
};
constexpr TypeInfo kTypes[] = {{DType::kF32, "F32", 4},   {DType::kF16, "F16", 2},
                               {DType::kBF16, "BF16", 2}, {DType::kI64, "I64", 8},
                               {DType::kI32, "I32", 4},   {DType::kU8, "U8", 1}};
constexpr uint64_t kMaxHeader = 100u << 20;  // the format's own limit is 100 MB
constexpr size_t kMaxAxes = 16;

DType dtype(const std::string& name, const std::string& file) {
  for (const TypeInfo& t : kTypes)
    if (name == t.name) return t.type;
  throw Error(ErrorCode::kUnsupported,
              file + ": element type " + name.substr(0, 16) + " is not supported",
              "convert the file to F32, F16 or BF16");
}

/// Depth-limited parse: nested arrays in a hostile header must not use up the stack.
nlohmann::json parse_header(std::span<const uint8_t> text, const ByteReader& bytes) {
  if (json_is_deeper({reinterpret_cast<const char*>(text.data()), text.size()}, 8))
    bytes.fail("the header is nested too deep");
  nlohmann::json json = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) bytes.fail("the header is not a JSON object");
  return json;
}

uint64_t whole_number(const nlohmann::json& value, const ByteReader& bytes) {
  if (!value.is_number_unsigned() && !(value.is_number_integer() && value.get<int64_t>() >= 0))
    bytes.fail("a shape or offset is not a whole number");
  return value.get<uint64_t>();
}

TensorView parse_tensor(const std::string& name, const nlohmann::json& entry,
                        std::span<const uint8_t> data, const ByteReader& bytes) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !entry.contains("shape") || !entry["shape"].is_array() || !entry.contains("data_offsets") ||
      !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2)
    bytes.fail("tensor " + name.substr(0, 100) + " is described wrongly");
  TensorView t;
  t.name = name;
  t.type = dtype(entry["dtype"].get<std::string>(), bytes.what());
  if (entry["shape"].size() > kMaxAxes) bytes.fail("a tensor has too many axes");
  uint64_t elements = 1;
  for (const auto& d : entry["shape"]) {
    const uint64_t size = whole_number(d, bytes);
    if (size > (1ull << 48) || (size && elements > (1ull << 48) / size))
      bytes.fail("a tensor is impossibly large");
    elements *= size;
    t.shape.push_back(static_cast<int64_t>(size));
  }
  const uint64_t begin = whole_number(entry["data_offsets"][0], bytes);
  const uint64_t end = whole_number(entry["data_offsets"][1], bytes);
  if (begin > end || end > data.size())
    bytes.fail("tensor " + name.substr(0, 100) + " lies outside the file");
  if (end - begin != elements * dtype_size(t.type))
    bytes.fail("tensor " + name.substr(0, 100) + " has the wrong size for its shape");
  t.data = data.subspan(begin, end - begin);
  return t;
}

template <typename T, typename F>
void widen(const TensorView& t, std::vector<float>& out, F&& convert) {
  for (size_t i = 0; i < out.size(); ++i) {
    T v;
    std::memcpy(&v, t.data.data() + i * sizeof(T), sizeof(T));
    out[i] = convert(v);
  }
}

}  // namespace

const char* dtype_name(DType type) { return kTypes[static_cast<size_t>(type)].name; }
size_t dtype_size(DType type) { return kTypes[static_cast<size_t>(type)].size; }

int64_t TensorView::elements() const {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

std::vector<float> TensorView::to_float() const {
  std::vector<float> out(data.size() / dtype_size(type));
  switch (type) {
    case DType::kF32:
      widen<float>(*this, out, [](float v) { return v; });
      break;
    case DType::kF16:
      widen<uint16_t>(*this, out, float_from_half);
      break;
    case DType::kBF16:
      widen<uint16_t>(*this, out, float_from_bfloat16);
      break;
    case DType::kI64:
      widen<int64_t>(*this, out, [](int64_t v) { return static_cast<float>(v); });
      break;
    case DType::kI32:
      widen<int32_t>(*this, out, [](int32_t v) { return static_cast<float>(v); });
      break;
    case DType::kU8:
      widen<uint8_t>(*this, out, [](uint8_t v) { return static_cast<float>(v); });
      break;
  }
  return out;
}

SafeTensors::SafeTensors(const std::filesystem::path& path)
    : file_(std::make_unique<MappedFile>(path)) {
  parse(file_->bytes(), path.string());
}
SafeTensors::SafeTensors(std::span<const uint8_t> bytes, const std::string& name) {
  parse(bytes, name);
}
SafeTensors::~SafeTensors() = default;
SafeTensors::SafeTensors(SafeTensors&&) noexcept = default;

void SafeTensors::parse(std::span<const uint8_t> raw, const std::string& name) {
  const ByteReader bytes(raw, name);
  if (raw.size() < 10 || raw[8] != '{')
    throw Error(ErrorCode::kBadInput, name + ": not a safetensors file",
                "give a file written by likeness");
  const uint64_t length = bytes.get<uint64_t>(0);
  if (length > kMaxHeader) bytes.fail("the header is too long");
  const auto header = parse_header(bytes.slice(8, length), bytes);
  const auto data = raw.subspan(8 + length);
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (auto it = header.begin(); it != header.end(); ++it) {
    if (it.key() == "__metadata__") {
      if (!it->is_object()) bytes.fail("the metadata are not an object");
      for (auto m = it->begin(); m != it->end(); ++m) {
        if (!m->is_string()) bytes.fail("a metadata value is not text");
        metadata_[m.key()] = m->get<std::string>();
      }
      continue;
    }
    tensors_.push_back(parse_tensor(it.key(), *it, data, bytes));
    const auto& t = tensors_.back();
    const uint64_t begin = static_cast<uint64_t>(t.data.data() - data.data());
    if (!t.data.empty()) ranges.emplace_back(begin, begin + t.data.size());
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].second) bytes.fail("two tensors overlap");
  if ((ranges.empty() ? 0 : ranges.back().second) != data.size())
    bytes.fail("bytes follow the last tensor");
  std::stable_sort(tensors_.begin(), tensors_.end(), [](const TensorView& a, const TensorView& b) {
    return a.data.data() < b.data.data();
  });
  for (size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].name] = i;
}

bool SafeTensors::has(std::string_view name) const { return index_.find(name) != index_.end(); }

const TensorView& SafeTensors::at(std::string_view name) const {
  const auto it = index_.find(name);
  if (it == index_.end())
    throw Error(ErrorCode::kDamaged, "the file has no tensor " + std::string(name),
                "the model belongs to another version or is damaged; train or fetch it again");
  return tensors_[it->second];
}

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorView>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorView& t : tensors) {
    LIKENESS_REQUIRE(t.data.size() == static_cast<uint64_t>(t.elements()) * dtype_size(t.type));
    LIKENESS_REQUIRE(!header.contains(t.name) && t.name != "__metadata__");
    header[t.name] = {{"dtype", dtype_name(t.type)},
                      {"shape", t.shape},
                      {"data_offsets", {offset, offset + t.data.size()}}};
    offset += t.data.size();
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  while ((text.size() + 8) % 64) text += ' ';  // the format allows spaces at the end
  const uint64_t length = text.size();
  AtomicFile file(path);
  file.write(&length, 8);
  file.write(text.data(), text.size());
  for (const TensorView& t : tensors) file.write(t.data.data(), t.data.size());
  file.commit();
}

}  // namespace likeness::tensor
