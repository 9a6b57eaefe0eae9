// SPDX-License-Identifier: Apache-2.0
// Inside the watermark: the keyed chips of the grid, and painting them into a picture.
#pragma once

#include <cstdint>
#include <vector>

#include "likeness/media/video.h"
#include "likeness/trust/watermark_key.h"

namespace likeness::trust {

/// Which chip says what. The grid is a torus of side x side chips around the picture's centre; slot
/// s uses row s of the tables, pilots those of s modulo pilot_period.
struct ChipPlan {
  int side = 64, slots = 64, pilot_period = 16;
  int id_bits = 64, code_bits = 0;
  std::vector<int8_t> pilot;       ///< [pilot_period][side*side]: +-1, or 0 for a data chip
  std::vector<int8_t> sign;        ///< [slots][side*side]: +-1
  std::vector<uint16_t> code_bit;  ///< [slots][side*side]: which bit a data chip carries
  size_t chips() const { return static_cast<size_t>(side) * static_cast<size_t>(side); }

  static ChipPlan video(const WatermarkKey& key);
  static ChipPlan still(const WatermarkKey& key);
};

/// Chip values of one slot for a coded message (0 / 1): +-1, then the mean of the 5 x 5
/// neighbourhood taken off, which removes what the eye would see as slow blotches.
std::vector<float> chip_pattern(const ChipPlan& plan, int slot, const std::vector<uint8_t>& code);

inline constexpr double kVideoChips = 640;  ///< in a picture, about
inline constexpr double kStillChips = 10240;
/// Distance of chips in pixels.
double chip_pitch_px(int width, int height, double chips);

/// Adds a pattern to planes of samples.
class ChipPainter {
 public:
  /// `rms`: of the change, in grey levels of 8 bit.
  ChipPainter(int width, int height, double chips, int side, double rms);
  /// The planes all get the same change (one luma plane, or R, G and B).
  void paint(const std::vector<float>& pattern, const std::vector<media::PlaneView>& planes) const;

 private:
  struct Tap {
    int index;  ///< first of four, unwrapped
    float weight[4];
  };
  std::vector<float> cell_gains(const media::PlaneView& plane, double& mean_square) const;
  std::vector<float> stretched_pattern(const std::vector<float>& pattern, double& variance) const;
  template <typename T>
  void add_rows(int y0, int y1, float strength, const std::vector<float>& rows,
                const std::vector<float>& gains, const media::PlaneView& plane) const;

  int width_, height_, side_, cell_px_, cells_x_, cells_y_;
  double rms_;
  float kernel_power_ = 1;  ///< mean of the squared interpolation weights
  std::vector<Tap> column_taps_, row_taps_;
  int first_row_ = 0, row_count_ = 0;
};

}  // namespace likeness::trust
