// SPDX-License-Identifier: Apache-2.0
// Poisson blending as a membrane: f = over + h, where h is harmonic inside the region and base -
// over around it (Farbman et al. 2009 for the view; exact here, by multigrid). h is smooth, which
// makes multigrid quick, and it is exactly 0 or constant when the images are equal or differ by a
// constant.
#include <algorithm>
#include <cmath>

#include "likeness/compose/compose.h"
#include "likeness/compose/internal.h"

namespace likeness::compositing {
namespace {

// One grid with a border of one cell. Unknown cells have inverse_diagonal > 0; in all others x
// stays 0, so the operator (A x)(c) = diagonal(c) x(c) - sum of the four neighbours needs no
// branches. The diagonal counts the neighbours inside the frame: Dirichlet towards known cells,
// Neumann at the border of the frame.
struct Level {
  int w = 0, h = 0, stride = 0;
  std::vector<float> inverse_diagonal, diagonal, x, b, r;
  std::vector<float> value;  // known value in cells beside unknown ones; -kNone elsewhere
  bool any_unknown = false;

  Level(int width, int height) : w(width), h(height), stride(width + 2) {
    const size_t n = static_cast<size_t>(stride) * (h + 2);
    for (auto* v : {&inverse_diagonal, &diagonal, &x, &b, &r, &value}) v->assign(n, 0.0f);
  }
  size_t at(int cx, int cy) const { return static_cast<size_t>(cy + 1) * stride + cx + 1; }
  bool inside(int cx, int cy) const { return cx >= 0 && cy >= 0 && cx < w && cy < h; }
  bool unknown(size_t i) const { return inverse_diagonal[i] > 0; }
};

void set_unknown(Level& level, const std::vector<uint8_t>& unknown) {
  for (int y = 0; y < level.h; ++y)
    for (int x = 0; x < level.w; ++x) {
      if (!unknown[static_cast<size_t>(y) * level.w + x]) continue;
      const int links = (x > 0) + (y > 0) + (x + 1 < level.w) + (y + 1 < level.h);
      const size_t i = level.at(x, y);
      level.any_unknown = true;
      level.diagonal[i] = static_cast<float>(links);
      level.inverse_diagonal[i] = links ? 1.0f / static_cast<float>(links) : 1.0f;
    }
}

// A coarse cell is unknown when all its children are.
std::vector<uint8_t> coarsen(const std::vector<uint8_t>& fine, int w, int h) {
  const int cw = (w + 1) / 2, ch = (h + 1) / 2;
  std::vector<uint8_t> out(static_cast<size_t>(cw) * ch, 1);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x)
      if (!fine[static_cast<size_t>(y) * w + x]) out[static_cast<size_t>(y / 2) * cw + x / 2] = 0;
  return out;
}

class Solver {
 public:
  Solver(std::vector<uint8_t> unknown, int w, int h) {
    for (;;) {
      levels_.emplace_back(w, h);
      set_unknown(levels_.back(), unknown);
      if (!levels_.back().any_unknown || (w <= 3 && h <= 3)) break;
      unknown = coarsen(unknown, w, h);
      w = (w + 1) / 2;
      h = (h + 1) / 2;
    }
    row_.resize(static_cast<size_t>(levels_[0].stride));
    for (int p = 0; p < 2; ++p) {
      select_[p].resize(row_.size());
      for (size_t i = 0; i < row_.size(); ++i) select_[p][i] = (i + p) & 1 ? 1.0f : 0.0f;
    }
  }
  Level& finest() { return levels_[0]; }

  /// Solves A x = b + known neighbours (finest().value); source: extra right side or nullptr.
  void solve(const float* source) {
    spread_values();
    const int top = static_cast<int>(levels_.size()) - 1;
    for (int l = top; l >= 0; --l) {
      if (!levels_[l].any_unknown) continue;
      known_to_b(l, l == 0 ? source : nullptr);
      start_from_coarser(l);
      const int most = l == 0 ? 40 : 2;
      for (int cycle = 0; cycle < most; ++cycle) {
        before_ = levels_[l].x;
        v_cycle(l);
        if (change(l) < kTolerance) break;
      }
    }
  }

 private:
  static constexpr float kTolerance = 1e-4f;

