// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/fused.h"

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

}  // namespace likeness::nets
