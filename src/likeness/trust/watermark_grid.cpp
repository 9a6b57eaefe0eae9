// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_grid.h"

#include <algorithm>
#include <cmath>

#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/trust/fec.h"

namespace likeness::trust {
namespace {

constexpr int kPilotOf256 = 51;  // a fifth

ChipPlan make_plan(const WatermarkKey& key, const char* name, int side, int slots, int period,
                   int id_bits) {
  ChipPlan plan;
  plan.side = side;
  plan.slots = slots;
  plan.pilot_period = period;
  plan.id_bits = id_bits;
  plan.code_bits = fec::code_size(WatermarkMessage::size(id_bits));
  const size_t chips = plan.chips();
  const std::string purpose(name);
  const auto pilots = key.stream(purpose + " pilots", static_cast<size_t>(period) * chips * 2);
  plan.pilot.resize(static_cast<size_t>(period) * chips);
  for (size_t i = 0; i < plan.pilot.size(); ++i)
    plan.pilot[i] =
        static_cast<int8_t>(pilots[2 * i] < kPilotOf256 ? (pilots[2 * i + 1] & 1 ? 1 : -1) : 0);
  const auto data = key.stream(purpose + " data", static_cast<size_t>(slots) * chips * 3);
  plan.sign.resize(static_cast<size_t>(slots) * chips);
  plan.code_bit.resize(plan.sign.size());
  for (size_t i = 0; i < plan.sign.size(); ++i) {
    plan.sign[i] = static_cast<int8_t>(data[3 * i] & 1 ? 1 : -1);
    const uint32_t draw = data[3 * i + 1] | static_cast<uint32_t>(data[3 * i + 2]) << 8;
    plan.code_bit[i] = static_cast<uint16_t>((draw * static_cast<uint32_t>(plan.code_bits)) >> 16);
  }
  return plan;
}

/// Catmull-Rom weights of the four neighbours at t in [0, 1).
void cubic_weights(float t, float* w) {
  w[0] = ((-0.5f * t + 1.0f) * t - 0.5f) * t;
  w[1] = (1.5f * t - 2.5f) * t * t + 1.0f;
  w[2] = ((-1.5f * t + 2.0f) * t + 0.5f) * t;
  w[3] = (0.5f * t - 0.5f) * t * t;
}

int wrap(int i, int side) { return ((i % side) + side) % side; }

}  // namespace

ChipPlan ChipPlan::video(const WatermarkKey& key) {
  return make_plan(key, "video 1", 64, 64, 16, 64);
}
ChipPlan ChipPlan::still(const WatermarkKey& key) {
  return make_plan(key, "still 1", 128, 1, 1, 32);
}

std::vector<float> chip_pattern(const ChipPlan& plan, int slot, const std::vector<uint8_t>& code) {
  LIKENESS_REQUIRE(code.size() == static_cast<size_t>(plan.code_bits));
  const size_t chips = plan.chips();
  const int side = plan.side;
  const int8_t* pilot =
      plan.pilot.data() + static_cast<size_t>(wrap(slot, plan.pilot_period)) * chips;
  const size_t data = static_cast<size_t>(wrap(slot, plan.slots)) * chips;
  std::vector<float> raw(chips), across(chips), out(chips);
  for (size_t c = 0; c < chips; ++c)
    raw[c] =
        pilot[c]
            ? pilot[c]
            : static_cast<float>(plan.sign[data + c] * (code[plan.code_bit[data + c]] ? -1 : 1));
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      float sum = 0;
      for (int d = -2; d <= 2; ++d) sum += raw[static_cast<size_t>(y * side + wrap(x + d, side))];
      across[static_cast<size_t>(y * side + x)] = sum;
    }
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      float sum = 0;
      for (int d = -2; d <= 2; ++d)
        sum += across[static_cast<size_t>(wrap(y + d, side) * side + x)];
      const size_t at = static_cast<size_t>(y * side + x);
      out[at] = raw[at] - sum / 25.0f;
    }
  return out;
}

double chip_pitch_px(int width, int height, double chips) {
  return std::sqrt(static_cast<double>(width) * height / chips);
}

ChipPainter::ChipPainter(int width, int height, double chips, int side, double rms)
    : width_(width), height_(height), side_(side), rms_(rms) {
  const double pitch = chip_pitch_px(width, height, chips);
  cell_px_ = std::max(4, static_cast<int>(pitch / 2 + 0.5));
  cells_x_ = (width + cell_px_ - 1) / cell_px_;
  cells_y_ = (height + cell_px_ - 1) / cell_px_;
  const auto taps = [&](int size) {
    std::vector<Tap> out(static_cast<size_t>(size));
    for (int i = 0; i < size; ++i) {
      const double u = (i + 0.5 - size / 2.0) / pitch;
      const double base = std::floor(u);
      Tap& tap = out[static_cast<size_t>(i)];
      tap.index = static_cast<int>(base) - 1;
      cubic_weights(static_cast<float>(u - base), tap.weight);
    }
    return out;
  };
  column_taps_ = taps(width);
  row_taps_ = taps(height);
  first_row_ = row_taps_.front().index;
  row_count_ = row_taps_.back().index + 4 - first_row_;
  double power[2] = {0, 0};
  for (int axis = 0; axis < 2; ++axis) {
    const auto& t = axis ? row_taps_ : column_taps_;
    for (const Tap& tap : t)
      for (float w : tap.weight) power[axis] += static_cast<double>(w) * w;
    power[axis] /= static_cast<double>(t.size());
  }
  kernel_power_ = static_cast<float>(power[0] * power[1]);
}

