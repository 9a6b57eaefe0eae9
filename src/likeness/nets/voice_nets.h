// SPDX-License-Identifier: Apache-2.0
// The networks of a voice. No I/O here.
//
// Rules for this file
// - Sequences are batch x frames x channels, float32; a frame is 256 samples of 24 kHz (10.67 ms).
// - mel: natural logarithm of 80 mel bands (voice/features.h). log_f0: ln(hertz / 200), 0 where not
//   voiced; voiced: 0 or 1.
// - Convolutions see few frames ahead (`lookahead`), so that a stream can be made in pieces with a
//   known delay; what lies before the first frame and after the last is zero.
// - A network is a function of its input and weights, except AcousticNet while it trains.
#pragma once

#include <array>
#include <vector>

#include <torch/torch.h>

#include "likeness/base/options.h"

namespace likeness::nets {

inline constexpr int kVoiceRate = 24000, kVoiceHop = 256, kMelBands = 80, kContentBands = 40;
inline constexpr int kVoicePhones = 41;     ///< voice/phonemes.h: padding, silence, 39 of English
inline constexpr int kContentClasses = 40;  ///< the same without padding: class = phone - 1

/// What a net remembers from one piece of a stream to the next: the last inputs of each convolution
/// and the state of its GRU. Pieces of any length then give exactly what the whole gives; output
/// lags by the net's kLookahead until the piece that is the last.
class StreamMemory {
 public:
  static StreamMemory whole();  ///< of a sequence that is given in one piece
  bool last = false;            ///< nothing follows the piece that is heard now
  void rewind() { at_ = 0; }
  torch::Tensor& next();  ///< of the next layer, in the order they are run; undefined at first

 private:
  std::vector<torch::Tensor> held_;
  size_t at_ = 0;
};

/// A ConvNeXt block (Liu et al. 2022) over time: depthwise convolution, layer norm, two linear
/// layers with GELU, scaled and added to its input. While it trains on a CPU that has bfloat16 dot
/// products, the two linear layers use them (half the time).
class TimeBlock : public torch::nn::Module {
 public:
  TimeBlock(int channels, int hidden, int kernel, int lookahead);
  torch::Tensor forward(const torch::Tensor& x, StreamMemory& memory);

 private:
  int kernel_, lookahead_;
  torch::nn::Conv1d depthwise_{nullptr};
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear up_{nullptr}, down_{nullptr};
  torch::Tensor gamma_;
};

/// A stack of TimeBlocks, as the nets below have one.
struct BlockOptions {
  int channels = 256, hidden = 640, blocks = 6, kernel = 7;
};
template <typename V>
void visit(BlockOptions& o, V&& f) {
  f("channels", o.channels, OptionInfo{.help = "width", .min = 8, .max = 2048});
  f("hidden", o.hidden, OptionInfo{.help = "width inside a block", .min = 8, .max = 8192});
  f("blocks", o.blocks, OptionInfo{.help = "number of blocks", .min = 1, .max = 32});
  f("kernel", o.kernel, OptionInfo{.help = "frames a block sees", .min = 3, .max = 31});
}

/// From mel and pitch to sound: a Vocos-like net (Siuzdak 2023: ConvNeXt blocks at the frame rate,
/// a head that gives spectra, inverse STFT) whose head does not draw phases from nothing but
/// filters a source: spectra of a train of pulses at the pitch (all harmonics, running phase) and
/// of noise, each times an envelope of its own, the harmonic one with a phase shift (source-filter
/// models: Wang et al. 2019, Engel et al. 2020).
class VocoderNet : public torch::nn::Module {
 public:
  static constexpr int kFft = 1024, kBins = kFft / 2 + 1;
  explicit VocoderNet(BlockOptions options);
  /// mel N x T x 80, log_f0 and voiced N x T, harmonic and noise N x (T-1)*256 (unit power).
  /// Returns N x (T-1)*256.
  torch::Tensor forward(const torch::Tensor& mel, const torch::Tensor& log_f0,
                        const torch::Tensor& voiced, const torch::Tensor& harmonic,
                        const torch::Tensor& noise);

