// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/piper.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/rng.h"
#include "likeness/tensor/onnx.h"
#include "likeness/tensor/onnx_graph.h"

namespace likeness::voice {
namespace fs = std::filesystem;
using nlohmann::json;
using tensor::OnnxTensor;

namespace {

constexpr int kHop = 256;  ///< samples a frame of every Piper voice; checked against what comes out

[[noreturn]] void damaged(const std::string& name, const std::string& what) {
  throw Error(ErrorCode::kDamaged, name + ": " + what, "fetch the voice again");
}

template <typename T>
T number(const json& j, const char* key, T fallback, double low, double high,
         const std::string& name) {
  const auto it = j.find(key);
  if (it == j.end()) return fallback;
  if (!it->is_number()) damaged(name, std::string("'") + key + "' is not a number");
  const double v = it->template get<double>();
  if (!(v >= low && v <= high)) damaged(name, std::string("'") + key + "' is out of range");
  return static_cast<T>(v);
}
std::string text(const json& j, const char* key) {
  const auto it = j.find(key);
  return it != j.end() && it->is_string() ? it->get<std::string>() : "";
}
const json& table(const json& j, const char* key) {
  static const json none = json::object();
  const auto it = j.find(key);
  return it != j.end() && it->is_object() ? *it : none;
}

fs::path card_path(fs::path model) { return model.replace_extension(".toml"); }
fs::path config_path(const fs::path& model) { return model.string() + ".json"; }

}  // namespace

PiperConfig PiperConfig::parse(const std::string& source, const std::string& name) {
  constexpr size_t kLargest = 4u << 20;
  if (source.size() > kLargest) damaged(name, "is far too large");
  const json j = json::parse(source, nullptr, false);
  if (!j.is_object())
    throw Error(ErrorCode::kBadInput, name + " is not the JSON of a Piper voice", "fetch it again");
  if (const std::string type = text(j, "phoneme_type"); !type.empty() && type != "espeak")
    throw Error(ErrorCode::kUnsupported, name + ": its phonemes are of the type '" + type + "'",
                "use a voice with espeak phonemes");
  PiperConfig c;
  c.rate_hz = number(table(j, "audio"), "sample_rate", 22050, 8000, 48000, name);
  c.quality = text(table(j, "audio"), "quality");
  c.espeak_voice = text(table(j, "espeak"), "voice");
  const bool plain = !c.espeak_voice.empty() && c.espeak_voice.size() <= 20 &&
                     std::all_of(c.espeak_voice.begin(), c.espeak_voice.end(), [](char x) {
                       return std::isalnum(static_cast<unsigned char>(x)) || x == '-';
                     });
  if (!plain || c.espeak_voice[0] == '-') damaged(name, "names no espeak voice");
  c.language = lower_ascii(text(table(j, "language"), "code"));
  std::replace(c.language.begin(), c.language.end(), '_', '-');
  if (c.language.empty()) c.language = c.espeak_voice;
  c.dataset = text(j, "dataset");
  const json& inference = table(j, "inference");
  c.noise_scale = number(inference, "noise_scale", c.noise_scale, 0, 4, name);
  c.length_scale = number(inference, "length_scale", c.length_scale, 0.1, 10, name);
  c.noise_w = number(inference, "noise_w", c.noise_w, 0, 4, name);
  c.symbols = number(j, "num_symbols", 256, 1, 100000, name);
  c.speakers = number(j, "num_speakers", 1, 1, 100000, name);
  const json& map = table(j, "phoneme_id_map");
  for (auto it = map.begin(); it != map.end(); ++it) {
    const std::u32string key = decode_utf8(it.key());
    if (key.size() != 1 || !it->is_array())
      continue;  // a name of several sounds is never looked up
    for (const json& id : *it) {
      if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= c.symbols)
        damaged(name, "the id of '" + it.key() + "' is out of range");
      c.ids[key[0]].push_back(id.get<int64_t>());
    }
  }
  for (const char32_t must : {U'_', U'^', U'$', U' '})
    if (!c.ids.count(must)) damaged(name, "has no id for '" + encode_utf8(must) + "'");
  return c;
}

