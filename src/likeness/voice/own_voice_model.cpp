// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/nets/voice_nets.h"
#include "likeness/tensor/model_card.h"
#include "likeness/voice/acoustic_data.h"
#include "likeness/voice/net_file_model.h"
#include "likeness/voice/own_voice.h"
#include "likeness/voice/phonemes.h"
#include "likeness/voice/pretrain.h"
#include "likeness/voice/vocoder.h"

namespace likeness::voice {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPart = "acoustic";

class AcousticVoice : public Voice {
 public:
  AcousticVoice(const tensor::SafeTensors& file, const std::string& prefix, VoiceInfo info,
                std::shared_ptr<const Vocoder> vocoder)
      : info_(std::move(info)),
        net_(open_net<nets::AcousticNet, nets::AcousticOptions>(
            file, kAcousticKind, info_.path.filename().string(), prefix)),
        vocoder_(std::move(vocoder)) {}
  const VoiceInfo& info() const override { return info_; }

 protected:
  Speech make(const Sentence& sentence, const std::vector<double>& rates,
              uint64_t seed) const override {
    const std::vector<PhoneUnit> units = phonemes_of(sentence);
    if (std::all_of(units.begin(), units.end(), [](const PhoneUnit& u) { return u.word < 0; }))
      throw Error(ErrorCode::kUnsupported, "'" + sentence.text() + "' has no sound in English",
                  "write it in other words, or give its pronunciation with --lexicon");
    const AcousticText text = acoustic_text(units);
    const auto n = static_cast<int64_t>(units.size());
    const auto whole = [&](const std::vector<int64_t>& v) {
      return torch::tensor(v, torch::kInt64).view({1, n});
    };
    const torch::InferenceMode guard;
    const auto encoded = net_->encode({whole(text.phone), whole(text.stress), whole(text.mark)});
    const auto prosody = net_->prosody(encoded);
    const std::vector<float> frames = durations(values_of(prosody.log_frames), units, rates);
    const auto made = net_->decode(encoded, prosody, tensor_of(frames, {1, n}));
    std::vector<float> f0 = values_of(torch::exp(made.log_f0) * 200);
    const std::vector<float> voiced = values_of(made.voiced_logit);
    for (size_t t = 0; t < f0.size(); ++t)
      f0[t] = voiced[t] > 0 ? std::clamp(f0[t], 40.0f, 900.0f) : 0.0f;
    Speech out;
    out.clip = {kRate, 1, without_hiss(vocoder_->render(values_of(made.mel), f0, seed))};
    for (const float v : out.clip.samples)
      if (!std::isfinite(v))
        throw Error(ErrorCode::kDamaged, info_.name + " gives sound that is no sound",
                    "restore assets/voice of the source tree");
    times(units, frames, sentence.words.size(), out);
    return out;
  }

 private:
  /// At the given rates, rounded so that the sum stays true. A sound has a frame at least, so that
  /// none is skipped, and a second at most.
  static std::vector<float> durations(const std::vector<float>& log_frames,
                                      const std::vector<PhoneUnit>& units,
                                      const std::vector<double>& rates) {
    std::vector<float> out;
    double left = 0;
    for (size_t i = 0; i < units.size(); ++i) {
      // Silence goes at the rate of the word before it.
      size_t word = 0;
      for (size_t k = i + 1; k-- > 0;)
        if (units[k].word >= 0) {
          word = static_cast<size_t>(units[k].word);
          break;
        }
      const double natural = std::clamp(std::exp(static_cast<double>(log_frames[i])), 1.0, 94.0);
      const double want = natural / rates[word] + left;
      const double rounded = std::max(1.0, std::floor(want + 0.5));
      left = std::clamp(want - rounded, -1.0, 1.0);
      out.push_back(static_cast<float>(rounded));
    }
    return out;
  }
  static void times(const std::vector<PhoneUnit>& units, const std::vector<float>& frames,
                    size_t words, Speech& out) {
    out.words.resize(words);
    double at = 0;
    for (size_t i = 0; i < units.size(); ++i) {
      const double end = at + static_cast<double>(frames[i]) * kFrame_s;
      if (units[i].word >= 0) {
        std::string name(kPhonemes[static_cast<size_t>(units[i].phoneme)]);
        std::transform(name.begin(), name.end(), name.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        out.words[static_cast<size_t>(units[i].word)].phones.push_back(
            {name, std::min(at, out.clip.duration_s()), std::min(end, out.clip.duration_s())});
      }
      at = end;
    }
  }

  VoiceInfo info_;
  std::unique_ptr<nets::AcousticNet> net_;
  std::shared_ptr<const Vocoder> vocoder_;
};

}  // namespace

std::optional<VoiceInfo> own_voice() {
  const auto weights = find_voice_weights(kPart);
  if (!weights) return std::nullopt;
  VoiceInfo v;
  v.engine = "likeness";
  v.language = "en-us";
  v.rate_hz = kRate;
  v.path = *weights;
  v.name = "kathleen";
  try {
    const tensor::ModelCard vocoder = weights_card(voice_weights("vocoder"));
    check_weights(*weights);
    const tensor::ModelCard card = weights_card(*weights);
    v.licence = card.licence;
    v.origin = card.origin;
    v.title = card.title;
    v.version = sha256(card.files.at(0).sha256 + vocoder.files.at(0).sha256);
  } catch (const Error& e) {
    v.problem = e.what();
  }
  return v;
}

std::unique_ptr<Voice> acoustic_voice(const tensor::SafeTensors& file, const std::string& prefix,
                                      VoiceInfo info, std::shared_ptr<const Vocoder> vocoder) {
  return std::make_unique<AcousticVoice>(file, prefix, std::move(info), std::move(vocoder));
}

std::unique_ptr<Voice> open_own_voice() {
  const fs::path weights = voice_weights(kPart);  // says what is missing
  return acoustic_voice(tensor::SafeTensors(weights), "", own_voice().value(),
                        std::make_shared<const Vocoder>(voice_weights("vocoder")));
}

}  // namespace likeness::voice
