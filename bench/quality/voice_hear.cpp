// SPDX-License-Identifier: Apache-2.0
#include "voice_hear.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include <pocketsphinx.h>

#include "likeness/audio/resample.h"
#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/voice/voice.h"

namespace likeness::bench {
namespace fs = std::filesystem;

Recogniser::Recogniser() {
  const std::string at = "/usr/share/pocketsphinx/model/en-us/";
  config_ = cmd_ln_init(nullptr, ps_args(), TRUE, "-hmm", (at + "en-us").c_str(), "-lm",
                        (at + "en-us.lm.bin").c_str(), "-dict", (at + "cmudict-en-us.dict").c_str(),
                        "-logfn", "/dev/null", nullptr);
  decoder_ = config_ ? ps_init(config_) : nullptr;
  if (!decoder_)
    throw Error(ErrorCode::kMissing, "pocketsphinx has no model",
                "apt-get install pocketsphinx-en-us");
}

Recogniser::~Recogniser() {
  ps_free(decoder_);
  cmd_ln_free_r(config_);
}

Words Recogniser::hear(const AudioClip& clip) {
  const auto x = audio::resample(audio::to_mono(clip), 16000).samples;
  std::vector<int16> pcm;
  float peak = 1e-6f;
  for (const float v : x) peak = std::max(peak, std::abs(v));
  for (const float v : x) pcm.push_back(static_cast<int16>(v / peak * 20000));
  ps_start_utt(decoder_);
  ps_process_raw(decoder_, pcm.data(), pcm.size(), FALSE, TRUE);
  ps_end_utt(decoder_);
  int32 score = 0;
  const char* text = ps_get_hyp(decoder_, &score);
  Words out;
  std::istringstream in(text ? text : "");
  for (std::string w; in >> w;) out.push_back(w);
  return out;
}

std::unique_ptr<Dnsmos> Dnsmos::find() {
  for (const auto& f : voice::voice_folders({}))
    if (const auto p = f / "dnsmos/sig_bak_ovr.onnx";
        fs::exists(p) && tensor::onnx_runtime_version())
      return std::make_unique<Dnsmos>(p);
  return nullptr;
}

Dnsmos::Dnsmos(const fs::path& path)
    : bytes_(tensor::read_licensed_model(path).bytes), model_(make()) {}

tensor::OnnxModel Dnsmos::make() const {
  return {{reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size()}, "dnsmos"};
}

double Dnsmos::overall(const AudioClip& clip) const {
  constexpr size_t kLength = 144160, kHop = 16000;
  auto x = audio::resample(audio::to_mono(clip), 16000).samples;
  while (x.size() < kLength) {
    const auto part = x;
    x.insert(x.end(), part.begin(), part.end());
  }
  double sum = 0;
  size_t n = 0;
  for (size_t at = 0; at + kLength <= x.size(); at += kHop, ++n) {
    const tensor::OnnxTensor in{{1, static_cast<int64_t>(kLength)},
                                std::vector<float>(x.begin() + static_cast<long>(at),
                                                   x.begin() + static_cast<long>(at + kLength))};
    const double raw =
        static_cast<double>(model_.run({{model_.inputs()[0].name, in}})[0].floats().at(2));
    sum += -0.06766283 * raw * raw + 1.11546468 * raw + 0.04602535;
  }
  return sum / static_cast<double>(n);
}

std::vector<Line> kathleen(size_t count) {
  const fs::path folder = fs::path(LIKENESS_SHARED_DIR) / "data/kathleen";
  std::vector<Line> all;
  std::istringstream in(read_file(folder / "metadata.csv"));
  for (std::string line; std::getline(in, line);)
    if (const size_t bar = line.find('|'); bar != std::string::npos)
      for (const char* sub : {"", "flac", "wavs"})
        if (const auto p = folder / sub / (line.substr(0, bar) + ".flac"); fs::exists(p)) {
          all.push_back({p, line.substr(bar + 1)});
          break;
        }
  std::vector<Line> out;
  count = std::min(count, all.size());
  for (size_t i = 0; i < count; ++i) out.push_back(all[i * all.size() / count]);
  return out;
}

voice::Sentence one_sentence(const std::string& text) {
  auto script = voice::read_script(text);
  voice::Sentence one = script.sentences.at(0);
  for (size_t i = 1; i < script.sentences.size(); ++i)
    for (auto& w : script.sentences[i].words) one.words.push_back(w);
  return one;
}

Words words_of(const voice::Sentence& sentence) {
  Words out;
  for (const auto& w : sentence.words) out.push_back(w.text);
  return out;
}

}  // namespace likeness::bench