  /// How the source is filtered: N x T x kBins each.
  struct Filter {
    torch::Tensor loud, shift, hiss;  ///< amplitudes, and radians
  };
  Filter filter(const torch::Tensor& mel, const torch::Tensor& log_f0, const torch::Tensor& voiced,
                StreamMemory& memory);
  /// Spectra of the sound, complex, from spectra of the source (N x T x kBins x 2, no gradient).
  static torch::Tensor apply(const Filter& filter, const torch::Tensor& harmonic,
                             const torch::Tensor& noise);
  static constexpr int kLookahead = 5;  ///< frames, without the STFT's own half window
  const BlockOptions& options() const { return options_; }

 private:
  BlockOptions options_;
  torch::nn::Conv1d stem_{nullptr};
  torch::nn::LayerNorm norm_in_{nullptr}, norm_out_{nullptr};
  torch::nn::ModuleList blocks_{nullptr};
  torch::nn::Linear head_{nullptr};
  torch::Tensor window_;
};

/// Mean over three resolutions (windows 512, 1024, 2048) of spectral convergence and the L1 of log
/// magnitudes (Yamamoto et al. 2020, eq. 1 to 3), and the L1 of 80 log mel bands. N x samples each.
/// `filters` as for log_mel.
torch::Tensor sound_loss(const torch::Tensor& made, const torch::Tensor& real,
                         const torch::Tensor& filters);
/// ln of mel bands of the magnitude spectrum, N x T x bands, as voice/features.h computes it.
/// `filters` is VocoderNet::kBins x bands (audio::mel_filters, transposed).
torch::Tensor log_mel(const torch::Tensor& sound, const torch::Tensor& filters);

/// What a net says that judges whether its input is real.
struct Judgement {
  std::vector<torch::Tensor> logits;    ///< maps; above 0: real
  std::vector<torch::Tensor> features;  ///< of all layers
};
class Discriminator : public torch::nn::Module {
 public:
  virtual Judgement forward(const torch::Tensor& x) = 0;

 protected:
  /// Five convolutions over pictures of sound (N x frames x bins), for forward() to call.
  void add_tower(int channels);
  void judge(const torch::Tensor& picture, size_t tower, Judgement& out);

 private:
  torch::nn::ModuleList layers_{nullptr};
};
/// Three small nets on log magnitude spectrograms of three resolutions (Jang et al. 2021). Sound is
/// N x samples.
class SoundDiscriminator : public Discriminator {
 public:
  explicit SoundDiscriminator(int channels = 24);
  Judgement forward(const torch::Tensor& sound) override;
};
/// One on mel bands (N x T x 80): without it a net that learns by L1 gives the mean of what could
/// be said, which is blurred and sounds dull.
class MelDiscriminator : public Discriminator {
 public:
  explicit MelDiscriminator(int channels = 16);
  Judgement forward(const torch::Tensor& mel) override;
};
/// Hinge losses (Lim and Ye 2017), sums over maps: of the net that is judged, and of the judge.
torch::Tensor fooled_loss(const Judgement& made);
torch::Tensor judge_loss(const Judgement& real, const Judgement& made);
/// Sum over layers of the L1 between features (Larsen et al. 2016).
torch::Tensor feature_loss(const Judgement& made, const Judgement& real);

struct ContentOptions {
  BlockOptions stack{.channels = 192, .hidden = 512};
  int bottleneck = 96;
};
template <typename V>
void visit(ContentOptions& o, V&& f) {
  visit(o.stack, f);
  f("bottleneck", o.bottleneck, OptionInfo{.help = "width of the content", .min = 4, .max = 512});
}

/// What is said and not who says it: 40 mel bands to phone posteriors, through a narrow layer whose
/// output (mean 0, variance 1 over its channels) is the content for conversion.
class ContentNet : public torch::nn::Module {
 public:
  explicit ContentNet(ContentOptions options);
  struct Output {
    torch::Tensor bottleneck;  ///< N x T x bottleneck
    torch::Tensor logits;      ///< N x T x kContentClasses
  };
  Output forward(const torch::Tensor& content_mel);
  Output forward(const torch::Tensor& content_mel, StreamMemory& memory);
  static constexpr int kLookahead = 8;
  const ContentOptions& options() const { return options_; }

