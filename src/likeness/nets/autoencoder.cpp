// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/autoencoder.h"

#include <cmath>

#include "likeness/nets/fused.h"

namespace likeness::nets {
namespace {

constexpr float kDownSlope = 0.1f, kUpSlope = 0.1f, kResidualSlope = 0.2f;
constexpr auto kLast = at::MemoryFormat::ChannelsLast;

torch::Tensor glorot_uniform(at::IntArrayRef shape, double fan_in, double fan_out) {
  const double limit = std::sqrt(6.0 / (fan_in + fan_out));
  return torch::empty(shape).uniform_(-limit, limit);
}

bool has(const NetOptions& o, char opt) { return o.opts.find(opt) != std::string::npos; }

class EncoderImpl : public torch::nn::Module {
 public:
  explicit EncoderImpl(const NetOptions& o) : unit_(has(o, 'u')), px_(o.resolution_px) {
    const int e = o.e_dims;
    const std::vector<int> widths = has(o, 't') ? std::vector<int>{e, 2 * e, 4 * e, 8 * e, 8 * e}
                                                : std::vector<int>{e, 2 * e, 4 * e, 8 * e};
    int in = 3;
    for (size_t i = 0; i < widths.size(); ++i) {
      downs_.push_back(register_module("down" + std::to_string(i), Conv(in, widths[i], 5, 2)));
      in = widths[i];
    }
    if (has(o, 't')) {
      residual_first_ = register_module("residual_first", Residual(e));
      residual_last_ = register_module("residual_last", Residual(8 * e));
    }
    const int64_t side = px_ >> downs_.size();
    size_ = in * side * side;
  }
  torch::Tensor forward(torch::Tensor x) {
    for (size_t i = 0; i < downs_.size(); ++i) {
      x = downs_[i]->lrelu(x, kDownSlope);
      if (i == 0 && residual_first_) x = residual_first_(x);
    }
    if (residual_last_) x = residual_last_(x);
    x = x.contiguous().flatten(1);
    if (!unit_) return x;
    const auto wide = x.to(torch::kFloat32);
    return (wide * torch::rsqrt(wide.square().mean(1, true) + 1e-6)).to(x.scalar_type());
  }
  int64_t size() const { return size_; }
  double macs() const {
    double sum = 0;
    for (size_t i = 0; i < downs_.size(); ++i) sum += downs_[i]->macs(px_ >> (i + 1));
    if (residual_first_) sum += residual_first_->macs(px_ / 2) + residual_last_->macs(px_ >> 5);
    return sum;
  }

 private:
  bool unit_;
  int px_;
  int64_t size_ = 0;
  std::vector<Conv> downs_;
  Residual residual_first_{nullptr}, residual_last_{nullptr};
};
TORCH_MODULE(Encoder);

class InterImpl : public torch::nn::Module {
 public:
  InterImpl(const NetOptions& o, int64_t in, int out)
      : out_(out), side_(o.resolution_px / (has(o, 'd') ? 32 : 16)) {
    narrow_ = register_module("narrow", Dense(in, o.ae_dims));
    wide_ = register_module("wide", Dense(o.ae_dims, int64_t{side_} * side_ * out));
    if (!has(o, 't')) up_ = register_module("up", Conv(out, 4 * out, 3));
  }
  torch::Tensor forward(const torch::Tensor& flat) {
    auto x = wide_(narrow_(flat)).view({-1, out_, side_, side_}).contiguous(kLast);
    return up_ ? up_->lrelu_up(x, kUpSlope) : x;
  }
  int code_px() const { return up_ ? 2 * side_ : side_; }
  double macs() const {
    return static_cast<double>(narrow_->weight.numel() + wide_->weight.numel()) +
           (up_ ? up_->macs(side_) : 0);
  }