fs::path find_piper_model(const fs::path& folder) {
  std::error_code ec;
  std::vector<fs::path> found;
  for (const auto& f : fs::directory_iterator(folder, ec))
    if (f.path().extension() == ".onnx" && fs::is_regular_file(config_path(f.path()), ec))
      found.push_back(f.path());
  return found.empty() ? fs::path() : *std::min_element(found.begin(), found.end());
}

VoiceInfo piper_info(const fs::path& model, const std::string& name) {
  VoiceInfo v;
  v.name = name;
  v.engine = "piper";
  v.path = model;
  try {
    const PiperConfig c =
        PiperConfig::parse(read_file(config_path(model), 4u << 20), model.filename().string());
    v.language = c.language;
    v.rate_hz = c.rate_hz;
    std::error_code ec;
    if (!fs::is_regular_file(card_path(model), ec)) {
      v.problem = "it has no licence card (" + card_path(model).filename().string() + ")";
      return v;
    }
    const tensor::ModelCard card = tensor::read_model_card(card_path(model));
    v.licence = card.licence;
    v.origin = card.origin;
    v.title = card.title;
    for (const auto& f : card.files)
      if (f.file == model.filename().string()) v.version = f.sha256;
    if (!tensor::onnx_runtime_version())
      v.problem = "ONNX Runtime is not installed (scripts/install-onnxruntime)";
  } catch (const Error& e) {
    v.problem = e.what();
  }
  return v;
}

namespace {

/// Of one sentence: ids for the network and where each word and sound begins in them.
struct Sounds {
  struct Sound {
    std::string name;
    size_t word = 0, begin = 0, end = 0;  ///< ids [begin, end) with the padding after them
    bool silent = false;                  ///< a space or punctuation
  };
  std::vector<int64_t> ids;
  std::vector<size_t> word_of;  ///< of each id
  std::vector<Sound> sounds;
};

Sounds sounds_of(const Sentence& sentence, const PiperConfig& config) {
  const auto ipa = espeak_ipa(sentence, config.espeak_voice);
  Sounds out;
  const int64_t pad = config.ids.at(U'_').at(0);
  std::optional<size_t> stress;
  const auto add = [&](char32_t c, size_t word, bool silent) {
    const auto it = config.ids.find(c);
    if (it == config.ids.end()) return;  // a sign the voice was not trained on
    const size_t begin = out.ids.size();
    for (const int64_t id : it->second) {
      out.ids.push_back(id);
      out.ids.push_back(pad);
    }
    out.word_of.resize(out.ids.size(), word);
    // Stress and length are ids of their own to the network, but parts of a sound to people.
    if (c == U'ˈ' || c == U'ˌ') {
      if (!stress) stress = begin;
    } else if ((c == U'ː' || (c >= 0x300 && c < 0x370)) && !out.sounds.empty()) {
      out.sounds.back().end = out.ids.size();
      out.sounds.back().name += encode_utf8(c);
    } else {
      out.sounds.push_back({encode_utf8(c), word, stress.value_or(begin), out.ids.size(), silent});
      stress.reset();
    }
  };
  add(U'^', 0, true);
  for (size_t w = 0; w < ipa.size(); ++w) {
    for (const char32_t c : decode_utf8(ipa[w])) add(c, w, false);
    for (const char32_t c : decode_utf8(sentence.words[w].mark)) add(c, w, true);
    if (w + 1 < ipa.size()) add(U' ', w, true);
  }
  // The last sign has no padding after it.
  for (const int64_t id : config.ids.at(U'$')) out.ids.push_back(id);
  out.word_of.resize(out.ids.size(), ipa.size() - 1);
  return out;
}

/// A network in two halves, or whole.
class Network {
 public:
  Network(const std::string& bytes, const std::string& name) {
    const std::span<const uint8_t> model{reinterpret_cast<const uint8_t*>(bytes.data()),
                                         bytes.size()};
    const tensor::OnnxGraph graph(model, name);
    const auto outputs = graph.outputs();
    if (outputs.size() != 1) damaged(name, "does not have one output");
    if (!cut(graph, outputs[0], name)) {
      whole_ = std::make_unique<tensor::OnnxModel>(model, name);
      check_inputs(*whole_, name);
    }
  }
  bool exact() const { return !whole_; }