  // Known values of coarse levels: mean of the children that lie beside the region.
  void spread_values() {
    std::vector<float> sum, count;
    for (size_t l = 1; l < levels_.size(); ++l) {
      Level &fine = levels_[l - 1], &coarse = levels_[l];
      sum.assign(coarse.value.size(), 0.0f);
      count.assign(coarse.value.size(), 0.0f);
      for (int y = 0; y < fine.h; ++y)
        for (int x = 0; x < fine.w; ++x) {
          if (!beside_unknown(fine, x, y)) continue;
          sum[coarse.at(x / 2, y / 2)] += fine.value[fine.at(x, y)];
          count[coarse.at(x / 2, y / 2)] += 1;
        }
      for (size_t i = 0; i < sum.size(); ++i)
        coarse.value[i] = count[i] > 0 ? sum[i] / count[i] : 0.0f;
    }
  }
  static bool beside_unknown(const Level& level, int x, int y) {
    const size_t i = level.at(x, y), s = static_cast<size_t>(level.stride);
    return !level.unknown(i) && (level.unknown(i - 1) || level.unknown(i + 1) ||
                                 level.unknown(i - s) || level.unknown(i + s));
  }

  void known_to_b(int l, const float* source) {
    Level& g = levels_[l];
    for (int y = 0; y < g.h; ++y)
      for (int x = 0; x < g.w; ++x) {
        const size_t i = g.at(x, y), s = static_cast<size_t>(g.stride);
        g.b[i] = 0;
        if (!g.unknown(i)) continue;
        for (size_t n : {i - 1, i + 1, i - s, i + s})
          if (!g.unknown(n))
            g.b[i] += g.value[n];  // cells outside the frame hold 0 and have no link
        if (source) g.b[i] += source[static_cast<size_t>(y) * g.w + x];
      }
  }

  void start_from_coarser(int l) {
    Level& g = levels_[l];
    std::fill(g.x.begin(), g.x.end(), 0.0f);
    if (l + 1 >= static_cast<int>(levels_.size())) return;
    const Level& coarse = levels_[l + 1];
    for (int y = 0; y < g.h; ++y)
      for (int x = 0; x < g.w; ++x) {
        const size_t i = g.at(x, y), c = coarse.at(x / 2, y / 2);
        if (g.unknown(i)) g.x[i] = coarse.unknown(c) ? coarse.x[c] : coarse.value[c];
      }
  }

  float change(int l) const {
    const Level& g = levels_[l];
    float most = 0;
    for (size_t i = 0; i < g.x.size(); ++i) most = std::max(most, std::fabs(g.x[i] - before_[i]));
    return most;
  }

  // Gauss-Seidel on every second cell, like a chessboard.
  void half_sweep(Level& g, int parity) {
    const int n = g.w;
    float* row = row_.data();
    for (int y = 0; y < g.h; ++y) {
      const size_t start = g.at(0, y);
      float* x = g.x.data() + start;
      const float *up = x - g.stride, *down = x + g.stride, *b = g.b.data() + start;
      const float* inverse = g.inverse_diagonal.data() + start;
      const float* select = select_[(y + parity) & 1].data();
      for (int i = 0; i < n; ++i) {
        const float next = inverse[i] * (b[i] + (up[i] + down[i]) + (x[i - 1] + x[i + 1]));
        row[i] = x[i] + select[i] * (next - x[i]);
      }
      std::copy(row, row + n, x);
    }
  }
  void sweep(Level& g) {
    half_sweep(g, 0);
    half_sweep(g, 1);
  }

  void residual(Level& g) {
    for (int y = 0; y < g.h; ++y) {
      const size_t start = g.at(0, y);
      const float *x = g.x.data() + start, *up = x - g.stride, *down = x + g.stride;
      const float *b = g.b.data() + start, *d = g.diagonal.data() + start;
      float* r = g.r.data() + start;
      for (int i = 0; i < g.w; ++i) {
        const float sum = b[i] + (up[i] + down[i]) + (x[i - 1] + x[i + 1]) - d[i] * x[i];
        r[i] = d[i] > 0 ? sum : 0.0f;
      }
    }
  }

  void restrict_to(const Level& fine, Level& coarse) {
    for (int y = 0; y < coarse.h; ++y) {
      const float* r0 = fine.r.data() + fine.at(0, 2 * y);
      const float* r1 = r0 + fine.stride;  // the border below an odd height is 0
      for (int x = 0; x < coarse.w; ++x) {
        const size_t i = coarse.at(x, y);
        const float sum = r0[2 * x] + r0[2 * x + 1] + r1[2 * x] + r1[2 * x + 1];
        coarse.b[i] = coarse.diagonal[i] > 0 ? sum : 0.0f;
      }
    }
  }