/// The chip rows that the picture needs, stretched to its width.
std::vector<float> ChipPainter::stretched_pattern(const std::vector<float>& pattern,
                                                  double& variance) const {
  std::vector<float> rows(static_cast<size_t>(row_count_) * static_cast<size_t>(width_));
  double square = 0;
  size_t used = 0;
  const int first = column_taps_.front().index, last = column_taps_.back().index + 3;
  std::vector<float> line(static_cast<size_t>(last - first + 1));
  for (int r = 0; r < row_count_; ++r) {
    const float* source = pattern.data() + wrap(first_row_ + r, side_) * side_;
    for (int i = first; i <= last; ++i) {
      const float v = source[wrap(i, side_)];
      line[static_cast<size_t>(i - first)] = v;
      square += static_cast<double>(v) * v;
      ++used;
    }
    float* out = rows.data() + static_cast<size_t>(r) * static_cast<size_t>(width_);
    for (int x = 0; x < width_; ++x) {
      const Tap& tap = column_taps_[static_cast<size_t>(x)];
      const float* l = line.data() + (tap.index - first);
      out[x] =
          tap.weight[0] * l[0] + tap.weight[1] * l[1] + tap.weight[2] * l[2] + tap.weight[3] * l[3];
    }
  }
  variance = square / static_cast<double>(used) * static_cast<double>(kernel_power_);
  return rows;
}

namespace {

/// Adds value and square of a row, in grey levels of 8 bit, to sums of its columns.
template <typename T>
void add_moments(const T* __restrict row, int width, int shift, uint32_t* __restrict sum,
                 uint32_t* __restrict square) {
  for (int x = 0; x < width; ++x) {
    const uint32_t v = static_cast<uint32_t>(row[x]) >> shift;
    sum[x] += v;
    square[x] += v * v;
  }
}

template <typename T>
void paint_row(const float* const* h, const float* w, const float* g0, const float* g1, float fy,
               float strength, float peak, int width, T* __restrict row) {
  const float* __restrict a = h[0], * __restrict b = h[1], * __restrict c = h[2], * __restrict d = h[3];
  const float w0 = w[0] * strength, w1 = w[1] * strength, w2 = w[2] * strength,
              w3 = w[3] * strength;
  for (int x = 0; x < width; ++x) {
    const float mark = w0 * a[x] + w1 * b[x] + w2 * c[x] + w3 * d[x];
    const float gain = g0[x] + fy * (g1[x] - g0[x]);
    float v = static_cast<float>(row[x]) + mark * gain + 0.5f;
    v = v > 0.0f ? v : 0.0f;
    v = v < peak ? v : peak;
    row[x] = static_cast<T>(static_cast<int>(v));
  }
}

// In a plain wall or sky a change is seen most and lives shortest: a quarter of what mild texture
// gets. CRF 40 reads as well with it as with 0.6.
constexpr float kLeastGain = 0.25f, kMostGain = 2.0f;
constexpr float kDeviationOfOne = 6;  ///< grey levels
/// A picture without any texture gets less than the full strength.
constexpr float kMostStrength = 2.0f;

}  // namespace

