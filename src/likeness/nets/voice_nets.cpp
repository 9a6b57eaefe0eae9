// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/voice_nets.h"

#include <cmath>

#include "likeness/nets/precision.h"

namespace likeness::nets {
namespace {

namespace F = torch::nn::functional;
using torch::indexing::Slice;

struct Convolved {
  torch::Tensor out;
  torch::Tensor at;  ///< the inputs that lie where the outputs do
};
/// A convolution over time of N x T x C that sees `lookahead` frames ahead.
Convolved convolve(torch::nn::Conv1d& conv, const torch::Tensor& x, int kernel, int lookahead,
                   StreamMemory& memory) {
  const int before = kernel - 1 - lookahead;
  torch::Tensor& tail = memory.next();
  auto seen =
      tail.defined() ? torch::cat({tail, x}, 1) : torch::constant_pad_nd(x, {0, 0, before, 0});
  if (memory.last) seen = torch::constant_pad_nd(seen, {0, 0, 0, lookahead});
  const int64_t made = std::max<int64_t>(0, seen.size(1) - kernel + 1);
  if (!memory.last) tail = seen.narrow(1, made, seen.size(1) - made);
  if (made == 0)
    return {x.new_zeros({x.size(0), 0, conv->options.out_channels()}), x.narrow(1, 0, 0)};
  return {conv->forward(seen.transpose(1, 2)).transpose(1, 2), seen.narrow(1, before, made)};
}

/// The first `ahead` of them see a frame ahead.
torch::nn::ModuleList make_blocks(const BlockOptions& o, int ahead) {
  torch::nn::ModuleList list;
  for (int i = 0; i < o.blocks; ++i)
    list->push_back(std::make_shared<TimeBlock>(o.channels, o.hidden, o.kernel, i < ahead ? 1 : 0));
  return list;
}

torch::Tensor run_blocks(torch::nn::ModuleList& blocks, torch::Tensor x, StreamMemory& memory) {
  for (const auto& b : *blocks) x = b->as<TimeBlock>()->forward(x, memory);
  return x;
}

torch::nn::LayerNorm layer_norm(int channels) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({channels}).eps(1e-6));
}

torch::Tensor hann(int n, const torch::Tensor& like) {
  return torch::hann_window(n, like.options());
}

/// While nets train on a CPU that has bfloat16 dot products, the heavy layers use them.
bool trains_in_half(const torch::nn::Module& net, const torch::Tensor& x) {
  static const bool has_bfloat16 = cpu_has_bfloat16();
  return net.is_training() && has_bfloat16 && x.device().is_cpu();
}

torch::Tensor magnitude(const torch::Tensor& sound, int window) {
  const auto s = torch::stft(sound, window, window / 4, window, hann(window, sound), true,
                             "reflect", false, true, true);
  const auto v = torch::view_as_real(s);
  return torch::sqrt(v.square().sum(-1) + 1e-9);  // N x bins x T
}

}  // namespace

StreamMemory StreamMemory::whole() {
  StreamMemory m;
  m.last = true;
  return m;
}
torch::Tensor& StreamMemory::next() {
  if (at_ == held_.size()) held_.emplace_back();
  return held_[at_++];
}

TimeBlock::TimeBlock(int channels, int hidden, int kernel, int lookahead)
    : kernel_(kernel), lookahead_(lookahead) {
  depthwise_ = register_module(
      "depthwise",
      torch::nn::Conv1d(torch::nn::Conv1dOptions(channels, channels, kernel).groups(channels)));
  norm_ = register_module("norm", layer_norm(channels));
  up_ = register_module("up", torch::nn::Linear(channels, hidden));
  down_ = register_module("down", torch::nn::Linear(hidden, channels));
  gamma_ = register_parameter("gamma", torch::full({channels}, 0.2));
}

torch::Tensor TimeBlock::forward(const torch::Tensor& x, StreamMemory& memory) {
  const Convolved c = convolve(depthwise_, x, kernel_, lookahead_, memory);
  const auto h = norm_->forward(c.out);
  if (!trains_in_half(*this, x))
    return c.at + gamma_ * down_->forward(torch::gelu(up_->forward(h)));
  const auto half = [](const torch::Tensor& t) { return t.to(torch::kBFloat16); };
  const auto wide = torch::linear(half(h), half(up_->weight), half(up_->bias));
  const auto narrow = torch::linear(torch::gelu(wide), half(down_->weight), half(down_->bias));
  return c.at + gamma_ * narrow.to(torch::kFloat32);
}