  /// Frames of each id. `noise` has the length of the ids, twice.
  std::vector<float> durations(const std::vector<int64_t>& ids, std::array<float, 3> scales,
                               Rng& rng) const {
    auto in = common(ids, scales);
    if (!duration_noise_.empty())
      in[duration_noise_] = noise({1, 2, static_cast<int64_t>(ids.size())}, rng);
    const auto out = durations_->run(in);
    if (out.at(0).elements() != static_cast<int64_t>(ids.size()))
      damaged("the voice", "gives durations of another length");
    return out[0].floats();
  }
  std::vector<float> sound(const std::vector<int64_t>& ids, std::array<float, 3> scales,
                           const std::vector<float>& durations, Rng& rng) const {
    auto in = common(ids, scales);
    int64_t frames = 0;
    for (const float d : durations) frames += static_cast<int64_t>(d);
    in[durations_name_] = {{1, 1, static_cast<int64_t>(ids.size())}, durations};
    in[sound_noise_] = noise({1, channels_, frames}, rng);
    return sound_->run(in, kMostSamples).at(0).floats();
  }
  std::vector<float> all(const std::vector<int64_t>& ids, std::array<float, 3> scales) const {
    return whole_->run(common(ids, scales), kMostSamples).at(0).floats();
  }

 private:
  static constexpr int64_t kMostSamples = 48000LL * 600;

  static void check_inputs(const tensor::OnnxModel& m, const std::string& name) {
    for (const auto& i : m.inputs())
      if (i.name != "input" && i.name != "input_lengths" && i.name != "scales" && i.name != "sid")
        damaged(name, "is no Piper voice: it wants '" + i.name + "'");
  }
  static std::map<std::string, OnnxTensor> common(const std::vector<int64_t>& ids,
                                                  std::array<float, 3> scales) {
    const auto n = static_cast<int64_t>(ids.size());
    return {{"input", {{1, n}, ids}},
            {"input_lengths", {{1}, std::vector<int64_t>{n}}},
            {"scales", {{3}, std::vector<float>(scales.begin(), scales.end())}},
            {"sid", {{1}, std::vector<int64_t>{0}}}};
  }
  static OnnxTensor noise(std::vector<int64_t> shape, Rng& rng) {
    OnnxTensor out{std::move(shape), std::vector<float>()};
    std::vector<float> v(static_cast<size_t>(out.elements()));
    for (float& x : v) x = rng.normal();
    out.data = std::move(v);
    return out;
  }

  /// False when the network is not built as expected.
  bool cut(const tensor::OnnxGraph& graph, const std::string& output, const std::string& name) {
    std::string duration_noise, sound_noise, prior;
    std::vector<std::string> rounded;
    for (const auto& c : graph.outputs_of("Ceil"))
      if (graph.depends(output, c)) rounded.push_back(c);
    if (rounded.size() != 1) return false;
    durations_name_ = rounded[0];
    for (const auto& node : graph.nodes()) {
      if (node.op != "RandomNormalLike" || node.outputs.empty() || node.inputs.empty()) continue;
      std::string& which =
          graph.depends(durations_name_, node.outputs[0]) ? duration_noise : sound_noise;
      if (!which.empty()) return false;
      which = node.outputs[0];
      if (&which == &sound_noise) prior = node.inputs[0];
    }
    if (sound_noise.empty()) return false;
    duration_noise_ = duration_noise;
    sound_noise_ = sound_noise;
    std::vector<tensor::OnnxCut> first, second = {{durations_name_}, {sound_noise}};
    if (!duration_noise.empty()) first.push_back({duration_noise});
    const auto load = [&](const std::vector<tensor::OnnxCut>& cuts, const std::string& wanted) {
      return std::make_unique<tensor::OnnxModel>(graph.extract(cuts, {wanted}), name);
    };
    try {
      durations_ = load(first, durations_name_);
      sound_ = load(second, output);
      // How many channels the noise has is known only from what it is like.
      const auto probe = load({{durations_name_}}, prior);
      auto in = common({1, 0, 2}, {0, 1, 0});
      in[durations_name_] = {{1, 1, 3}, std::vector<float>{1, 1, 2}};
      const auto shape = probe->run(in).at(0).shape;
      if (shape.size() != 3 || shape[2] != 4 || shape[1] < 1 || shape[1] > 4096) return false;
      channels_ = shape[1];
      Rng rng(1, 0, "probe");
      const auto samples = sound({1, 0, 2}, {0, 1, 0}, {1, 1, 2}, rng);
      return samples.size() == 4 * static_cast<size_t>(kHop);
    } catch (const Error& e) {
      if (e.code() == ErrorCode::kMissing || e.code() == ErrorCode::kNoSpace) throw;
      return false;  // it may still run as a whole
    }
  }

