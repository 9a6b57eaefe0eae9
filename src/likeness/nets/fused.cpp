// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/fused.h"

#include <array>
#include <vector>

#include <ATen/Parallel.h>

#include "likeness/base/error.h"
#include "likeness/nets/bfloat16.h"

namespace likeness::nets {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr auto kLast = at::MemoryFormat::ChannelsLast;
constexpr int64_t kGrain = 1 << 14;

template <typename F>
void with_type(const torch::Tensor& t, F&& f) {
  if (t.scalar_type() == torch::kBFloat16)
    f(static_cast<BF16*>(t.data_ptr()));
  else if (t.scalar_type() == torch::kFloat32)
    f(static_cast<float*>(t.data_ptr()));
  else
    throw Error(ErrorCode::kInternal, "fused convolution: the type must be float32 or bfloat16");
}

template <typename T>
void lrelu_run(const T* in, T* out, int64_t n, float slope) {
  for (int64_t i = 0; i < n; ++i) {
    const float v = to_float(in[i]);
    store(out[i], v > 0 ? v : v * slope);
  }
}
template <typename T>
void add_lrelu_run(const T* in, const T* add, T* out, int64_t n, float slope) {
  for (int64_t i = 0; i < n; ++i) {
    const float v = to_float(in[i]) + to_float(add[i]);
    store(out[i], v > 0 ? v : v * slope);
  }
}
/// The sign of the output is the sign of the input, as slope > 0.
template <typename T>
void lrelu_backward_run(const T* grad, const T* out, T* result, int64_t n, float slope) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = to_float(grad[i]);
    store(result[i], to_float(out[i]) > 0 ? g : g * slope);
  }
}

void lrelu_in_place(torch::Tensor& y, const torch::Tensor& add, float slope) {
  with_type(y, [&](auto* p) {
    using T = std::remove_pointer_t<decltype(p)>;
    const T* a = add.defined() ? static_cast<const T*>(add.data_ptr()) : nullptr;
    at::parallel_for(0, y.numel(), kGrain, [&](int64_t begin, int64_t end) {
      if (a)
        add_lrelu_run(p + begin, a + begin, p + begin, end - begin, slope);
      else
        lrelu_run(p + begin, p + begin, end - begin, slope);
    });
  });
}

/// f(small, large, run): `run` channels that lie together in both N x H x W x 4C and N x 2H x 2W x
/// C.
template <typename F>
void for_each_block(int64_t n, int64_t h, int64_t w, int64_t c, F&& f) {
  at::parallel_for(
      0, n * h, std::max<int64_t>(1, kGrain / (w * 4 * c)), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
          for (int64_t dy = 0; dy < 2; ++dy)
            for (int64_t x = 0; x < w; ++x)  // (dx, c) lie together in both: one run of 2C
              f((row * w + x) * 4 * c + dy * 2 * c, ((row * 2 + dy) * 2 * w + 2 * x) * c, 2 * c);
      });
}

torch::Tensor lrelu_up(const torch::Tensor& y, float slope) {
  const int64_t n = y.size(0), c = y.size(1) / 4, h = y.size(2), w = y.size(3);
  auto out = torch::empty({n, c, 2 * h, 2 * w}, y.options(), kLast);
  with_type(out, [&](auto* o) {
    using T = std::remove_pointer_t<decltype(o)>;
    const T* p = static_cast<const T*>(y.data_ptr());
    for_each_block(n, h, w, c, [&](int64_t small, int64_t large, int64_t run) {
      lrelu_run(p + small, o + large, run, slope);
    });
  });
  return out;
}

torch::Tensor lrelu_backward(const torch::Tensor& grad, const torch::Tensor& out, float slope,
                             bool up) {
  const int64_t n = out.size(0), c = out.size(1), h = out.size(2), w = out.size(3);
  auto result = up ? torch::empty({n, 4 * c, h / 2, w / 2}, out.options(), kLast)
                   : torch::empty({n, c, h, w}, out.options(), kLast);
  with_type(result, [&](auto* r) {
    using T = std::remove_pointer_t<decltype(r)>;
    const T* g = static_cast<const T*>(grad.data_ptr());
    const T* o = static_cast<const T*>(out.data_ptr());
    if (up)
      for_each_block(n, h / 2, w / 2, c, [&](int64_t small, int64_t large, int64_t run) {
        lrelu_backward_run(g + large, o + large, r + small, run, slope);
      });
    else
      at::parallel_for(0, out.numel(), kGrain, [&](int64_t begin, int64_t end) {
        lrelu_backward_run(g + begin, o + begin, r + begin, end - begin, slope);
      });
  });
  return result;
}