 private:
  int out_, side_;
  Dense narrow_{nullptr}, wide_{nullptr};
  Conv up_{nullptr};
};
TORCH_MODULE(Inter);

class DecoderImpl : public torch::nn::Module {
 public:
  DecoderImpl(const NetOptions& o, int in, int code_px) : double_(has(o, 'd')), code_px_(code_px) {
    const int d = o.d_dims, m = o.d_mask_dims;
    const auto levels = [&](int w) {
      return has(o, 't') ? std::vector<int>{8 * w, 8 * w, 4 * w, 2 * w}
                         : std::vector<int>{8 * w, 4 * w, 2 * w};
    };
    int width = in, i = 0;
    for (int w : levels(d)) {
      const std::string name = std::to_string(i++);
      ups_.push_back(register_module("up" + name, Conv(width, 4 * w, 3)));
      residuals_.push_back(register_module("residual" + name, Residual(w)));
      width = w;
    }
    out_.push_back(register_module("out0", Conv(width, 3, 1)));
    for (int k = 1; double_ && k < 4; ++k)
      out_.push_back(register_module("out" + std::to_string(k), Conv(width, 3, 3)));
    auto mask_levels = levels(m);
    if (double_) mask_levels.push_back(m);
    width = in, i = 0;
    for (int w : mask_levels) {
      mask_ups_.push_back(register_module("mask_up" + std::to_string(i++), Conv(width, 4 * w, 3)));
      width = w;
    }
    mask_out_ = register_module("mask_out", Conv(width, 1, 1));
  }
  FaceOutput forward(const torch::Tensor& code) {
    auto x = code;
    for (size_t i = 0; i < ups_.size(); ++i) x = residuals_[i](ups_[i]->lrelu_up(x, kUpSlope));
    auto rgb = double_ ? depth_to_space(last_convolutions(x).to(torch::kFloat32))
                       : out_[0](x).to(torch::kFloat32);
    auto m = code;
    for (auto& up : mask_ups_) m = up->lrelu_up(m, kUpSlope);
    return {torch::sigmoid(rgb), torch::sigmoid(mask_out_(m).to(torch::kFloat32))};
  }
  double macs() const {
    double sum = 0;
    int px = code_px_;
    for (size_t i = 0; i < ups_.size(); ++i) {
      sum += ups_[i]->macs(px) + residuals_[i]->macs(2 * px);
      px *= 2;
    }
    for (const auto& o : out_) sum += o->macs(px);
    px = code_px_;
    for (const auto& up : mask_ups_) {
      sum += up->macs(px);
      px *= 2;
    }
    return sum + mask_out_->macs(px);
  }

 private:
  /// The 1x1 and the three 3x3 convolutions as one with 12 outputs: four with three outputs each
  /// would leave most of the vector lanes empty.
  torch::Tensor last_convolutions(const torch::Tensor& x) {
    std::vector<torch::Tensor> w{torch::constant_pad_nd(out_[0]->weight, {1, 1, 1, 1})},
        b{out_[0]->bias};
    for (size_t k = 1; k < 4; ++k) {
      w.push_back(out_[k]->weight);
      b.push_back(out_[k]->bias);
    }
    return at::conv2d(x, torch::cat(w).contiguous(kLast), torch::cat(b), 1, 1);
  }
  bool double_;
  int code_px_;
  std::vector<Conv> ups_, out_, mask_ups_;
  std::vector<Residual> residuals_;
  Conv mask_out_{nullptr};
};
TORCH_MODULE(Decoder);

class AutoencoderBase : public SwapNet {
 public:
  explicit AutoencoderBase(const NetOptions& o) : px_(o.resolution_px) {
    encoder = register_module("encoder", Encoder(o));
  }
  int resolution() const override { return px_; }

 protected:
  torch::Tensor encode(const torch::Tensor& image) {
    return encoder(image.to(encoder->parameters()[0].scalar_type()).contiguous(kLast));
  }
  static FaceOutput rows(const FaceOutput& out, int64_t begin, int64_t count) {
    return {out.rgb.narrow(0, begin, count), out.mask.narrow(0, begin, count)};
  }
  int px_;
  Encoder encoder{nullptr};
};

/// One encoder, one inter, a decoder per side.
class Df final : public AutoencoderBase {
 public:
  explicit Df(const NetOptions& o) : AutoencoderBase(o) {
    inter = register_module("inter", Inter(o, encoder->size(), o.ae_dims));
    for (int side = 0; side < 2; ++side)
      decoder[side] = register_module(side ? "decoder_performer" : "decoder_identity",
                                      Decoder(o, o.ae_dims, inter->code_px()));
  }
  FaceOutput reconstruct(const FaceBatch& batch, Side side) override {
    return decoder[static_cast<int>(side)](inter(encode(batch.image)));
  }
  std::array<FaceOutput, 2> reconstruct_both(const FaceBatch& a, const FaceBatch& b) override {
    const int64_t n = a.image.size(0);
    auto code = inter(encode(torch::cat({a.image, b.image})));
    return {decoder[0](code.narrow(0, 0, n)), decoder[1](code.narrow(0, n, b.image.size(0)))};
  }
  FaceOutput swap(const FaceBatch& batch) override { return reconstruct(batch, Side::kIdentity); }
  double forward_macs() const override {
    return encoder->macs() + inter->macs() + decoder[0]->macs();
  }

