// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/flexbuffer.h"

#include "likeness/tensor/byte_reader.h"

namespace likeness::tensor {
namespace {

// Types of the FlexBuffers format (packed type = type << 2 | log2 of the width in bytes).
enum : int {
  kInt = 1,
  kUint = 2,
  kFloat = 3,
  kIndirectInt = 6,
  kIndirectUint = 7,
  kIndirectFloat = 8,
  kMap = 9,
  kVector = 10,
  kVectorInt = 11,
  kVectorUint = 12,
  kVectorFloat = 13,
  kBool = 26
};
constexpr uint64_t kMaxEntries = 1 << 16;

class FlexReader {
 public:
  explicit FlexReader(std::span<const uint8_t> bytes) : bytes_(bytes, "custom options") {}

  std::map<std::string, std::vector<double>> root() const {
    if (bytes_.size() < 3) bytes_.fail("too short");
    const int width = bytes_.get<uint8_t>(bytes_.size() - 1);
    const int packed = bytes_.get<uint8_t>(bytes_.size() - 2);
    check_width(width);
    if ((packed >> 2) != kMap) bytes_.fail("not a map");
    const uint64_t end = bytes_.size() - 2;
    if (end < static_cast<uint64_t>(width)) bytes_.fail("too short");
    return map(target(end - width, width), 1 << (packed & 3));
  }

 private:
  void check_width(int width) const {
    if (width != 1 && width != 2 && width != 4 && width != 8) bytes_.fail("bad width");
  }
  uint64_t unsigned_at(uint64_t at, int width) const {
    switch (width) {
      case 1:
        return bytes_.get<uint8_t>(at);
      case 2:
        return bytes_.get<uint16_t>(at);
      case 4:
        return bytes_.get<uint32_t>(at);
      default:
        return bytes_.get<uint64_t>(at);
    }
  }
  double number_at(uint64_t at, int width, int type) const {
    if (type == kUint || type == kBool) return static_cast<double>(unsigned_at(at, width));
    if (type == kFloat) {
      if (width == 2) return float_from_half(bytes_.get<uint16_t>(at));
      if (width == 4) return bytes_.get<float>(at);
      if (width == 8) return bytes_.get<double>(at);
      bytes_.fail("bad width of a number");
    }
    switch (width) {
      case 1:
        return bytes_.get<int8_t>(at);
      case 2:
        return bytes_.get<int16_t>(at);
      case 4:
        return bytes_.get<int32_t>(at);
      default:
        return static_cast<double>(bytes_.get<int64_t>(at));
    }
  }
  /// Offsets point back from where they stand.
  uint64_t target(uint64_t at, int width) const {
    const uint64_t back = unsigned_at(at, width);
    if (back > at) bytes_.fail("an offset points outside");
    return at - back;
  }
  uint64_t count_before(uint64_t at, int width) const {
    if (at < static_cast<uint64_t>(width)) bytes_.fail("a vector has no length");
    const uint64_t count = unsigned_at(at - width, width);
    if (count > kMaxEntries) bytes_.fail("a vector is too long");
    bytes_.slice(at, count * width);
    return count;
  }
  std::string text(uint64_t at) const {
    std::string out;
    while (char c = static_cast<char>(bytes_.get<uint8_t>(at++))) {
      out += c;
      if (out.size() > 256) bytes_.fail("a key is too long");
    }
    return out;
  }
  std::vector<double> vector(uint64_t at, int width, int type) const {
    const uint64_t count = count_before(at, width);
    std::vector<double> out(count);
    for (uint64_t i = 0; i < count; ++i) {
      if (type == kVector) {
        const int packed = bytes_.get<uint8_t>(at + count * width + i);
        out[i] = scalar(at + i * width, width, packed);
      } else {
        out[i] = number_at(at + i * width, width, type - kVectorInt + kInt);
      }
    }
    return out;
  }
  double scalar(uint64_t at, int width, int packed) const {
    const int type = packed >> 2, own_width = 1 << (packed & 3);
    if ((type >= kInt && type <= kFloat) || type == kBool) return number_at(at, width, type);
    if (type >= kIndirectInt && type <= kIndirectFloat)
      return number_at(target(at, width), own_width, type - kIndirectInt + kInt);
    bytes_.fail("a value is not a number");
  }
  std::map<std::string, std::vector<double>> map(uint64_t at, int width) const {
    const uint64_t count = count_before(at, width);
    if (at < 3 * static_cast<uint64_t>(width)) bytes_.fail("a map has no keys");
    const uint64_t keys = target(at - 3 * width, width);
    const int key_width = static_cast<int>(unsigned_at(at - 2 * width, width));
    check_width(key_width);
    if (count_before(keys, key_width) != count) bytes_.fail("keys and values differ in number");
    std::map<std::string, std::vector<double>> out;
    for (uint64_t i = 0; i < count; ++i) {
      const std::string key = text(target(keys + i * key_width, key_width));
      const int packed = bytes_.get<uint8_t>(at + count * width + i);
      const int type = packed >> 2;
      if (type >= kVector && type <= kVectorFloat)
        out[key] = vector(target(at + i * width, width), 1 << (packed & 3), type);
      else if ((type >= kInt && type <= kFloat) || type == kBool ||
               (type >= kIndirectInt && type <= kIndirectFloat))
        out[key] = {scalar(at + i * width, width, packed)};
    }
    return out;
  }

  ByteReader bytes_;
};

}  // namespace

std::map<std::string, std::vector<double>> parse_flexbuffer_map(std::span<const uint8_t> bytes) {
  return FlexReader(bytes).root();
}

}  // namespace likeness::tensor