  std::unique_ptr<tensor::OnnxModel> whole_, durations_, sound_;
  std::string duration_noise_, sound_noise_, durations_name_;
  int64_t channels_ = 0;
};

class PiperVoice : public Voice {
 public:
  PiperVoice(VoiceInfo info, PiperConfig config, const std::string& bytes)
      : info_(std::move(info)),
        config_(std::move(config)),
        network_(bytes, info_.path.filename().string()) {}
  const VoiceInfo& info() const override { return info_; }

 protected:
  Speech make(const Sentence& sentence, const std::vector<double>& rates,
              uint64_t seed) const override {
    const Sounds s = sounds_of(sentence, config_);
    if (s.sounds.size() < 2)
      throw Error(ErrorCode::kUnsupported, "espeak-ng finds no sound in '" + sentence.text() + "'",
                  "write it in other words, or give its pronunciation with --lexicon");
    // Noise depends on what is said, not on where it stands: chunks can be made in any order.
    Rng rng(seed, 0, "piper " + sentence.text());
    const std::array<float, 3> scales = {config_.noise_scale, config_.length_scale,
                                         config_.noise_w};
    Speech out;
    out.clip.rate_hz = config_.rate_hz;
    std::vector<float> frames;
    if (network_.exact()) {
      frames = network_.durations(s.ids, scales, rng);
      stretch(frames, s, rates);
      out.clip.samples = network_.sound(s.ids, scales, frames, rng);
    } else {
      double mean = 0;
      for (const double r : rates) mean += r / static_cast<double>(rates.size());
      out.clip.samples =
          network_.all(s.ids, {scales[0], scales[1] / static_cast<float>(mean), scales[2]});
      frames.assign(s.ids.size(), static_cast<float>(out.clip.samples.size()) / kHop /
                                      static_cast<float>(s.ids.size()));
      out.timing = "estimated";
    }
    times(s, frames, sentence.words.size(), out);
    for (const float v : out.clip.samples)
      if (!std::isfinite(v)) damaged(info_.name, "gives sound that is no sound");
    return out;
  }

 private:
  /// Durations at other rates, rounded so that the sum stays true.
  static void stretch(std::vector<float>& frames, const Sounds& s,
                      const std::vector<double>& rates) {
    double left = 0;
    for (size_t i = 0; i < frames.size(); ++i) {
      if (!(frames[i] >= 0 && frames[i] <= 2000))
        damaged("the voice", "gives a sound of " + std::to_string(frames[i]) + " frames");
      const double want = static_cast<double>(frames[i]) / rates[s.word_of[i]] + left;
      const double whole = std::max(0.0, std::floor(want + 0.5));
      left = want - whole;
      frames[i] = static_cast<float>(whole);
    }
  }
  void times(const Sounds& s, const std::vector<float>& frames, size_t words, Speech& out) const {
    std::vector<double> at(frames.size() + 1);
    for (size_t i = 0; i < frames.size(); ++i)
      at[i + 1] = at[i] + static_cast<double>(frames[i]) * kHop / config_.rate_hz;
    out.words.resize(words);
    for (const auto& sound : s.sounds)
      if (!sound.silent)
        out.words[sound.word].phones.push_back({sound.name, at[sound.begin], at[sound.end]});
  }

  VoiceInfo info_;
  PiperConfig config_;
  Network network_;
};

}  // namespace

std::unique_ptr<Voice> open_piper(const fs::path& model, const std::string& name) {
  const tensor::LicensedModel licensed = tensor::read_licensed_model(model);
  PiperConfig config =
      PiperConfig::parse(read_file(config_path(model), 4u << 20), model.filename().string());
  VoiceInfo info = piper_info(model, name);
  if (!info.problem.empty())
    throw Error(ErrorCode::kMissing, "the voice '" + name + "' cannot speak: " + info.problem,
                "install what is missing, or use slt");
  return std::make_unique<PiperVoice>(std::move(info), std::move(config), licensed.bytes);
}

}  // namespace likeness::voice