 private:
  Inter inter{nullptr};
  Decoder decoder[2] = {nullptr, nullptr};
};

/// One encoder, inters AB and B, one decoder. Codes: identity [AB, AB], performer [B, AB], swap
/// [AB, AB].
class Liae final : public AutoencoderBase {
 public:
  explicit Liae(const NetOptions& o) : AutoencoderBase(o) {
    inter_ab = register_module("inter_ab", Inter(o, encoder->size(), 2 * o.ae_dims));
    inter_b = register_module("inter_b", Inter(o, encoder->size(), 2 * o.ae_dims));
    decoder = register_module("decoder", Decoder(o, 4 * o.ae_dims, inter_ab->code_px()));
  }
  FaceOutput reconstruct(const FaceBatch& batch, Side side) override {
    const auto flat = encode(batch.image);
    const auto ab = inter_ab(flat);
    return decode(side == Side::kIdentity ? ab : inter_b(flat), ab);
  }
  std::array<FaceOutput, 2> reconstruct_both(const FaceBatch& a, const FaceBatch& b) override {
    const int64_t n = a.image.size(0), m = b.image.size(0);
    const auto flat = encode(torch::cat({a.image, b.image}));
    const auto ab = inter_ab(flat);
    const auto own = torch::cat({ab.narrow(0, 0, n), inter_b(flat.narrow(0, n, m))});
    const auto out = decode(own, ab);
    return {rows(out, 0, n), rows(out, n, m)};
  }
  FaceOutput swap(const FaceBatch& batch) override { return reconstruct(batch, Side::kIdentity); }
  double forward_macs() const override {
    return encoder->macs() + inter_ab->macs() + inter_b->macs() + decoder->macs();
  }

 private:
  FaceOutput decode(const torch::Tensor& own, const torch::Tensor& ab) {
    return decoder(torch::cat({own, ab}, 1).contiguous(kLast));
  }
  Inter inter_ab{nullptr}, inter_b{nullptr};
  Decoder decoder{nullptr};
};

}  // namespace

ConvImpl::ConvImpl(int in, int out, int kernel, int stride) : stride_(stride) {
  const double area = static_cast<double>(kernel) * kernel;
  weight = register_parameter("weight",
                              glorot_uniform({out, in, kernel, kernel}, in * area, out * area));
  bias = register_parameter("bias", torch::zeros({out}));
}
torch::Tensor ConvImpl::forward(const torch::Tensor& x) {
  return at::conv2d(x, weight, bias, stride_, weight.size(2) / 2);
}
torch::Tensor ConvImpl::lrelu(const torch::Tensor& x, float slope) {
  return conv_lrelu(x, weight, bias, stride_, slope);
}
torch::Tensor ConvImpl::add_lrelu(const torch::Tensor& x, const torch::Tensor& residual,
                                  float slope) {
  return conv_add_lrelu(x, weight, bias, residual, slope);
}
torch::Tensor ConvImpl::lrelu_up(const torch::Tensor& x, float slope) {
  return conv_lrelu_up(x, weight, bias, slope);
}
double ConvImpl::macs(int out_px) const {
  return static_cast<double>(weight.numel()) * out_px * out_px;
}

ResidualImpl::ResidualImpl(int channels) {
  first_ = register_module("first", Conv(channels, channels, 3));
  second_ = register_module("second", Conv(channels, channels, 3));
}
torch::Tensor ResidualImpl::forward(const torch::Tensor& x) {
  return second_->add_lrelu(first_->lrelu(x, kResidualSlope), x, kResidualSlope);
}
double ResidualImpl::macs(int out_px) const { return first_->macs(out_px) + second_->macs(out_px); }

DenseImpl::DenseImpl(int64_t in, int64_t out) {
  weight = register_parameter(
      "weight", glorot_uniform({out, in}, static_cast<double>(in), static_cast<double>(out)));
  bias = register_parameter("bias", torch::zeros({out}));
}
torch::Tensor DenseImpl::forward(const torch::Tensor& x) { return at::linear(x, weight, bias); }

std::shared_ptr<SwapNet> make_autoencoder(const NetOptions& o) {
  const int step = has(o, 'd') || has(o, 't') ? 32 : 16;
  if (o.resolution_px < step || o.resolution_px % step != 0)
    throw Error(ErrorCode::kUsage,
                "a " + o.family + (o.opts.empty() ? "" : "-" + o.opts) + " network cannot have " +
                    std::to_string(o.resolution_px) + " px",
                "choose a resolution_px that is a multiple of " + std::to_string(step));
  if (o.family == "df") return std::make_shared<Df>(o);
  if (o.family == "liae") return std::make_shared<Liae>(o);
  throw Error(ErrorCode::kUsage, "no autoencoder family is called " + o.family, "use df or liae");
}

ParameterCounts count_parameters(const SwapNet& net) {
  ParameterCounts counts;
  for (const auto& p : net.named_parameters()) {
    const auto& name = p.key();
    (name.starts_with("encoder") ? counts.encoder
     : name.starts_with("inter") ? counts.inter
                                 : counts.decoder) += p.value().numel();
  }
  return counts;
}

}  // namespace likeness::nets
