// SPDX-License-Identifier: Apache-2.0
// The bytes of an appearance model: magic, then every array in a fixed order as little-endian
// float32.
#include <cmath>
#include <cstring>

#include "likeness/base/error.h"
#include "likeness/train/appearance.h"

namespace likeness::train {
namespace {
constexpr char kMagic[8] = {'L', 'K', 'A', 'P', 'P', 'R', '0', '2'};

/// Writes or reads the same fields in the same order.
class Archive {
 public:
  Archive() = default;
  explicit Archive(const std::string& bytes) : bytes_(bytes), reading_(true) {
    if (bytes.size() < 8 || std::memcmp(bytes.data(), kMagic, 8) != 0) damaged();
    at_ = 8;
  }
  bool reading() const { return reading_; }
  void floats(float* values, size_t count) {
    if (count == 0) return;
    if (!reading_) {
      out_.append(reinterpret_cast<const char*>(values), count * 4);
      return;
    }
    if (count > (bytes_.size() - at_) / 4) damaged();
    std::memcpy(values, bytes_.data() + at_, count * 4);
    for (size_t i = 0; i < count; ++i)
      if (!std::isfinite(values[i])) damaged();
    at_ += count * 4;
  }
  int integer(int value, int low, int high) {
    float f = static_cast<float>(value);
    floats(&f, 1);
    if (reading_ && (f < low || f > high || f != std::floor(f))) damaged();
    return static_cast<int>(f);
  }
  void vector(std::vector<float>& v, size_t count) {
    v.resize(count);
    floats(v.data(), count);
  }
  void image(ImageF& image, int size, int channels = 3) {
    if (reading_) image = ImageF(size, size, channels);
    floats(image.data.data(), image.data.size());
  }
  void finish() {
    if (reading_ && at_ != bytes_.size()) damaged();
  }
  std::string result() const { return std::string(kMagic, 8) + out_; }

 private:
  [[noreturn]] static void damaged() {
    throw Error(ErrorCode::kDamaged, "the appearance model inside the model file is damaged",
                "train the model again, or restore an earlier checkpoint");
  }
  std::string out_;
  std::string_view bytes_;
  size_t at_ = 0;
  bool reading_ = false;
};

void archive(Archive& io, PersonModel& p, int size_px) {
  for (auto& shape : p.neutral.coefficients) io.floats(&shape[0].x, face::kMeshPoints * 3);
  for (float* v :
       {&p.neutral.yaw_low, &p.neutral.yaw_high, &p.neutral.pitch_low, &p.neutral.pitch_high})
    io.floats(v, 1);
  io.image(p.mean, size_px);
  ExpressionModel& m = p.expression;
  m.components = io.integer(m.components, 0, 64);
  io.vector(m.basis, static_cast<size_t>(m.components) * Appearance::descriptor_size());
  for (auto* v : {&m.mean, &m.scale, &m.low, &m.high}) io.vector(*v, m.components);
  for (int k = 0; io.reading() && k < m.components; ++k)
    if (!(m.scale[k] > 0) || !(m.low[k] <= m.high[k]))
      throw Error(ErrorCode::kDamaged, "the appearance model inside the model file is damaged",
                  "train the model again, or restore an earlier checkpoint");
  m.modes.resize(m.components);
  for (auto& mode : m.modes) io.image(mode, size_px);
}
}  // namespace

std::string Appearance::serialise() const {
  Appearance copy = *this;
  Archive io;
  io.integer(copy.size_px_, 16, 1024);
  io.floats(&copy.layout_shape_[0].x, face::kMeshPoints * 2);
  io.floats(&copy.identity_scale_, 1);
  io.floats(&copy.identity_offset_cm_.x, 3);
  io.floats(copy.tone_.data(), 3);
  io.image(copy.skin_, copy.size_px_, 1);
  for (auto& p : copy.person_) archive(io, p, copy.size_px_);
  return io.result();
}

Appearance Appearance::parse(const std::string& bytes) {
  Archive io(bytes);
  Appearance a;
  a.size_px_ = io.integer(0, 16, 1024);
  io.floats(&a.layout_shape_[0].x, face::kMeshPoints * 2);
  io.floats(&a.identity_scale_, 1);
  io.floats(&a.identity_offset_cm_.x, 3);
  io.floats(a.tone_.data(), 3);
  io.image(a.skin_, a.size_px_, 1);
  for (auto& p : a.person_) archive(io, p, a.size_px_);
  io.finish();
  for (auto& p : a.person_)
    if (p.neutral.yaw_low > p.neutral.yaw_high || p.neutral.pitch_low > p.neutral.pitch_high)
      throw Error(ErrorCode::kDamaged, "the appearance model inside the model file is damaged",
                  "train the model again, or restore an earlier checkpoint");
  a.build_layout();
  a.build_tone_map();
  return a;
}

}  // namespace likeness::train
