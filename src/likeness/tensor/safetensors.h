// SPDX-License-Identifier: Apache-2.0
// The safetensors file format: 8 bytes header length, JSON header, raw little-endian data.
// https://github.com/huggingface/safetensors (format section of its README).
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "likeness/base/atomic_file.h"

namespace likeness::tensor {

enum class DType : uint8_t { kF32, kF16, kBF16, kI64, kI32, kU8 };
const char* dtype_name(DType type);  ///< "F32" ...
size_t dtype_size(DType type);

/// One tensor inside a file; `data` points into the file.
struct TensorView {
  std::string name;
  DType type = DType::kF32;
  std::vector<int64_t> shape;
  std::span<const uint8_t> data;
  int64_t elements() const;
  /// Widened to float32 (integers converted).
  std::vector<float> to_float() const;
};

/// Reader. Every offset, size and overlap is checked; throws kDamaged, kBadInput (not this format),
/// kUnsupported (an element type we do not know).
class SafeTensors {
 public:
  explicit SafeTensors(const std::filesystem::path& path);  ///< memory map, kept open
  /// The bytes must outlive the object.
  explicit SafeTensors(std::span<const uint8_t> bytes, const std::string& name = "safetensors");
  ~SafeTensors();
  SafeTensors(SafeTensors&&) noexcept;

  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::vector<TensorView>& tensors() const { return tensors_; }  ///< in file order
  bool has(std::string_view name) const;
  /// Throws kDamaged when there is no such tensor.
  const TensorView& at(std::string_view name) const;

 private:
  void parse(std::span<const uint8_t> bytes, const std::string& name);
  std::unique_ptr<MappedFile> file_;
  std::map<std::string, std::string> metadata_;
  std::vector<TensorView> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
};

/// Writes atomically: tensors in the given order, data aligned to 64 bytes. Throws kInternal for a
/// size that does not fit its shape or a name given twice, kIo, kNoSpace.
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorView>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace likeness::tensor
