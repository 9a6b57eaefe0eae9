// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/onnx.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <dlfcn.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/tensor/onnx_abi.h"
#include "likeness/tensor/onnx_graph.h"

#ifndef LIKENESS_SOURCE_FOLDER
#define LIKENESS_SOURCE_FOLDER ""
#endif

namespace likeness::tensor {
namespace fs = std::filesystem;
namespace {

/// The loaded library; lives until the program ends, as its threads do.
class Runtime {
 public:
  /// Nothing when it is not installed.
  static const Runtime* find() {
    static const std::unique_ptr<Runtime> found = load();
    return found.get();
  }
  static const Runtime& get() {
    if (const Runtime* r = find()) return *r;
    throw Error(ErrorCode::kMissing, "ONNX Runtime is not installed",
                "run scripts/install-onnxruntime");
  }

  const std::string& version() const { return version_; }
  ort::Env* env() const { return env_; }
  const ort::MemoryInfo* memory() const { return memory_; }
  ort::Allocator* allocator() const { return allocator_; }

  template <typename R, typename... A>
  R call(ort::Slot slot, A... args) const {
    return reinterpret_cast<R (*)(A...) noexcept>(table_[slot])(args...);
  }
  /// For functions that give a status; throws what it says.
  template <typename... A>
  void check(const std::string& what, ErrorCode code, ort::Slot slot, A... args) const {
    ort::Status* status = call<ort::Status*>(slot, args...);
    if (!status) return;
    const std::string text = call<const char*>(ort::kGetErrorMessage, std::as_const(status));
    call<void>(ort::kReleaseStatus, status);
    if (text.find("Failed to allocate memory") != std::string::npos ||
        text.find("bad_alloc") != std::string::npos)
      code = ErrorCode::kNoSpace;
    throw Error(code, what + ": " + text,
                "the model is damaged, or not what its name says; fetch it again");
  }

 private:
  static std::unique_ptr<Runtime> load() {
    std::vector<fs::path> places;
    if (const char* home = std::getenv("LIKENESS_ONNXRUNTIME")) {
      places.push_back(fs::path(home) / "lib" / "libonnxruntime.so");
    } else {
      if (*LIKENESS_SOURCE_FOLDER)
        places.push_back(fs::path(LIKENESS_SOURCE_FOLDER) /
                         ".cache/onnxruntime/lib/libonnxruntime.so");
      places.emplace_back("/usr/lib/likeness/libonnxruntime.so");
      places.emplace_back("libonnxruntime.so.1");
    }
    for (const auto& path : places)
      if (void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))
        if (auto r = open(library)) return r;
    return nullptr;
  }
  static std::unique_ptr<Runtime> open(void* library) {
    using GetBase = const ort::ApiBase* (*)() noexcept;
    const auto get = reinterpret_cast<GetBase>(::dlsym(library, "OrtGetApiBase"));
    const ort::ApiBase* base = get ? get() : nullptr;
    const void* table = base ? base->get_api(ort::kApiVersion) : nullptr;
    if (!table) return nullptr;
    auto r = std::unique_ptr<Runtime>(new Runtime);
    r->table_ = static_cast<void* const*>(table);
    r->version_ = base->version();
    const std::string doing = "ONNX Runtime cannot start";
    r->check(doing, ErrorCode::kMissing, ort::kCreateEnv, static_cast<int>(ort::kLogFatal),
             static_cast<const char*>("likeness"), &r->env_);
    r->check(doing, ErrorCode::kMissing, ort::kCreateCpuMemoryInfo,
             static_cast<int>(ort::kArenaAllocator), static_cast<int>(ort::kDefaultMemory),
             &r->memory_);
    r->check(doing, ErrorCode::kMissing, ort::kDefaultAllocator, &r->allocator_);
    return r;
  }
  Runtime() = default;
  void* const* table_ = nullptr;  ///< of functions
  std::string version_;
  ort::Env* env_ = nullptr;
  ort::MemoryInfo* memory_ = nullptr;
  ort::Allocator* allocator_ = nullptr;
};

/// Owns what the runtime made.
template <typename T, ort::Slot kRelease>
class Owned {
 public:
  Owned() = default;
  ~Owned() {
    if (p_) Runtime::get().call<void>(kRelease, p_);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Owned(Owned&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  T** out() { return &p_; }
  T* get() const { return p_; }

 private:
  T* p_ = nullptr;
};
using OwnedSession = Owned<ort::Session, ort::kReleaseSession>;
using OwnedOptions = Owned<ort::SessionOptions, ort::kReleaseSessionOptions>;
using OwnedValue = Owned<ort::Value, ort::kReleaseValue>;
using OwnedType = Owned<ort::TypeInfo, ort::kReleaseTypeInfo>;
using OwnedTensorInfo = Owned<ort::TensorInfo, ort::kReleaseTensorInfo>;

std::vector<int64_t> shape_of(const Runtime& rt, const ort::TensorInfo* info,
                              const std::string& what) {
  size_t n = 0;
  rt.check(what, ErrorCode::kDamaged, ort::kDimensionsCount, info, &n);
  if (n > 16) throw Error(ErrorCode::kDamaged, what + ": a tensor has too many dimensions", "");
  std::vector<int64_t> shape(n);
  if (n) rt.check(what, ErrorCode::kDamaged, ort::kDimensions, info, shape.data(), n);
  return shape;
}

int type_of(const Runtime& rt, const ort::TensorInfo* info, const std::string& what) {
  int type = 0;
  rt.check(what, ErrorCode::kDamaged, ort::kElementType, info, &type);
  if (type != ort::kFloat && type != ort::kInt64)
    throw Error(
        ErrorCode::kUnsupported,
        what + ": a tensor is neither float32 nor int64 (type " + std::to_string(type) + ")",
        "convert the model");
  return type;
}

}  // namespace

std::optional<std::string> onnx_runtime_version() {
  const Runtime* r = Runtime::find();
  return r ? std::optional(r->version()) : std::nullopt;
}

int64_t OnnxTensor::elements() const {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}
const std::vector<float>& OnnxTensor::floats() const {
  if (const auto* f = std::get_if<std::vector<float>>(&data)) return *f;
  throw Error(ErrorCode::kDamaged, "the model gives integers where numbers with a point are due",
              "it is not the kind of model it says it is");
}

struct OnnxModel::Impl {
  std::string name;
  OwnedSession session;
  std::vector<OnnxInfo> inputs, outputs;