/// How much each cell may change, [cells_y][width]: more where there is texture.
std::vector<float> ChipPainter::cell_gains(const media::PlaneView& plane,
                                           double& mean_square) const {
  const size_t cells = static_cast<size_t>(cells_x_) * static_cast<size_t>(cells_y_);
  std::vector<float> gain(cells), smooth(cells);
  std::vector<uint32_t> sum(static_cast<size_t>(width_)), square(static_cast<size_t>(width_));
  const int shift = plane.depth - 8;
  for (int cy = 0; cy < cells_y_; ++cy) {
    std::fill(sum.begin(), sum.end(), 0u);
    std::fill(square.begin(), square.end(), 0u);
    const int y0 = cy * cell_px_, y1 = std::min(height_, y0 + cell_px_);
    for (int y = y0; y < y1; ++y) {
      const uint8_t* row = plane.data + y * plane.stride_bytes;
      if (plane.bytes == 1)
        add_moments(row, width_, shift, sum.data(), square.data());
      else
        add_moments(reinterpret_cast<const uint16_t*>(row), width_, shift, sum.data(),
                    square.data());
    }
    for (int cx = 0; cx < cells_x_; ++cx) {
      const int x0 = cx * cell_px_, x1 = std::min(width_, x0 + cell_px_);
      double s = 0, q = 0;
      for (int x = x0; x < x1; ++x) {
        s += sum[static_cast<size_t>(x)];
        q += square[static_cast<size_t>(x)];
      }
      const double n = static_cast<double>(x1 - x0) * (y1 - y0);
      const double deviation = std::sqrt(std::max(0.0, q / n - (s / n) * (s / n)));
      gain[static_cast<size_t>(cy * cells_x_ + cx)] =
          std::min(kMostGain, kLeastGain + static_cast<float>(deviation) / kDeviationOfOne);
    }
  }
  double total = 0;
  for (int y = 0; y < cells_y_; ++y)
    for (int x = 0; x < cells_x_; ++x) {
      float s = 0;
      for (int dy = -1; dy <= 1; ++dy)
        for (int dx = -1; dx <= 1; ++dx)
          s += gain[static_cast<size_t>(std::clamp(y + dy, 0, cells_y_ - 1) * cells_x_ +
                                        std::clamp(x + dx, 0, cells_x_ - 1))];
      smooth[static_cast<size_t>(y * cells_x_ + x)] = s / 9.0f;
      total += static_cast<double>(s / 9.0f) * (s / 9.0f);
    }
  mean_square = total / static_cast<double>(cells);
  std::vector<float> rows(static_cast<size_t>(cells_y_) * static_cast<size_t>(width_));
  for (int x = 0; x < width_; ++x) {
    const float u = (static_cast<float>(x) + 0.5f) / static_cast<float>(cell_px_) - 0.5f;
    const int i = std::clamp(static_cast<int>(std::floor(u)), 0, std::max(0, cells_x_ - 2));
    const int j = std::min(i + 1, cells_x_ - 1);
    const float t = std::clamp(u - static_cast<float>(i), 0.0f, 1.0f);
    for (int y = 0; y < cells_y_; ++y) {
      const float* g = smooth.data() + y * cells_x_;
      rows[static_cast<size_t>(y) * static_cast<size_t>(width_) + static_cast<size_t>(x)] =
          g[i] + t * (g[j] - g[i]);
    }
  }
  return rows;
}

template <typename T>
void ChipPainter::add_rows(int y0, int y1, float strength, const std::vector<float>& rows,
                           const std::vector<float>& gains, const media::PlaneView& plane) const {
  const float peak = static_cast<float>((1 << plane.depth) - 1) + 0.5f;
  const float scale = strength * static_cast<float>(1 << (plane.depth - 8));
  const size_t width = static_cast<size_t>(width_);
  for (int y = y0; y < y1; ++y) {
    const Tap& tap = row_taps_[static_cast<size_t>(y)];
    const float* h[4];
    for (int i = 0; i < 4; ++i)
      h[i] = rows.data() + static_cast<size_t>(tap.index + i - first_row_) * width;
    const float u = (static_cast<float>(y) + 0.5f) / static_cast<float>(cell_px_) - 0.5f;
    const int i = std::clamp(static_cast<int>(std::floor(u)), 0, std::max(0, cells_y_ - 2));
    const float fy = std::clamp(u - static_cast<float>(i), 0.0f, 1.0f);
    const float* g0 = gains.data() + static_cast<size_t>(i) * width;
    const float* g1 = gains.data() + static_cast<size_t>(std::min(i + 1, cells_y_ - 1)) * width;
    paint_row(h, tap.weight, g0, g1, fy, scale, peak, width_,
              reinterpret_cast<T*>(plane.data + y * plane.stride_bytes));
  }
}

void ChipPainter::paint(const std::vector<float>& pattern,
                        const std::vector<media::PlaneView>& planes) const {
  LIKENESS_REQUIRE(!planes.empty() && pattern.size() == static_cast<size_t>(side_ * side_));
  double variance = 0, gain_square = 0;
  const std::vector<float> rows = stretched_pattern(pattern, variance);
  const std::vector<float> gains =
      cell_gains(planes[planes.size() == 3 ? 1 : 0], gain_square);  // green stands for luma
  const float strength =
      std::min(kMostStrength, static_cast<float>(rms_ / std::sqrt(variance * gain_square)));
  constexpr int kBand = 32;
  const int bands = (height_ + kBand - 1) / kBand;
  const auto band = [&](int b) {
    for (const media::PlaneView& plane : planes) {
      const int y0 = b * kBand, y1 = std::min(height_, y0 + kBand);
      if (plane.bytes == 1)
        add_rows<uint8_t>(y0, y1, strength, rows, gains, plane);
      else
        add_rows<uint16_t>(y0, y1, strength, rows, gains, plane);
    }
  };
  // Starting threads costs more than a small picture.
  if (static_cast<int64_t>(width_) * height_ < 1 << 21)
    for (int b = 0; b < bands; ++b) band(b);
  else
    parallel_for(0, bands, band);
}

}  // namespace likeness::trust