VocoderNet::VocoderNet(BlockOptions o) : options_(o) {
  stem_ = register_module(
      "stem", torch::nn::Conv1d(torch::nn::Conv1dOptions(kMelBands + 2, o.channels, o.kernel)));
  norm_in_ = register_module("norm_in", layer_norm(o.channels));
  blocks_ = register_module("blocks", make_blocks(o, 3));
  norm_out_ = register_module("norm_out", layer_norm(o.channels));
  head_ = register_module("head", torch::nn::Linear(o.channels, 3 * kBins));
  {
    torch::NoGradGuard no_grad;
    head_->weight.mul_(0.1);
    head_->bias.zero_();
    // Speech is far under full scale, so both envelopes start low; the source has unit power.
    head_->bias.index_put_({Slice(0, kBins)}, -4.0);
    head_->bias.index_put_({Slice(2 * kBins, 3 * kBins)}, -6.0);
  }
  window_ = torch::hann_window(kFft);
}

VocoderNet::Filter VocoderNet::filter(const torch::Tensor& mel, const torch::Tensor& log_f0,
                                      const torch::Tensor& voiced, StreamMemory& memory) {
  // Log mel of speech lies around -5 with a deviation of about 3.
  const auto in =
      torch::cat({(mel + 5) / 3, (log_f0 * voiced).unsqueeze(2), voiced.unsqueeze(2)}, 2);
  memory.rewind();
  auto x = norm_in_->forward(convolve(stem_, in, options_.kernel, 2, memory).out);
  x = norm_out_->forward(run_blocks(blocks_, x, memory));
  const auto head = head_->forward(x);  // N x T x 3*bins
  return {torch::exp(head.narrow(2, 0, kBins).clamp_max(5)), head.narrow(2, kBins, kBins),
          torch::exp(head.narrow(2, 2 * kBins, kBins).clamp_max(5))};
}

torch::Tensor VocoderNet::apply(const Filter& f, const torch::Tensor& harmonic,
                                const torch::Tensor& noise) {
  const auto c = f.loud * torch::cos(f.shift), s = f.loud * torch::sin(f.shift);
  const auto sr = harmonic.select(3, 0), si = harmonic.select(3, 1);
  const auto re = sr * c - si * s + noise.select(3, 0) * f.hiss;
  const auto im = sr * s + si * c + noise.select(3, 1) * f.hiss;
  return torch::complex(re, im);
}

torch::Tensor VocoderNet::forward(const torch::Tensor& mel, const torch::Tensor& log_f0,
                                  const torch::Tensor& voiced, const torch::Tensor& harmonic,
                                  const torch::Tensor& noise) {
  StreamMemory all = StreamMemory::whole();
  const Filter f = filter(mel, log_f0, voiced, all);
  const auto window = window_.to(mel.device());
  torch::Tensor source, rough;
  {
    torch::NoGradGuard no_grad;  // they hold no weights
    const auto spectrum = [&](const torch::Tensor& s) {
      return torch::view_as_real(
                 torch::stft(s, kFft, kVoiceHop, kFft, window, true, "reflect", false, true, true))
          .transpose(1, 2)
          .contiguous();
    };
    source = spectrum(harmonic);  // N x T x bins x 2
    rough = spectrum(noise);
  }
  return torch::istft(apply(f, source, rough).transpose(1, 2), kFft, kVoiceHop, kFft, window, true,
                      false, true, harmonic.size(1));
}

torch::Tensor log_mel(const torch::Tensor& sound, const torch::Tensor& filters) {
  const auto s = torch::stft(sound, VocoderNet::kFft, kVoiceHop, VocoderNet::kFft,
                             hann(VocoderNet::kFft, sound), true, "reflect", false, true, true);
  const auto m = torch::sqrt(torch::view_as_real(s).square().sum(-1) + 1e-12).transpose(1, 2);
  return torch::log(torch::matmul(m, filters).clamp_min(1e-5));
}

