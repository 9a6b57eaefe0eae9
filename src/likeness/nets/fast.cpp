// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/fast.h"

#include "likeness/nets/autoencoder.h"
#include "likeness/nets/fused.h"

namespace likeness::nets {
namespace {

constexpr float kSlope = 0.1f;
constexpr auto kLast = at::MemoryFormat::ChannelsLast;

class FastDecoderImpl : public torch::nn::Module {
 public:
  FastDecoderImpl(int d, int code_px) : code_px_(code_px) {
    const int widths[] = {4 * d, 3 * d, 2 * d, d};
    for (int i = 0; i < 3; ++i)
      ups_.push_back(
          register_module("up" + std::to_string(i), Conv(widths[i], 4 * widths[i + 1], 3)));
    out_ = register_module("out", Conv(d, 16, 3));
    torch::NoGradGuard no_grad;
    out_->weight.zero_();
    out_->bias.zero_();
    // Depth-to-space order: channel 4 block + c, c = 3 is the mask; it starts near 1.
    for (int block = 0; block < 4; ++block) out_->bias[block * 4 + 3] = 3.0;
  }
  FaceOutput forward(torch::Tensor x, const torch::Tensor& base) {
    for (auto& up : ups_) x = up->lrelu_up(x, kSlope);
    auto [rgb, mask] = face_head(out_(x), base);
    return {rgb, mask};
  }
  double macs() const {
    double sum = 0;
    int px = code_px_;
    for (const auto& up : ups_) {
      sum += up->macs(px);
      px *= 2;
    }
    return sum + out_->macs(px);
  }

 private:
  int code_px_;
  std::vector<Conv> ups_;
  Conv out_{nullptr};
};
TORCH_MODULE(FastDecoder);

class Fast final : public SwapNet {
 public:
  explicit Fast(const NetOptions& o)
      : px_(o.resolution_px), code_px_(o.resolution_px / 16), d_(o.d_dims) {
    if (px_ % 16 != 0)
      throw Error(ErrorCode::kUsage,
                  "the fast family cannot have resolution_px " + std::to_string(px_),
                  "choose a multiple of 16, for example " + std::to_string((px_ + 15) / 16 * 16));
    const int e = o.e_dims;
    const int widths[] = {3, e, 2 * e, 3 * e, 4 * e};
    for (int i = 0; i < 4; ++i)
      downs_.push_back(
          register_module("down" + std::to_string(i), Conv(widths[i], widths[i + 1], 3, 2)));
    squeeze_ = register_module("squeeze", Conv(4 * e, e, 1));
    narrow_ = register_module("narrow", Dense(int64_t{e} * code_px_ * code_px_, o.ae_dims));
    wide_ = register_module("wide", Dense(o.ae_dims, int64_t{4} * d_ * code_px_ * code_px_));
    for (int side = 0; side < 2; ++side)
      decoder_[side] = register_module(side ? "decoder_performer" : "decoder_identity",
                                       FastDecoder(d_, code_px_));
  }
  FaceOutput reconstruct(const FaceBatch& batch, Side side) override {
    return decoder_[static_cast<int>(side)](code(batch.image), batch.base);
  }
  std::array<FaceOutput, 2> reconstruct_both(const FaceBatch& a, const FaceBatch& b) override {
    const int64_t n = a.image.size(0);
    auto c = code(torch::cat({a.image, b.image}));
    return {decoder_[0](c.narrow(0, 0, n), a.base),
            decoder_[1](c.narrow(0, n, b.image.size(0)), b.base)};
  }
  FaceOutput swap(const FaceBatch& batch) override { return reconstruct(batch, Side::kIdentity); }
  int resolution() const override { return px_; }
  double forward_macs() const override {
    double sum = squeeze_->macs(code_px_) + narrow_->weight.numel() + wide_->weight.numel();
    for (size_t i = 0; i < downs_.size(); ++i) sum += downs_[i]->macs(px_ >> (i + 1));
    return sum + decoder_[0]->macs();
  }

 private:
  torch::Tensor code(const torch::Tensor& image) {
    // Deviation around 0, scaled to the range of usual activations.
    auto x = ((image - 0.5) * 4.0).to(squeeze_->weight.scalar_type()).contiguous(kLast);
    for (auto& down : downs_) x = down->lrelu(x, kSlope);
    x = squeeze_->lrelu(x, kSlope);
    return wide_(narrow_(x.contiguous().flatten(1)))
        .view({-1, 4 * d_, code_px_, code_px_})
        .contiguous(kLast);
  }
  int px_, code_px_, d_;
  std::vector<Conv> downs_;
  Conv squeeze_{nullptr};
  Dense narrow_{nullptr}, wide_{nullptr};
  FastDecoder decoder_[2] = {nullptr, nullptr};
};

}  // namespace

std::shared_ptr<SwapNet> make_fast_net(const NetOptions& options) {
  return std::make_shared<Fast>(options);
}

}  // namespace likeness::nets