struct ConvLRelu : torch::autograd::Function<ConvLRelu> {
  static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias,
                               const torch::Tensor& residual, int64_t stride, double slope, bool up,
                               bool add) {
    auto y = at::conv2d(x, weight, bias, stride, weight.size(2) / 2).contiguous(kLast);
    if (up)
      y = lrelu_up(y, static_cast<float>(slope));
    else
      lrelu_in_place(y, add ? residual : torch::Tensor(), static_cast<float>(slope));
    ctx->saved_data["stride"] = stride;
    ctx->saved_data["slope"] = slope;
    ctx->saved_data["up"] = up;
    ctx->saved_data["add"] = add;
    ctx->saved_data["input_grad"] = x.requires_grad();
    ctx->save_for_backward({x, weight, y});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1], &out = saved[2];
    const int64_t stride = ctx->saved_data["stride"].toInt(), padding = weight.size(2) / 2;
    const auto grad = grads[0].to(out.scalar_type()).contiguous(kLast);
    const auto conv_grad =
        lrelu_backward(grad, out, static_cast<float>(ctx->saved_data["slope"].toDouble()),
                       ctx->saved_data["up"].toBool());
    auto [gx, gw, gb] = at::convolution_backward(
        conv_grad, x, weight, at::OptionalIntArrayRef(at::IntArrayRef{weight.size(0)}),
        {stride, stride}, {padding, padding}, {1, 1}, false, {0, 0}, 1,
        {ctx->saved_data["input_grad"].toBool(), true, true});
    return {gx,
            gw,
            gb,
            ctx->saved_data["add"].toBool() ? conv_grad : torch::Tensor(),
            torch::Tensor(),
            torch::Tensor(),
            torch::Tensor(),
            torch::Tensor()};
  }
};

/// Channels of one row of pixels, each on its own: loops over them are vectorised.
using Row = std::array<std::vector<float>, 16>;

template <typename T>
void split_channels(const T* pixels, int64_t width, Row& row) {
  for (int64_t i = 0; i < width; ++i)
    for (int64_t c = 0; c < 16; ++c) row[c][i] = to_float(pixels[i * 16 + c]);
}

/// f(first value of the row in x, image, row of the picture that the row's upper half becomes, two
/// scratch rows).
template <typename F>
void for_each_row(const torch::Tensor& x, F&& f) {
  const int64_t n = x.size(0), h = x.size(2), w = x.size(3);
  at::parallel_for(0, n * h, std::max<int64_t>(1, kGrain / (16 * w)),
                   [&](int64_t begin, int64_t end) {
                     static thread_local Row in, out;
                     for (Row* row : {&in, &out})
                       for (auto& channel : *row) channel.resize(w);
                     for (int64_t row = begin; row < end; ++row)
                       f(row * w * 16, row / h, row % h * 2, in, out);
                   });
}

struct Head : torch::autograd::Function<Head> {
  static variable_list forward(AutogradContext* ctx, const torch::Tensor& x,
                               const torch::Tensor& base) {
    const int64_t n = x.size(0), w = x.size(3), height = 2 * x.size(2), width = 2 * w;
    auto rgb = torch::empty({n, 3, height, width}, torch::kFloat32);
    auto mask = torch::empty({n, 1, height, width}, torch::kFloat32);
    const float* base_values = base.data_ptr<float>();
    float *rgb_values = rgb.data_ptr<float>(), *mask_values = mask.data_ptr<float>();
    with_type(x, [&](auto* p) {
      for_each_row(x, [&](int64_t at, int64_t image, int64_t y, Row& in, Row&) {
        split_channels(p + at, w, in);
        for (int64_t dy = 0; dy < 2; ++dy) {
          for (int64_t c = 0; c < 3; ++c) {
            const int64_t line = ((image * 3 + c) * height + y + dy) * width;
            const float *left = in[dy * 8 + c].data(), *right = in[dy * 8 + 4 + c].data();
            const float* from = base_values + line;
            float* to = rgb_values + line;
            for (int64_t i = 0; i < w; ++i) {
              const float a = from[2 * i] + left[i], b = from[2 * i + 1] + right[i];
              to[2 * i] = a < 0 ? 0.0f : a > 1 ? 1.0f : a;  // not a number stays so
              to[2 * i + 1] = b < 0 ? 0.0f : b > 1 ? 1.0f : b;
            }
          }
          float* to = mask_values + (image * height + y + dy) * width;
          const float *left = in[dy * 8 + 3].data(), *right = in[dy * 8 + 7].data();
          for (int64_t i = 0; i < w; ++i) to[2 * i] = left[i], to[2 * i + 1] = right[i];
        }
      });
    });
    mask.sigmoid_();
    ctx->save_for_backward({x, base, mask});
    return {rgb, mask};
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &x = saved[0], &base = saved[1], &mask = saved[2];
    const auto rgb_grad = grads[0].defined() ? grads[0].contiguous() : torch::zeros_like(base);
    const auto mask_grad = grads[1].defined() ? grads[1].contiguous() : torch::zeros_like(mask);
    auto result = torch::empty_like(x, kLast);
    const float *base_values = base.data_ptr<float>(), *soft = mask.data_ptr<float>();
    const float *g = rgb_grad.data_ptr<float>(), *m = mask_grad.data_ptr<float>();
    const int64_t w = x.size(3), height = 2 * x.size(2), width = 2 * w;
    with_type(x, [&](auto* p) {
      auto* r = static_cast<std::remove_pointer_t<decltype(p)>*>(result.data_ptr());
      for_each_row(x, [&](int64_t at, int64_t image, int64_t y, Row& in, Row& out) {
        split_channels(p + at, w, in);
        for (int64_t dy = 0; dy < 2; ++dy)
          for (int64_t dx = 0; dx < 2; ++dx) {
            const int64_t block = (2 * dy + dx) * 4;
            for (int64_t c = 0; c < 3; ++c) {
              const int64_t line = ((image * 3 + c) * height + y + dy) * width + dx;
              const float *from = base_values + line, *grad = g + line;
              const float* moved = in[block + c].data();
              float* to = out[block + c].data();
              for (int64_t i = 0; i < w; ++i) {
                const float v = from[2 * i] + moved[i];
                to[i] = v >= 0 && v <= 1 ? grad[2 * i] : 0.0f;
              }
            }
            const int64_t line = (image * height + y + dy) * width + dx;
            const float *s = soft + line, *grad = m + line;
            float* to = out[block + 3].data();
            for (int64_t i = 0; i < w; ++i) to[i] = grad[2 * i] * s[2 * i] * (1 - s[2 * i]);
          }
        for (int64_t i = 0; i < w; ++i)
          for (int64_t c = 0; c < 16; ++c) store(r[at + i * 16 + c], out[c][i]);
      });
    });
    return {result, torch::Tensor()};
  }
};