torch::Tensor sound_loss(const torch::Tensor& made, const torch::Tensor& real,
                         const torch::Tensor& filters) {
  torch::Tensor sum = torch::zeros({}, made.options());
  for (const int window : {512, 1024, 2048}) {
    const auto a = magnitude(made, window), b = magnitude(real, window);
    const auto miss = (a - b).square().sum({1, 2}).sqrt() / (b.square().sum({1, 2}).sqrt() + 1e-3);
    // Below -100 dB of a full-scale tone nothing is heard.
    sum = sum + miss.mean() + (torch::log(a + 3e-4) - torch::log(b + 3e-4)).abs().mean();
  }
  return sum / 3 + (log_mel(made, filters) - log_mel(real, filters)).abs().mean();
}

void Discriminator::add_tower(int c) {
  if (!layers_) layers_ = register_module("layers", torch::nn::ModuleList());
  const auto conv = [&](int in, int out, int kt, int kf, int sf) {
    layers_->push_back(torch::nn::Conv2d(
        torch::nn::Conv2dOptions(in, out, {kt, kf}).stride({1, sf}).padding({kt / 2, kf / 2})));
  };
  conv(1, c, 3, 9, 2);
  conv(c, c, 3, 9, 2);
  conv(c, c, 3, 9, 2);
  conv(c, c, 3, 3, 1);
  conv(c, 1, 3, 3, 1);
}

void Discriminator::judge(const torch::Tensor& picture, size_t tower, Judgement& out) {
  const bool half = trains_in_half(*this, picture);
  const auto in = [&](const torch::Tensor& t) { return half ? t.to(torch::kBFloat16) : t; };
  auto x = in(picture.unsqueeze(1)).contiguous(at::MemoryFormat::ChannelsLast);
  for (size_t i = 0; i < 5; ++i) {
    const auto& conv = *layers_[tower * 5 + i]->as<torch::nn::Conv2d>();
    const std::array<int64_t, 2> pad = {conv.weight.size(2) / 2, conv.weight.size(3) / 2};
    x = torch::conv2d(x, in(conv.weight), in(conv.bias), conv.options.stride(), pad);
    if (i == 4) break;
    x = torch::leaky_relu(x, 0.1);
    out.features.push_back(x);
  }
  out.logits.push_back(x);
}

SoundDiscriminator::SoundDiscriminator(int channels) {
  for (int r = 0; r < 3; ++r) add_tower(channels);
}
Judgement SoundDiscriminator::forward(const torch::Tensor& sound) {
  static constexpr std::array kWindows = {512, 1024, 2048};
  Judgement out;
  for (size_t r = 0; r < 3; ++r)
    judge((torch::log(magnitude(sound, kWindows[r]) + 1e-3).transpose(1, 2) + 3) / 3, r, out);
  return out;
}

MelDiscriminator::MelDiscriminator(int channels) { add_tower(channels); }
Judgement MelDiscriminator::forward(const torch::Tensor& mel) {
  Judgement out;
  judge((mel + 5) / 3, 0, out);
  return out;
}

namespace {
torch::Tensor mean_of(const torch::Tensor& x) { return x.mean(torch::kFloat32); }
}  // namespace

torch::Tensor fooled_loss(const Judgement& made) {
  torch::Tensor sum = torch::zeros({});
  for (const auto& l : made.logits) sum = sum + mean_of(torch::relu(1 - l));
  return sum;
}
torch::Tensor judge_loss(const Judgement& real, const Judgement& made) {
  torch::Tensor sum = torch::zeros({});
  for (size_t i = 0; i < real.logits.size(); ++i)
    sum = sum + mean_of(torch::relu(1 - real.logits[i])) + mean_of(torch::relu(1 + made.logits[i]));
  return sum;
}
torch::Tensor feature_loss(const Judgement& made, const Judgement& real) {
  torch::Tensor sum = torch::zeros({});
  for (size_t i = 0; i < real.features.size(); ++i)
    sum = sum + mean_of((made.features[i] - real.features[i].detach()).abs());
  return sum;
}

ContentNet::ContentNet(ContentOptions o) : options_(o) {
  stem_ = register_module(
      "stem", torch::nn::Conv1d(torch::nn::Conv1dOptions(kContentBands, o.stack.channels, 5)));
  norm_in_ = register_module("norm_in", layer_norm(o.stack.channels));
  blocks_ = register_module("blocks", make_blocks(o.stack, 6));
  norm_out_ = register_module("norm_out", layer_norm(o.stack.channels));
  narrow_ = register_module("narrow", torch::nn::Linear(o.stack.channels, o.bottleneck));
  phones_ = register_module("phones", torch::nn::Linear(o.bottleneck, kContentClasses));
}

