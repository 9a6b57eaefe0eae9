// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "likeness/base/hash.h"
#include "likeness/nets/voice_nets.h"
#include "likeness/voice/clone.h"
#include "likeness/voice/clone_impl_model.h"
#include "likeness/voice/content.h"
#include "likeness/voice/net_file_model.h"
#include "likeness/voice/own_voice.h"
#include "likeness/voice/pretrain_model.h"
#include "likeness/voice/vocoder.h"

namespace likeness::voice {
namespace fs = std::filesystem;
namespace {

constexpr const char* kKind = "likeness-voice-converter";
constexpr const char* kPrefix = "converter/";
constexpr const char* kAcousticPrefix = "acoustic/";
constexpr size_t kBankFrames = 30'000;

bool has_critic(const tensor::SafeTensors& weights) {
  const auto& list = weights.tensors();
  return std::any_of(list.begin(), list.end(),
                     [](const auto& t) { return t.name.starts_with(kCriticPrefix); });
}
void start_from(Learner& learner, const tensor::SafeTensors& weights) {
  tensor::load_module(learner.net(), weights);
  if (torch::nn::Module* critic = learner.critic())
    tensor::load_module(*critic, weights, kCriticPrefix);
}

/// Whether there is enough to learn an acoustic model from; `why` says why not.
bool has_texts(const std::vector<CloneClip>& clips, nlohmann::json& why) {
  constexpr double kLeast_s = 30;
  double s = 0;
  size_t n = 0;
  for (const CloneClip& c : clips)
    if (!c.text.empty()) s += c.clip.duration_s(), ++n;
  if (!find_voice_weights("acoustic"))
    why = "our own acoustic model is not here";
  else if (n == 0)
    why = "the recordings have no texts";
  else if (s < kLeast_s || n < 8)
    why = "under half a minute of the recordings has texts, or under eight clips";
  return why.is_null();
}

/// Teaches our acoustic model the person; its weights go into `made` and `meta`.
nlohmann::json learn_acoustic(Corpora spoken, const ContentEncoder& content,
                              const LearnOptions& options, const fs::path& folder,
                              tensor::NamedTensors& made, std::map<std::string, std::string>& meta,
                              Progress& progress, const Cancel& cancel) {
  const tensor::SafeTensors weights(voice_weights("acoustic"));
  LearnOptions how = options;
  std::unique_ptr<Learner> learner;
  how.adversarial_from = has_critic(weights) ? options.adversarial_from : 1;
  try {
    learner = make_acoustic_learner(std::move(spoken), content, how, progress, cancel);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kBadInput) throw;
    return e.what();  // texts that do not fit; the converter is still worth having
  }
  start_from(*learner, weights);
  const LoopResult done = learn(*learner, folder, how, progress, cancel);
  for (auto& t : half_weights(learner->net(), kAcousticPrefix)) made.push_back(std::move(t));
  meta[std::string(kAcousticPrefix) + "kind"] = kAcousticKind;
  meta[std::string(kAcousticPrefix) + "shape"] = learner->shape().dump();
  return {{"steps", done.steps},
          {"minutes", done.minutes},
          {"loss", done.loss},
          {"held_out", done.held_out}};
}

}  // namespace