/// In place where autograd allows it: a convolution does not need its own output.
torch::Tensor leaky_relu_in_place(torch::Tensor y, float slope) {
  return at::leaky_relu_(y, slope);
}

/// autograd's apply() does not take undefined tensors: `residual` is ignored unless `add`.
torch::Tensor fused(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                    const torch::Tensor& residual, int stride, float slope, bool up, bool add) {
  return ConvLRelu::apply(x.contiguous(kLast), weight, bias, residual.contiguous(kLast),
                          int64_t{stride}, double{slope}, up, add);
}

bool fusable(const torch::Tensor& x) {
  return x.device().is_cpu() &&
         (x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kBFloat16);
}

}  // namespace

torch::Tensor conv_lrelu(const torch::Tensor& x, const torch::Tensor& weight,
                         const torch::Tensor& bias, int stride, float slope) {
  if (fusable(x)) return fused(x, weight, bias, x, stride, slope, false, false);
  return leaky_relu_in_place(at::conv2d(x, weight, bias, stride, weight.size(2) / 2), slope);
}

torch::Tensor conv_add_lrelu(const torch::Tensor& x, const torch::Tensor& weight,
                             const torch::Tensor& bias, const torch::Tensor& residual,
                             float slope) {
  if (fusable(x)) return fused(x, weight, bias, residual, 1, slope, false, true);
  return leaky_relu_in_place(at::conv2d(x, weight, bias, 1, weight.size(2) / 2).add_(residual),
                             slope);
}

torch::Tensor conv_lrelu_up(const torch::Tensor& x, const torch::Tensor& weight,
                            const torch::Tensor& bias, float slope) {
  if (fusable(x)) return fused(x, weight, bias, x, 1, slope, true, false);
  return depth_to_space(
      leaky_relu_in_place(at::conv2d(x, weight, bias, 1, weight.size(2) / 2), slope));
}

torch::Tensor depth_to_space(const torch::Tensor& x) {
  const int64_t n = x.size(0), c = x.size(1) / 4, h = x.size(2), w = x.size(3);
  return x.permute({0, 2, 3, 1})
      .reshape({n, h, w, 2, 2, c})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({n, 2 * h, 2 * w, c})
      .permute({0, 3, 1, 2});
}

FaceHead face_head(const torch::Tensor& x, const torch::Tensor& base) {
  LIKENESS_REQUIRE(x.dim() == 4 && x.size(1) == 16 && base.dim() == 4 && base.size(1) == 3 &&
                   base.size(0) == x.size(0) && base.size(2) == 2 * x.size(2) &&
                   base.size(3) == 2 * x.size(3));
  if (fusable(x) && base.scalar_type() == torch::kFloat32) {
    const auto out = Head::apply(x.contiguous(kLast), base.contiguous());
    return {out[0], out[1]};
  }
  const auto d = depth_to_space(x.to(torch::kFloat32));
  return {(base + d.narrow(1, 0, 3)).clamp(0.0, 1.0), torch::sigmoid(d.narrow(1, 3, 1))};
}

}  // namespace likeness::nets