ContentNet::Output ContentNet::forward(const torch::Tensor& mel) {
  StreamMemory all = StreamMemory::whole();
  return forward(mel, all);
}
ContentNet::Output ContentNet::forward(const torch::Tensor& mel, StreamMemory& memory) {
  memory.rewind();
  auto x = norm_in_->forward(convolve(stem_, (mel + 5) / 3, 5, 2, memory).out);
  x = norm_out_->forward(run_blocks(blocks_, x, memory));
  Output out;
  out.bottleneck = torch::layer_norm(narrow_->forward(x), {options_.bottleneck});
  out.logits = phones_->forward(out.bottleneck);
  return out;
}

ConverterNet::ConverterNet(ConverterOptions o) : options_(o) {
  speaker_ = register_module("speaker", torch::nn::Linear(o.speaker, 64));
  stem_ = register_module(
      "stem", torch::nn::Conv1d(torch::nn::Conv1dOptions(o.content + 3 + 64, o.stack.channels, 5)));
  gru_ = register_module(
      "gru",
      torch::nn::GRU(torch::nn::GRUOptions(o.stack.channels, o.stack.channels).batch_first(true)));
  blocks_ = register_module("blocks", make_blocks(o.stack, 2));
  norm_ = register_module("norm", layer_norm(o.stack.channels));
  head_ = register_module("head", torch::nn::Linear(o.stack.channels, kMelBands));
}

torch::Tensor ConverterNet::forward(const torch::Tensor& content, const torch::Tensor& log_f0,
                                    const torch::Tensor& voiced, const torch::Tensor& level,
                                    const torch::Tensor& speaker) {
  StreamMemory all = StreamMemory::whole();
  return forward(content, log_f0, voiced, level, speaker, all);
}
torch::Tensor ConverterNet::forward(const torch::Tensor& content, const torch::Tensor& log_f0,
                                    const torch::Tensor& voiced, const torch::Tensor& level,
                                    const torch::Tensor& speaker, StreamMemory& memory) {
  const auto who = speaker_->forward(speaker * 4).unsqueeze(1).expand({-1, content.size(1), -1});
  const auto in = torch::cat(
      {content, (log_f0 * voiced).unsqueeze(2), voiced.unsqueeze(2), level.unsqueeze(2), who}, 2);
  memory.rewind();
  auto x = torch::gelu(convolve(stem_, in, 5, 2, memory).out);
  if (torch::Tensor& state = memory.next(); x.size(1) > 0) {
    const auto [heard, after] = gru_->forward(x, state);
    state = after;
    x = x + heard;
  }
  x = norm_->forward(run_blocks(blocks_, x, memory));
  return head_->forward(x) * 3 - 5;
}

AcousticNet::AcousticNet(AcousticOptions o) : options_(o) {
  const int c = o.channels, d = o.decoder;
  phone_ = register_module("phone", torch::nn::Embedding(o.phones, c));
  stress_ = register_module("stress", torch::nn::Embedding(3, c));
  mark_ = register_module("mark", torch::nn::Embedding(o.marks, c));
  convs_ = register_module("convs", torch::nn::ModuleList());
  norms_ = register_module("norms", torch::nn::ModuleList());
  for (int i = 0; i < 3; ++i) {
    convs_->push_back(torch::nn::Conv1d(torch::nn::Conv1dOptions(c, c, 5)));
    norms_->push_back(layer_norm(c));
  }
  encoder_ = register_module(
      "encoder",
      torch::nn::GRU(torch::nn::GRUOptions(c, c / 2).batch_first(true).bidirectional(true)));
  prosody_gru_ = register_module(
      "prosody",
      torch::nn::GRU(torch::nn::GRUOptions(c, c / 2).batch_first(true).bidirectional(true)));
  prosody_out_ = register_module("prosody_out", torch::nn::Linear(c, 3));
  condition_ = register_module("condition", torch::nn::Linear(2, c));
  spread_ = register_module("spread", torch::nn::Linear(c, 1));
  decoder_ = register_module(
      "decoder",
      torch::nn::GRU(
          torch::nn::GRUOptions(c + 3, d / 2).num_layers(2).batch_first(true).bidirectional(true)));
  coarse_ = register_module("coarse", torch::nn::Linear(d, kMelBands));
  pitch_ = register_module("pitch", torch::nn::Linear(d, 2));
  refine_in_ = register_module("refine_in", torch::nn::Linear(kMelBands + d, d));
  refine_ = register_module("refine", torch::nn::ModuleList());
  for (int i = 0; i < 3; ++i) refine_->push_back(std::make_shared<TimeBlock>(d, 2 * d, 7, 3));
  refine_out_ = register_module("refine_out", torch::nn::Linear(d, kMelBands));
}

