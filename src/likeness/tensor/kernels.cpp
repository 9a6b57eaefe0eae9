// SPDX-License-Identifier: Apache-2.0
// Elementwise, shape and landmark kernels of the executor.
#include "likeness/tensor/kernels.h"

#include <cmath>
#include <cstring>

namespace likeness::tensor::kernels {
namespace {

float apply(Op op, float a, float b) {
  return op == Op::kAdd ? a + b : op == Op::kSub ? a - b : a * b;
}

template <typename F>
void for_rows(const View& x, const View& out,
              F&& f) {  // f(in, out, floats), padding lanes included
  const bool same = x.stride == out.stride;
  for (int y = 0; y < out.height; ++y) {
    if (same) {
      f(x.at(y, 0), out.at(y, 0), static_cast<ptrdiff_t>(out.width) * out.stride);
    } else {
      for (int i = 0; i < out.width; ++i) f(x.at(y, i), out.at(y, i), out.channels);
    }
  }
}

}  // namespace

void zero(const View& view) {
  for (int y = 0; y < view.height; ++y)
    std::memset(view.at(y, 0), 0, sizeof(float) * static_cast<size_t>(view.width) * view.stride);
}

void zero_padding_lanes(const View& view) {
  if (view.stride == view.channels) return;
  for (int y = 0; y < view.height; ++y)
    for (int x = 0; x < view.width; ++x)
      std::fill(view.at(y, x) + view.channels, view.at(y, x) + view.stride, 0.f);
}

void binary(Op op, bool relu, const View& a, const View& b, const View& out) {
  const bool same_channels = a.channels == out.channels && b.channels == out.channels;
  for (int y = 0; y < out.height; ++y) {
    const int ya = a.height == 1 ? 0 : y, yb = b.height == 1 ? 0 : y;
    for (int x = 0; x < out.width; ++x) {
      const float* pa = a.at(ya, a.width == 1 ? 0 : x);
      const float* pb = b.at(yb, b.width == 1 ? 0 : x);
      float* po = out.at(y, x);
      if (same_channels) {
        if (op == Op::kAdd)
          for (int c = 0; c < out.channels; ++c) po[c] = pa[c] + pb[c];
        else if (op == Op::kSub)
          for (int c = 0; c < out.channels; ++c) po[c] = pa[c] - pb[c];
        else
          for (int c = 0; c < out.channels; ++c) po[c] = pa[c] * pb[c];
      } else {
        for (int c = 0; c < out.channels; ++c)
          po[c] = apply(op, pa[a.channels == 1 ? 0 : c], pb[b.channels == 1 ? 0 : c]);
      }
      if (relu)
        for (int c = 0; c < out.channels; ++c) po[c] = std::max(po[c], 0.f);
    }
  }
  zero_padding_lanes(out);
}

void unary(Op op, const float* slopes, const View& x, const View& out) {
  switch (op) {
    case Op::kRelu:
      for_rows(x, out, [](const float* in, float* to, ptrdiff_t n) {
        for (ptrdiff_t i = 0; i < n; ++i) to[i] = in[i] > 0 ? in[i] : 0.f;
      });
      break;
    case Op::kAbs:
      for_rows(x, out, [](const float* in, float* to, ptrdiff_t n) {
        for (ptrdiff_t i = 0; i < n; ++i) to[i] = std::fabs(in[i]);
      });
      break;
    case Op::kHardSwish:
      for_rows(x, out, [](const float* in, float* to, ptrdiff_t n) {
        for (ptrdiff_t i = 0; i < n; ++i)
          to[i] = in[i] * std::min(std::max(in[i] + 3.f, 0.f), 6.f) * (1.f / 6.f);
      });
      break;
    case Op::kLogistic:
      for_rows(x, out, [](const float* in, float* to, ptrdiff_t n) {
        for (ptrdiff_t i = 0; i < n; ++i) to[i] = 1.f / (1.f + std::exp(-in[i]));
      });
      break;
    default:  // kPrelu
      for (int y = 0; y < out.height; ++y)
        for (int i = 0; i < out.width; ++i) {
          const float* in = x.at(y, i);
          float* to = out.at(y, i);
          for (int c = 0; c < out.channels; ++c) to[c] = in[c] > 0 ? in[c] : in[c] * slopes[c];
        }
  }
  zero_padding_lanes(out);
}

void resize_bilinear(const Node& node, const View& x, const View& out) {
  struct Source {
    int low, high;
    float weight;  // of high
  };
  const auto sources = [&](int in, int to) {
    std::vector<Source> s(to);
    const float scale = node.align_corners && to > 1
                            ? static_cast<float>(in - 1) / static_cast<float>(to - 1)
                            : static_cast<float>(in) / static_cast<float>(to);
    for (int i = 0; i < to; ++i) {
      const float at = node.half_pixel ? (static_cast<float>(i) + 0.5f) * scale - 0.5f
                                       : static_cast<float>(i) * scale;
      const float clamped = std::min(std::max(at, 0.f), static_cast<float>(in - 1));
      const int low = static_cast<int>(clamped);
      s[i] = {low, std::min(low + 1, in - 1), clamped - static_cast<float>(low)};
    }
    return s;
  };
  const auto ys = sources(x.height, out.height), xs = sources(x.width, out.width);
  for (int y = 0; y < out.height; ++y) {
    for (int i = 0; i < out.width; ++i) {
      const float *a = x.at(ys[y].low, xs[i].low), *b = x.at(ys[y].low, xs[i].high);
      const float *c = x.at(ys[y].high, xs[i].low), *d = x.at(ys[y].high, xs[i].high);
      const float wx = xs[i].weight, wy = ys[y].weight;
      float* to = out.at(y, i);
      const int n = std::min(out.stride, x.stride);
      for (int k = 0; k < n; ++k) {
        const float top = a[k] + (b[k] - a[k]) * wx, bottom = c[k] + (d[k] - c[k]) * wx;
        to[k] = top + (bottom - top) * wy;
      }
    }
  }
}

void copy_into(const View& x, const View& out, int y0, int x0, int c0) {
  for (int y = 0; y < x.height; ++y)
    for (int i = 0; i < x.width; ++i)
      std::memcpy(out.at(y0 + y, x0 + i) + c0, x.at(y, i), sizeof(float) * x.channels);
}

void reshape(const View& x, const View& out) {
  int y = 0, i = 0, c = 0;
  for (int oy = 0; oy < out.height; ++oy) {
    for (int ox = 0; ox < out.width; ++ox) {
      float* to = out.at(oy, ox);
      for (int oc = 0; oc < out.channels; ++oc) {
        to[oc] = x.at(y, i)[c];
        if (++c == x.channels) {
          c = 0;
          if (++i == x.width) i = 0, ++y;
        }
      }
    }
  }
  zero_padding_lanes(out);
}

void strided_slice(const int begin[3], const int stride[3], const View& x, const View& out) {
  for (int y = 0; y < out.height; ++y)
    for (int i = 0; i < out.width; ++i) {
      const float* in = x.at(begin[0] + y * stride[0], begin[1] + i * stride[1]);
      for (int c = 0; c < out.channels; ++c) out.at(y, i)[c] = in[begin[2] + c * stride[2]];
    }
  zero_padding_lanes(out);
}

// The crop holds the subset's bounding box in the frame turned so that left -> right is level,
// grown by scale; the matrix maps crop pixels (0..crop_width) to the points' coordinates.
void landmarks_to_matrix(const Node& node, const View& points, const View& out) {
  const float *left = points.at(0, node.left_point), *right = points.at(0, node.right_point);
  const float turn = node.target_angle_rad - std::atan2(right[1] - left[1], right[0] - left[0]);
  const float c = std::cos(turn), s = std::sin(turn);
  float x0 = 1e30f, y0 = 1e30f, x1 = -1e30f, y1 = -1e30f;
  for (int index : node.subset) {
    const float* p = points.at(0, index);
    const float x = c * p[0] - s * p[1], y = s * p[0] + c * p[1];
    x0 = std::min(x0, x), x1 = std::max(x1, x);
    y0 = std::min(y0, y), y1 = std::max(y1, y);
  }
  const float mx = (x0 + x1) / 2, my = (y0 + y1) / 2;  // centre in the turned frame
  const float sx = node.scale_x * (x1 - x0) / static_cast<float>(node.crop_width);
  const float sy = node.scale_y * (y1 - y0) / static_cast<float>(node.crop_height);
  const float left_edge = mx - sx * static_cast<float>(node.crop_width) / 2;
  const float top_edge = my - sy * static_cast<float>(node.crop_height) / 2;
  const float rows[4][4] = {{c * sx, s * sy, 0, c * left_edge + s * top_edge},
                            {-s * sx, c * sy, 0, -s * left_edge + c * top_edge},
                            {0, 0, 1, 0},
                            {0, 0, 0, 1}};
  for (int r = 0; r < 4; ++r) std::memcpy(out.at(0, r), rows[r], sizeof rows[r]);
}

void transform_tensor(const View& x, const View& matrix, const View& out) {
  const float *mx = matrix.at(0, 0), *my = matrix.at(0, 1);
  // Pixel centres lie at half coordinates on both sides.
  const float tx = mx[3] + 0.5f * (mx[0] + mx[1]) - 0.5f,
              ty = my[3] + 0.5f * (my[0] + my[1]) - 0.5f;
  zero(out);
  for (int y = 0; y < out.height; ++y) {
    for (int i = 0; i < out.width; ++i) {
      const float fi = static_cast<float>(i), fy = static_cast<float>(y);
      const float sx = mx[0] * fi + mx[1] * fy + tx, sy = my[0] * fi + my[1] * fy + ty;
      if (!(sx >= 0 && sy >= 0 && sx <= static_cast<float>(x.width - 1) &&
            sy <= static_cast<float>(x.height - 1)))
        continue;  // outside the feature map: zero, as the net was trained
      const int ix = static_cast<int>(sx), iy = static_cast<int>(sy);
      const int jx = std::min(ix + 1, x.width - 1), jy = std::min(iy + 1, x.height - 1);
      const float wx = sx - static_cast<float>(ix), wy = sy - static_cast<float>(iy);
      const float *a = x.at(iy, ix), *b = x.at(iy, jx), *c = x.at(jy, ix), *d = x.at(jy, jx);
      float* to = out.at(y, i);
      for (int k = 0; k < out.channels; ++k)
        to[k] = (a[k] * (1 - wx) + b[k] * wx) * (1 - wy) + (c[k] * (1 - wx) + d[k] * wx) * wy;
    }
  }
}

void transform_landmarks(const View& points, const View& matrix, const View& out) {
  const float *mx = matrix.at(0, 0), *my = matrix.at(0, 1);
  for (int i = 0; i < points.width; ++i) {
    const float x = points.at(0, i)[0], y = points.at(0, i)[1];
    float* to = out.at(0, i);
    to[0] = mx[0] * x + mx[1] * y + mx[3];
    to[1] = my[0] * x + my[1] * y + my[3];
    for (int c = 2; c < points.channels; ++c) to[c] = points.at(0, i)[c];
  }
}

}  // namespace likeness::tensor::kernels
