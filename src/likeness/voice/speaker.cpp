// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/speaker.h"

#include <algorithm>
#include <cmath>

#include <Eigen/Dense>

#include "likeness/audio/activity.h"
#include "likeness/audio/resample.h"
#include "likeness/audio/spectrum.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/tensor/model_card.h"
#include "likeness/tensor/safetensors.h"
#include "likeness/voice/voice.h"

namespace likeness::voice {
namespace fs = std::filesystem;
namespace {

constexpr int kRateHz = 16000;
constexpr size_t kBands = 40, kHidden = 256, kLayers = 3, kFrames = 160, kStep = 77;

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Columns = Eigen::MatrixXf;  ///< one column a stretch

/// One LSTM layer (Hochreiter and Schmidhuber 1997); gates in PyTorch's order i, f, g, o.
struct Lstm {
  Matrix from_input, from_state;
  Eigen::VectorXf bias;

  /// All states over time for a batch: `in[t]` is [features][batch].
  std::vector<Columns> run(const std::vector<Columns>& in) const {
    const Eigen::Index batch = in.front().cols(), h = from_state.cols();
    Columns state = Columns::Zero(h, batch), cell = Columns::Zero(h, batch);
    std::vector<Columns> out;
    out.reserve(in.size());
    for (const Columns& x : in) {
      Columns gates = from_input * x;
      gates.noalias() += from_state * state;
      gates.colwise() += bias;
      const auto sigmoid = [](const auto& a) { return 1.0f / (1.0f + (-a).exp()); };
      const auto i = sigmoid(gates.topRows(h).array());
      const auto f = sigmoid(gates.middleRows(h, h).array());
      const auto o = sigmoid(gates.bottomRows(h).array());
      cell = (f * cell.array() + i * gates.middleRows(2 * h, h).array().tanh()).matrix();
      state = (o * cell.array().tanh()).matrix();
      out.push_back(state);
    }
    return out;
  }
};

Matrix matrix_of(const tensor::SafeTensors& file, const std::string& name, size_t rows,
                 size_t columns) {
  const auto& t = file.at(name);
  const std::vector<int64_t> want =
      columns ? std::vector<int64_t>{static_cast<int64_t>(rows), static_cast<int64_t>(columns)}
              : std::vector<int64_t>{static_cast<int64_t>(rows)};
  if (t.shape != want)
    throw Error(ErrorCode::kDamaged, "the speaker encoder's " + name + " has another shape",
                "run scripts/install-voices");
  const auto v = t.to_float();
  return Eigen::Map<const Matrix>(v.data(), static_cast<Eigen::Index>(rows),
                                  static_cast<Eigen::Index>(std::max<size_t>(1, columns)));
}

fs::path installed_path() {
  std::error_code ec;
  for (const fs::path& folder : voice_folders({}))
    if (const fs::path p = folder / "speaker_encoder" / "speaker_encoder.safetensors";
        fs::is_regular_file(p, ec))
      return p;
  return {};
}

}  // namespace

void to_unit_length(SpeakerVector& v) {
  double sum = 0;
  for (const float x : v) sum += static_cast<double>(x) * x;
  const auto scale = static_cast<float>(sum > 0 ? 1 / std::sqrt(sum) : 0);
  for (float& x : v) x *= scale;
}

struct SpeakerEncoder::Impl {
  std::array<Lstm, kLayers> layers;
  Matrix linear;
  Eigen::VectorXf bias;
};

SpeakerEncoder::SpeakerEncoder(const fs::path& weights) : impl_(new Impl) {
  fs::path card = weights;
  card.replace_extension(".toml");
  std::error_code ec;
  if (!fs::is_regular_file(weights, ec))
    throw Error(ErrorCode::kMissing, "the speaker encoder is not installed",
                "run scripts/install-voices");
  if (!fs::is_regular_file(card, ec))
    throw Error(ErrorCode::kRefused, "the speaker encoder has no licence card",
                "run scripts/install-voices");
  tensor::verify_model(tensor::read_model_card(card), weights.parent_path());
  const tensor::SafeTensors file(weights);
  for (size_t l = 0; l < kLayers; ++l) {
    const std::string end = "_l" + std::to_string(l);
    Lstm& layer = impl_->layers[l];
    layer.from_input = matrix_of(file, "lstm.weight_ih" + end, 4 * kHidden, l ? kHidden : kBands);
    layer.from_state = matrix_of(file, "lstm.weight_hh" + end, 4 * kHidden, kHidden);
    layer.bias = matrix_of(file, "lstm.bias_ih" + end, 4 * kHidden, 0) +
                 matrix_of(file, "lstm.bias_hh" + end, 4 * kHidden, 0);
  }
  impl_->linear = matrix_of(file, "linear.weight", kHidden, kHidden);
  impl_->bias = matrix_of(file, "linear.bias", kHidden, 0);
}
SpeakerEncoder::~SpeakerEncoder() = default;
SpeakerEncoder::SpeakerEncoder(SpeakerEncoder&&) noexcept = default;

bool SpeakerEncoder::is_installed() { return !installed_path().empty(); }
const SpeakerEncoder& SpeakerEncoder::installed() {
  static const SpeakerEncoder encoder(installed_path());
  return encoder;
}

std::vector<SpeakerVector> SpeakerEncoder::forward(std::span<const float> mel, size_t count) const {
  LIKENESS_REQUIRE(mel.size() == count * kFrames * kBands);
  constexpr size_t kBatch = 32;
  std::vector<SpeakerVector> out;
  for (size_t begin = 0; begin < count; begin += kBatch) {
    const size_t batch = std::min(kBatch, count - begin);
    std::vector<Columns> x(kFrames, Columns(kBands, batch));
    for (size_t t = 0; t < kFrames; ++t)
      for (size_t b = 0; b < batch; ++b)
        for (size_t k = 0; k < kBands; ++k)
          x[t](static_cast<Eigen::Index>(k), static_cast<Eigen::Index>(b)) =
              mel[((begin + b) * kFrames + t) * kBands + k];
    for (const Lstm& layer : impl_->layers) x = layer.run(x);
    Columns y = impl_->linear * x.back();
    y.colwise() += impl_->bias;
    for (size_t b = 0; b < batch; ++b) {
      SpeakerVector v(kHidden);
      for (size_t k = 0; k < kHidden; ++k)
        v[k] = std::max(0.0f, y(static_cast<Eigen::Index>(k), static_cast<Eigen::Index>(b)));
      to_unit_length(v);
      out.push_back(std::move(v));
    }
  }
  return out;
}

namespace {

/// Stretches of 1.6 s, 1.3 a second; the last one only when three quarters of it are there. Appends
/// them to `parts` and gives how many.
size_t add_stretches(std::span<const float> mel, std::vector<float>& parts) {
  const size_t frames = mel.size() / kBands, before = parts.size();
  size_t count = 0;
  for (size_t begin = 0; begin == 0 || begin < frames; begin += kStep) {
    const size_t there = std::min(kFrames, frames - begin);
    if (begin > 0 && there * 4 < kFrames * 3) break;
    const float* from = mel.data() + begin * kBands;
    parts.insert(parts.end(), from, from + there * kBands);
    parts.resize(before + ++count * kFrames * kBands);
    if (begin + kFrames >= frames) break;
  }
  return count;
}

SpeakerVector mean_of(std::span<const SpeakerVector> vectors) {
  SpeakerVector mean(kHidden);
  for (const auto& v : vectors)
    for (size_t k = 0; k < kHidden; ++k) mean[k] += v[k];
  to_unit_length(mean);
  return mean;
}

}  // namespace

SpeakerVector SpeakerEncoder::embed_mel(std::span<const float> mel) const {
  LIKENESS_REQUIRE(mel.size() >= kBands);
  std::vector<float> parts;
  const size_t count = add_stretches(mel, parts);
  return mean_of(forward(parts, count));
}

std::vector<float> speech_only(const AudioClip& clip) {
  constexpr double kLevelDb = -27;
  const std::vector<float> x = audio::resample(audio::to_mono(clip), kRateHz).samples;
  audio::ActivityOptions o;
  o.margin_s = 0.09;  // pauses up to about 0.2 s stay
  std::vector<float> out;
  for (const auto& s : audio::find_activity(x, kRateHz, o).speech) {
    const auto begin = static_cast<size_t>(s.begin_s * kRateHz);
    const auto end = std::min(x.size(), static_cast<size_t>(s.end_s * kRateHz));
    if (begin < end)
      out.insert(out.end(), x.begin() + static_cast<long>(begin),
                 x.begin() + static_cast<long>(end));
  }
  // The network sees powers, not their logarithms: the level of the speech itself is made the same.
  double power = 1e-12;
  for (const float v : out) power += static_cast<double>(v) * v / static_cast<double>(out.size());
  const auto gain = static_cast<float>(std::pow(10, kLevelDb / 20) / std::sqrt(power));
  for (float& v : out) v *= gain;
  return out;
}

std::vector<float> speaker_mel(std::span<const float> mono_16k) {
  audio::StftOptions o;
  o.window = 400, o.hop = 160;
  audio::MelOptions mel;
  mel.bands = static_cast<int>(kBands);
  return audio::mel_spectrogram(mono_16k, kRateHz, o, mel);
}

SpeakerVector SpeakerEncoder::embed(const AudioClip& clip) const {
  const auto speech = speech_only(clip);
  if (speech.size() < kRateHz / 2)
    throw Error(ErrorCode::kBadInput, "there is hardly any speech in it",
                "use a recording with at least 2 s of speech");
  return embed_mel(speaker_mel(speech));
}

std::vector<SpeakerVector> SpeakerEncoder::embed_windows(const AudioClip& clip,
                                                         double window_s) const {
  const auto speech = speech_only(clip);
  const auto length = static_cast<size_t>(window_s * kRateHz);
  std::vector<float> parts;  // all at once: the network is several times faster on many
  std::vector<size_t> counts;
  size_t all = 0;
  for (size_t begin = 0; begin + length <= speech.size(); begin += length / 2) {
    counts.push_back(add_stretches(speaker_mel({speech.data() + begin, length}), parts));
    all += counts.back();
  }
  const auto vectors = forward(parts, all);
  std::vector<SpeakerVector> out;
  size_t at = 0;
  for (const size_t count : counts) {
    out.push_back(mean_of(std::span(vectors).subspan(at, count)));
    at += count;
  }
  return out;
}

float cosine(const SpeakerVector& a, const SpeakerVector& b) {
  LIKENESS_REQUIRE(a.size() == b.size());
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return static_cast<float>(aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0);
}

}  // namespace likeness::voice