torch::Tensor AcousticNet::encode(const Text& t) {
  const auto pad = (t.phone == 0);
  auto x = phone_->forward(t.phone) + stress_->forward(t.stress) + mark_->forward(t.mark);
  const auto keep = pad.logical_not().to(x.dtype()).unsqueeze(2);
  for (size_t i = 0; i < 3; ++i) {
    auto& conv = *convs_[i]->as<torch::nn::Conv1d>();
    const auto h = conv.forward(torch::constant_pad_nd((x * keep).transpose(1, 2), {2, 2}));
    x = x + torch::dropout(
                torch::relu(norms_[i]->as<torch::nn::LayerNorm>()->forward(h.transpose(1, 2))), 0.2,
                is_training());
  }
  return (x + std::get<0>(encoder_->forward(x * keep))) * keep;
}

AcousticNet::Prosody AcousticNet::prosody(const torch::Tensor& encoded) {
  const auto in = torch::dropout(encoded.detach(), 0.3, is_training());
  const auto h = torch::dropout(std::get<0>(prosody_gru_->forward(in)) + in, 0.3, is_training());
  const auto out = prosody_out_->forward(h);
  return {out.select(2, 0) + 2.0, out.select(2, 1), out.select(2, 2)};
}

AcousticNet::Frames AcousticNet::decode(const torch::Tensor& encoded, const Prosody& p,
                                        const torch::Tensor& frames) {
  const auto x = encoded + condition_->forward(torch::stack({p.log_f0, p.level}, 2));
  const auto ends = frames.cumsum(1), middle = ends - frames / 2;
  const auto count = static_cast<int64_t>(std::ceil(ends.max().item<float>() - 1e-3));
  const auto t = torch::arange(count, encoded.options()) + 0.5;
  // Gaussian weights around the middle of each phone, as wide as it is long.
  const auto width = frames * (0.25 + 0.5 * torch::sigmoid(spread_->forward(x).squeeze(2))) + 0.3;
  const auto away = (t.view({1, -1, 1}) - middle.unsqueeze(1)) / width.unsqueeze(1);  // N T P
  auto score = -0.5 * away.square() - torch::log(width).unsqueeze(1);
  score = score.masked_fill((frames <= 0).unsqueeze(1), -1e9);
  const auto up = torch::bmm(torch::softmax(score, 2), x);
  // Where in its phone a frame lies, which the Gaussian alone does not say.
  const auto begin = ends - frames;
  const auto inside =
      ((t.view({1, -1, 1}) >= begin.unsqueeze(1)) & (t.view({1, -1, 1}) < ends.unsqueeze(1)))
          .to(x.dtype());
  const auto part =
      ((t.view({1, -1, 1}) - begin.unsqueeze(1)) / frames.clamp_min(1).unsqueeze(1) * inside)
          .sum(2);
  const auto length = torch::log1p((inside * frames.unsqueeze(1)).sum(2));
  const auto height = (inside * p.log_f0.unsqueeze(1)).sum(2);
  const auto in = torch::cat({up, torch::stack({part, length, height}, 2)}, 2);
  const auto h = torch::dropout(std::get<0>(decoder_->forward(in)), 0.1, is_training());
  Frames out;
  out.coarse = coarse_->forward(h) * 3 - 5;
  const auto pitch = pitch_->forward(h);
  out.log_f0 = pitch.select(2, 0) + height;
  out.voiced_logit = pitch.select(2, 1);
  auto r = torch::gelu(refine_in_->forward(torch::cat({(out.coarse.detach() + 5) / 3, h}, 2)));
  StreamMemory all = StreamMemory::whole();
  r = run_blocks(refine_, r, all);
  out.mel = out.coarse + refine_out_->forward(r);
  return out;
}

}  // namespace likeness::nets