 private:
  ContentOptions options_;
  torch::nn::Conv1d stem_{nullptr};
  torch::nn::LayerNorm norm_in_{nullptr}, norm_out_{nullptr};
  torch::nn::ModuleList blocks_{nullptr};
  torch::nn::Linear narrow_{nullptr}, phones_{nullptr};
};

struct ConverterOptions {
  int content = 96, speaker = 256;
  BlockOptions stack{.blocks = 3};
};
template <typename V>
void visit(ConverterOptions& o, V&& f) {
  f("content", o.content, OptionInfo{.help = "width of the content", .min = 4, .max = 512});
  f("speaker", o.speaker, OptionInfo{.help = "width of the speaker vector", .min = 4, .max = 1024});
  visit(o.stack, f);
}

/// Content, pitch, level and a speaker to mel: convolution, a forward GRU, ConvNeXt blocks.
class ConverterNet : public torch::nn::Module {
 public:
  explicit ConverterNet(ConverterOptions options);
  /// content N x T x C, log_f0, voiced and level (ln of the frame's magnitude, about 0 in speech)
  /// N x T, speaker N x 256. Returns mel N x T x 80.
  torch::Tensor forward(const torch::Tensor& content, const torch::Tensor& log_f0,
                        const torch::Tensor& voiced, const torch::Tensor& level,
                        const torch::Tensor& speaker);
  torch::Tensor forward(const torch::Tensor& content, const torch::Tensor& log_f0,
                        const torch::Tensor& voiced, const torch::Tensor& level,
                        const torch::Tensor& speaker, StreamMemory& memory);
  static constexpr int kLookahead = 4;
  const ConverterOptions& options() const { return options_; }

 private:
  ConverterOptions options_;
  torch::nn::Conv1d stem_{nullptr};
  torch::nn::Linear speaker_{nullptr}, head_{nullptr};
  torch::nn::GRU gru_{nullptr};
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::ModuleList blocks_{nullptr};
};

struct AcousticOptions {
  int phones = kVoicePhones, marks = 6, channels = 192, decoder = 256;
};
template <typename V>
void visit(AcousticOptions& o, V&& f) {
  f("phones", o.phones, OptionInfo{.help = "size of the phone set", .min = 2, .max = 1000});
  f("marks", o.marks, OptionInfo{.help = "kinds of what follows a phone", .min = 1, .max = 100});
  f("channels", o.channels, OptionInfo{.help = "encoder width", .min = 8, .max = 2048});
  f("decoder", o.decoder, OptionInfo{.help = "decoder width", .min = 8, .max = 2048});
}

/// Phones to mel without attention, so that nothing can be skipped or said twice (Shen et al. 2020,
/// Non-Attentive Tacotron): convolutions and a bidirectional GRU over phones, a duration, pitch and
/// level of each phone (Lancucki 2021, FastPitch), Gaussian upsampling, a GRU decoder over frames
/// that gives mel, pitch and voicing.
class AcousticNet : public torch::nn::Module {
 public:
  explicit AcousticNet(AcousticOptions options);
  struct Text {
    torch::Tensor phone, stress, mark;  ///< N x P, int64; phone 0 is padding
  };
  struct Prosody {  ///< of each phone, N x P
    torch::Tensor log_frames, log_f0, level;
  };
  struct Frames {
    torch::Tensor mel, coarse;           ///< N x T x 80: after and before the last refinement
    torch::Tensor log_f0, voiced_logit;  ///< N x T
  };
  torch::Tensor encode(const Text& text);  ///< N x P x channels
  Prosody prosody(const torch::Tensor& encoded);
  /// frames N x P: how many frames each phone gets (float; 0 for padding).
  Frames decode(const torch::Tensor& encoded, const Prosody& prosody, const torch::Tensor& frames);
  const AcousticOptions& options() const { return options_; }

 private:
  AcousticOptions options_;
  torch::nn::Embedding phone_{nullptr}, stress_{nullptr}, mark_{nullptr};
  torch::nn::ModuleList convs_{nullptr}, norms_{nullptr}, refine_{nullptr};
  torch::nn::GRU encoder_{nullptr}, prosody_gru_{nullptr}, decoder_{nullptr};
  torch::nn::Linear prosody_out_{nullptr}, condition_{nullptr}, spread_{nullptr}, coarse_{nullptr},
      refine_in_{nullptr}, refine_out_{nullptr}, pitch_{nullptr};
};

}  // namespace likeness::nets