  OnnxInfo info(const Runtime& rt, ort::Slot name_slot, ort::Slot type_slot, size_t index) const {
    OnnxInfo out;
    char* text = nullptr;
    rt.check(name, ErrorCode::kDamaged, name_slot, std::as_const(*this).session.get(), index,
             rt.allocator(), &text);
    out.name = text;
    rt.check(name, ErrorCode::kDamaged, ort::kAllocatorFree, rt.allocator(),
             static_cast<void*>(text));
    OwnedType type;
    rt.check(name, ErrorCode::kDamaged, type_slot, session.get(), index, type.out());
    const ort::TensorInfo* tensor = nullptr;  // belongs to `type`
    rt.check(name, ErrorCode::kDamaged, ort::kCastTypeInfo, std::as_const(type).get(), &tensor);
    if (!tensor)
      throw Error(ErrorCode::kUnsupported, name + ": '" + out.name + "' is not a tensor",
                  "convert the model");
    out.is_integer = type_of(rt, tensor, name) == ort::kInt64;
    out.shape = shape_of(rt, tensor, name);
    return out;
  }
  std::vector<OnnxInfo> infos(const Runtime& rt, ort::Slot count_slot, ort::Slot name_slot,
                              ort::Slot type_slot) const {
    size_t n = 0;
    rt.check(name, ErrorCode::kDamaged, count_slot, session.get(), &n);
    std::vector<OnnxInfo> out;
    for (size_t i = 0; i < n; ++i) out.push_back(info(rt, name_slot, type_slot, i));
    return out;
  }
};

OnnxModel::OnnxModel(std::span<const uint8_t> bytes, const std::string& name, int threads)
    : impl_(new Impl{name, {}, {}, {}}) {
  const Runtime& rt = Runtime::get();
  const OnnxGraph look(bytes, name);  // refuses what is no model, and weights in other files
  OwnedOptions options;
  rt.check(name, ErrorCode::kInternal, ort::kCreateSessionOptions, options.out());
  rt.check(name, ErrorCode::kInternal, ort::kSetLogSeverity, options.get(),
           static_cast<int>(ort::kLogFatal));
  rt.check(name, ErrorCode::kInternal, ort::kSetOptimizationLevel, options.get(),
           static_cast<int>(ort::kOptimiseAll));
  rt.check(name, ErrorCode::kInternal, ort::kSetIntraOpThreads, options.get(),
           std::max(1, threads));
  rt.check(name, ErrorCode::kInternal, ort::kSetInterOpThreads, options.get(), 1);
  rt.check(name + " cannot be loaded", ErrorCode::kDamaged, ort::kCreateSessionFromArray, rt.env(),
           static_cast<const void*>(bytes.data()), bytes.size(),
           static_cast<const ort::SessionOptions*>(options.get()), impl_->session.out());
  impl_->inputs = impl_->infos(rt, ort::kInputCount, ort::kInputName, ort::kInputTypeInfo);
  impl_->outputs = impl_->infos(rt, ort::kOutputCount, ort::kOutputName, ort::kOutputTypeInfo);
}
OnnxModel::~OnnxModel() = default;
OnnxModel::OnnxModel(OnnxModel&&) noexcept = default;
const std::vector<OnnxInfo>& OnnxModel::inputs() const { return impl_->inputs; }
const std::vector<OnnxInfo>& OnnxModel::outputs() const { return impl_->outputs; }

namespace {

/// A view of `tensor`, which must outlive it.
void make_value(const Runtime& rt, const std::string& what, const OnnxTensor& tensor,
                ort::Value** out) {
  const bool integer = std::holds_alternative<std::vector<int64_t>>(tensor.data);
  const void* data = nullptr;
  size_t bytes = 0, count = 0;
  std::visit(
      [&](const auto& v) { data = v.data(), count = v.size(), bytes = v.size() * sizeof(v[0]); },
      tensor.data);
  LIKENESS_REQUIRE(static_cast<int64_t>(count) == tensor.elements());
  rt.check(what, ErrorCode::kDamaged, ort::kCreateTensorWithData, rt.memory(),
           const_cast<void*>(data), bytes, tensor.shape.data(), tensor.shape.size(),
           static_cast<int>(integer ? ort::kInt64 : ort::kFloat), out);
}

OnnxTensor take_value(const Runtime& rt, const std::string& what, ort::Value* value,
                      int64_t most_elements) {
  OwnedTensorInfo info;
  rt.check(what, ErrorCode::kDamaged, ort::kTensorTypeAndShape,
           static_cast<const ort::Value*>(value), info.out());
  OnnxTensor out;
  out.shape = shape_of(rt, info.get(), what);
  size_t count = 0;
  rt.check(what, ErrorCode::kDamaged, ort::kElementCount, std::as_const(info).get(), &count);
  if (count > static_cast<size_t>(most_elements))
    throw Error(ErrorCode::kDamaged,
                what + ": gives " + std::to_string(count) + " numbers, far too many",
                "it is not the kind of model it says it is");
  void* data = nullptr;
  rt.check(what, ErrorCode::kDamaged, ort::kTensorData, value, &data);
  if (type_of(rt, info.get(), what) == ort::kFloat) {
    std::vector<float> v(count);
    if (count) std::memcpy(v.data(), data, count * sizeof(float));
    out.data = std::move(v);
  } else {
    std::vector<int64_t> v(count);
    if (count) std::memcpy(v.data(), data, count * sizeof(int64_t));
    out.data = std::move(v);
  }
  return out;
}

}  // namespace

std::vector<OnnxTensor> OnnxModel::run(const std::map<std::string, OnnxTensor>& inputs,
                                       int64_t most_elements) const {
  const Runtime& rt = Runtime::get();
  std::vector<OwnedValue> values(impl_->inputs.size());
  std::vector<const ort::Value*> in;
  std::vector<const char*> in_names, out_names;
  for (size_t i = 0; i < values.size(); ++i) {
    const OnnxInfo& want = impl_->inputs[i];
    const auto it = inputs.find(want.name);
    if (it == inputs.end())
      throw Error(ErrorCode::kDamaged, impl_->name + ": wants an unknown input '" + want.name + "'",
                  "it is not the kind of model it says it is");
    if (want.is_integer != std::holds_alternative<std::vector<int64_t>>(it->second.data))
      throw Error(ErrorCode::kDamaged, impl_->name + ": wants another type for '" + want.name + "'",
                  "it is not the kind of model it says it is");
    make_value(rt, impl_->name, it->second, values[i].out());
    in.push_back(values[i].get());
    in_names.push_back(want.name.c_str());
  }
  out_names.reserve(impl_->outputs.size());
  for (const OnnxInfo& o : impl_->outputs) out_names.push_back(o.name.c_str());
  std::vector<ort::Value*> out(out_names.size(), nullptr);
  rt.check(impl_->name + " does not run", ErrorCode::kDamaged, ort::kRun, impl_->session.get(),
           static_cast<const ort::RunOptions*>(nullptr), in_names.data(), in.data(), in.size(),
           out_names.data(), out_names.size(), out.data());
  std::vector<OwnedValue> made(out.size());
  for (size_t i = 0; i < out.size(); ++i) *made[i].out() = out[i];
  std::vector<OnnxTensor> result;
  for (ort::Value* v : out) result.push_back(take_value(rt, impl_->name, v, most_elements));
  return result;
}

LicensedModel read_licensed_model(const fs::path& path) {
  constexpr uint64_t kLargest = 2ull << 30;
  std::error_code ec;
  if (!fs::is_regular_file(path, ec))
    throw Error(ErrorCode::kMissing, "there is no model " + path.string(),
                "install it, or name another");
  fs::path card = path;
  card.replace_extension(".toml");
  if (!fs::is_regular_file(card, ec))
    throw Error(
        ErrorCode::kRefused,
        path.filename().string() + " has no licence card, so nobody knows who allowed its use",
        "write " + card.filename().string() +
            " beside it (name, licence, origin, files with sha256; see docs/guide/voice.md)");
  LicensedModel out{read_model_card(card), read_file(path, kLargest)};
  if (out.card.licence.find_first_not_of(" \t\n") == std::string::npos)
    throw Error(ErrorCode::kRefused,
                "the card of " + path.filename().string() + " states no licence",
                "fill in the licence of " + card.filename().string());
  const std::string hash = sha256(out.bytes);
  for (const ModelFile& f : out.card.files)
    if (f.file == path.filename().string()) {
      if (f.sha256 == hash) return out;
      throw Error(ErrorCode::kDamaged, path.filename().string() + " is not the file of its card",
                  "install it again, or correct the hash in the card");
    }
  throw Error(ErrorCode::kRefused,
              "the card beside " + path.filename().string() + " is about other files",
              "add the file and its sha256 to the card");
}

}  // namespace likeness::tensor