nlohmann::json train_clone(const std::vector<CloneClip>& clips, const SpeakerVector& speaker,
                           const CloneOptions& o, const fs::path& folder, const fs::path& out,
                           const std::map<std::string, std::string>& metadata, Progress& progress,
                           const Cancel& cancel) {
  CloneOptions checked = o;
  validate_options(checked);
  nlohmann::json no_acoustic;
  const bool with_acoustic = has_texts(clips, no_acoustic);
  const LearningThreads threads(o.learn.threads);
  const fs::path content_file = voice_weights("content"), base = voice_weights("converter");
  const ContentEncoder content(content_file);
  Corpora data, spoken;
  std::vector<float> bank, pitch;
  size_t frames = 0, width = 0;
  progress.begin("listen", static_cast<double>(clips.size()), "clips");
  for (size_t i = 0; i < clips.size(); ++i) {
    cancel.check();
    Piece p;
    double gain = 0;
    p.sound = levelled(clips[i].clip, gain);
    p.features = analyse(p.sound);
    p.from.id = "clip-" + std::to_string(i);
    p.from.text = clips[i].text;
    const Content c = content.encode(p.features.content);
    width = c.width;
    for (size_t t = 0; t < c.frames; ++t) {
      if (c.log_phones[t * kPhoneClasses] > std::log(0.5f)) continue;  // silence
      bank.insert(bank.end(), c.bottleneck.begin() + static_cast<long>(t * width),
                  c.bottleneck.begin() + static_cast<long>((t + 1) * width));
      ++frames;
    }
    pitch.insert(pitch.end(), p.features.f0_hz.begin(), p.features.f0_hz.end());
    const bool held = clips.size() >= 20 && i % 20 == 7;
    if (with_acoustic && !p.from.text.empty()) (held ? spoken.held_out : spoken.train).push_back(p);
    (held ? data.held_out : data.train).push_back(std::move(p));
    progress.advance();
  }
  progress.end();
  if (static_cast<double>(frames) * kFrame_s < 10)
    throw Error(ErrorCode::kBadInput, "there is too little speech to learn a voice from",
                "enroll at least a minute; five are better");
  const tensor::SafeTensors weights(base);
  LearnOptions how = o.learn;
  if (with_acoustic) how.minutes /= 2;
  if (!has_critic(weights)) how.adversarial_from = 1;
  auto learner =
      make_converter_learner(std::move(data), content_file, how, progress, cancel, &speaker);
  start_from(*learner, weights);
  const LoopResult done = learn(*learner, folder, how, progress, cancel);
  // Evenly thinned: a quarter of an hour of a voice has more neighbours than are ever needed.
  const size_t keep = std::min(frames, kBankFrames);
  std::vector<float> thin(keep * width);
  for (size_t i = 0; i < keep; ++i)
    std::copy_n(bank.begin() + static_cast<long>(i * frames / keep * width), width,
                thin.begin() + static_cast<long>(i * width));
  const PitchRange range = range_of(pitch);
  tensor::NamedTensors made = half_weights(learner->net(), kPrefix);
  made.emplace_back("bank",
                    tensor_of(thin, {static_cast<int64_t>(keep), static_cast<int64_t>(width)})
                        .to(torch::kFloat16));
  made.emplace_back("speaker", tensor_of(speaker, {static_cast<int64_t>(speaker.size())}));
  nlohmann::json acoustic = no_acoustic;
  auto meta = metadata;
  if (with_acoustic)
    acoustic = learn_acoustic(std::move(spoken), content, how, folder / "acoustic", made, meta,
                              progress, cancel);
  meta[std::string(kPrefix) + "kind"] = kKind;
  meta[std::string(kPrefix) + "shape"] = learner->shape().dump();
  meta["content"] = sha256_file(content_file);
  meta["f0_mean"] = std::to_string(range.mean);
  meta["f0_deviation"] = std::to_string(range.deviation);
  tensor::save_tensors(out, made, meta);
  return {{"steps", done.steps},
          {"minutes", done.minutes},
          {"loss", done.loss},
          {"frames", frames},
          {"f0_median_hz", 200 * std::exp(range.mean)},
          {"held_out", done.held_out},
          {"acoustic", acoustic}};
}

Clone::Clone(const fs::path& path) : impl_(std::make_unique<Impl>()) {
  const tensor::SafeTensors file(path);
  const std::string name = path.filename().string();
  impl_->metadata = file.metadata();
  impl_->net = open_net<nets::ConverterNet, nets::ConverterOptions>(file, kKind, name, kPrefix);
  impl_->bank = tensor::to_torch(file.at("bank")).to(torch::kFloat32);
  impl_->speaker = tensor::to_torch(file.at("speaker")).to(torch::kFloat32);
  const auto& shape = impl_->net->options();
  if (impl_->bank.dim() != 2 || impl_->bank.size(0) < 1 || impl_->bank.size(1) != shape.content ||
      impl_->speaker.dim() != 1 || impl_->speaker.size(0) != shape.speaker)
    throw Error(ErrorCode::kDamaged, name + " is damaged: its parts do not fit each other",
                "train the voice again");
  const fs::path content = voice_weights("content");
  try {
    impl_->range = {std::stod(impl_->metadata.at("f0_mean")),
                    std::stod(impl_->metadata.at("f0_deviation"))};
    if (impl_->metadata.at("content") != sha256_file(content))
      throw Error(ErrorCode::kUnsupported, "this voice was trained with other base weights",
                  "train it again: likeness voice train");
  } catch (const std::logic_error&) {
    throw Error(ErrorCode::kDamaged, name + " is damaged: its pitch is not there",
                "train the voice again");
  }
  impl_->content = open_content(content);
  impl_->vocoder = std::make_shared<const Vocoder>(voice_weights("vocoder"));
  if (impl_->metadata.count(std::string(kAcousticPrefix) + "kind")) {
    VoiceInfo info;
    info.name = name;
    info.engine = "likeness";
    info.language = "en-us";
    info.rate_hz = kRate;
    info.path = path;
    impl_->voice = acoustic_voice(file, kAcousticPrefix, std::move(info), impl_->vocoder);
  }
}
Clone::~Clone() = default;
Clone::Clone(Clone&&) noexcept = default;
const std::map<std::string, std::string>& Clone::metadata() const { return impl_->metadata; }

const Voice* Clone::voice() const { return impl_->voice.get(); }

}  // namespace likeness::voice