  // Bilinear between cell centres: 9/16, 3/16, 3/16, 1/16.
  void prolong(const Level& coarse, Level& fine) {
    for (int y = 0; y < fine.h; ++y) {
      const float* near = coarse.x.data() + coarse.at(0, y / 2);
      const float* far = (y & 1) ? near + coarse.stride : near - coarse.stride;
      float* x = fine.x.data() + fine.at(0, y);
      const float* d = fine.diagonal.data() + fine.at(0, y);
      for (int i = 0; i < fine.w; ++i) {
        const int c = i >> 1, side = (i & 1) ? c + 1 : c - 1;
        const float v = 0.5625f * near[c] + 0.1875f * (near[side] + far[c]) + 0.0625f * far[side];
        x[i] += d[i] > 0 ? v : 0.0f;
      }
    }
  }

  void v_cycle(int l) {
    Level& g = levels_[l];
    const bool last = l + 1 == static_cast<int>(levels_.size()) || !levels_[l + 1].any_unknown;
    if (last) {
      const int sweeps = std::clamp(g.w + g.h, 8, 60);
      for (int k = 0; k < sweeps; ++k) sweep(g);
      return;
    }
    Level& coarse = levels_[l + 1];
    for (int k = 0; k < 2; ++k) sweep(g);
    residual(g);
    restrict_to(g, coarse);
    std::fill(coarse.x.begin(), coarse.x.end(), 0.0f);
    v_cycle(l + 1);
    prolong(coarse, g);
    for (int k = 0; k < 2; ++k) sweep(g);
  }

  std::vector<Level> levels_;
  std::vector<float> row_, before_;
  std::vector<float> select_[2];
};

// Right side for mixed gradients: on every link the stronger of the two images' steps, less over's
// own.
std::vector<float> mixed_source(const ImageF& base, const ImageF& over, int channel) {
  const int w = base.width, h = base.height;
  std::vector<float> out(static_cast<size_t>(w) * h, 0.0f);
  auto link = [&](int x0, int y0, int x1, int y1) {
    const float o = over.at(x0, y0, channel) - over.at(x1, y1, channel);
    const float b = base.at(x0, y0, channel) - base.at(x1, y1, channel);
    const float extra = std::fabs(b) > std::fabs(o) ? b - o : 0.0f;
    out[static_cast<size_t>(y0) * w + x0] += extra;
    out[static_cast<size_t>(y1) * w + x1] -= extra;
  };
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      if (x + 1 < w) link(x, y, x + 1, y);
      if (y + 1 < h) link(x, y, x, y + 1);
    }
  return out;
}

}  // namespace

ImageF blend_poisson(const ImageF& base, const ImageF& over, const ImageF& mask, bool mixed) {
  detail::require_channels(base, 3, 1, "blend_poisson");
  detail::require_channels(over, base.channels, base.channels, "blend_poisson");
  detail::require_channels(mask, 1, 1, "blend_poisson");
  detail::require_same_size(base, over, "blend_poisson");
  detail::require_same_size(base, mask, "blend_poisson");
  ImageF out = base, shape = mask;
  for (float& m : shape.data) m = m > 0.5f ? 1.0f : 0.0f;
  const Rect region = detail::support(shape, 1);
  if (region.empty()) return out;
  const ImageF b = detail::crop(base, region), o = detail::crop(over, region);
  const ImageF s = detail::crop(shape, region);
  std::vector<uint8_t> unknown(s.data.size());
  for (size_t i = 0; i < unknown.size(); ++i) unknown[i] = s.data[i] > 0;
  Solver solver(unknown, s.width, s.height);
  Level& g = solver.finest();
  ImageF result = b;
  const int c = base.channels;
  for (int k = 0; k < c; ++k) {
    for (int y = 0; y < s.height; ++y)
      for (int x = 0; x < s.width; ++x) {
        const size_t i = g.at(x, y);
        g.value[i] = g.unknown(i) ? 0.0f : b.at(x, y, k) - o.at(x, y, k);
      }
    const std::vector<float> source = mixed ? mixed_source(b, o, k) : std::vector<float>();
    solver.solve(mixed ? source.data() : nullptr);
    for (int y = 0; y < s.height; ++y)
      for (int x = 0; x < s.width; ++x)
        if (g.unknown(g.at(x, y))) result.at(x, y, k) = o.at(x, y, k) + g.x[g.at(x, y)];
  }
  detail::paste(out, result, region);
  return out;
}

}  // namespace likeness::compositing
