// SPDX-License-Identifier: Apache-2.0
// How well voices are understood, how rough they sound, how fast they are, and how well speakers
// are told apart.
//   bench_voice speech [SENTENCES]    WER (pocketsphinx), DNSMOS and speed on Kathleen's sentences,
//   natural and spoken bench_voice speakers              the scale of `voice compare` on
//   LibriSpeech
// Needs ../shared/data; one core (run with taskset -c 0 for the speeds).
#include "likeness/voice/voice.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include <pocketsphinx.h>

#include "likeness/audio/resample.h"
#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/media/audio_file.h"
#include "likeness/tensor/onnx.h"
#include "likeness/voice/speaker.h"

namespace {
using namespace likeness;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

double seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/// A fixed recogniser, the same for all: only ratios of its error rates mean something.
class Recogniser {
 public:
  Recogniser() {
    const std::string at = "/usr/share/pocketsphinx/model/en-us/";
    config_ = cmd_ln_init(nullptr, ps_args(), TRUE, "-hmm", (at + "en-us").c_str(), "-lm",
                          (at + "en-us.lm.bin").c_str(), "-dict",
                          (at + "cmudict-en-us.dict").c_str(), "-logfn", "/dev/null", nullptr);
    decoder_ = config_ ? ps_init(config_) : nullptr;
    if (!decoder_)
      throw Error(ErrorCode::kMissing, "pocketsphinx has no model",
                  "apt-get install pocketsphinx-en-us");
  }
  ~Recogniser() {
    ps_free(decoder_);
    cmd_ln_free_r(config_);
  }
  Words hear(const AudioClip& clip) {
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

 private:
  cmd_ln_t* config_ = nullptr;
  ps_decoder_t* decoder_ = nullptr;
};

size_t errors(const Words& want, const Words& got) {
  std::vector<size_t> row(got.size() + 1);
  for (size_t k = 0; k <= got.size(); ++k) row[k] = k;
  for (size_t i = 1; i <= want.size(); ++i) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t k = 1; k <= got.size(); ++k) {
      const size_t was = row[k];
      row[k] = std::min({row[k] + 1, row[k - 1] + 1, corner + (want[i - 1] == got[k - 1] ? 0 : 1)});
      corner = was;
    }
  }
  return row[got.size()];
}

/// DNSMOS P.835, overall: the mean over stretches of 9.01 s, through the authors' polynomial.
class Dnsmos {
 public:
  static std::unique_ptr<Dnsmos> find() {
    for (const auto& f : voice::voice_folders({}))
      if (const auto p = f / "dnsmos/sig_bak_ovr.onnx";
          fs::exists(p) && tensor::onnx_runtime_version())
        return std::make_unique<Dnsmos>(p);
    return nullptr;
  }
  explicit Dnsmos(const fs::path& path)
      : bytes_(tensor::read_licensed_model(path).bytes), model_(make()) {}
  double overall(const AudioClip& clip) const {
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

 private:
  tensor::OnnxModel make() const {
    return {{reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size()}, "dnsmos"};
  }
  std::string bytes_;
  tensor::OnnxModel model_;
};

struct Line {
  fs::path audio;
  std::string text;
};
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
  for (size_t i = 0; i < count && count <= all.size(); ++i)
    out.push_back(all[i * all.size() / count]);
  return out;
}

struct Score {
  size_t words = 0, wrong = 0;
  double mos = 0, sound_s = 0, made_s = 0, first_s = 0, open_s = 0;
};

int speech(size_t count) {
  const auto lines = kathleen(count);
  Recogniser recogniser;
  const auto mos = Dnsmos::find();
  std::map<std::string, Score> scores;
  const auto score = [&](Score& s, const Words& want, const AudioClip& clip) {
    s.words += want.size();
    s.wrong += errors(want, recogniser.hear(clip));
    s.sound_s += clip.duration_s();
    if (mos) s.mos += mos->overall(clip);
  };
  std::vector<std::pair<voice::Sentence, Words>> texts;
  for (const Line& l : lines) {
    auto script = voice::read_script(l.text);
    voice::Sentence one = script.sentences.at(0);
    for (size_t i = 1; i < script.sentences.size(); ++i)
      for (auto& w : script.sentences[i].words) one.words.push_back(w);
    Words want;
    for (const auto& w : one.words) want.push_back(w.text);
    texts.emplace_back(std::move(one), std::move(want));
  }
  for (size_t i = 0; i < lines.size(); ++i)
    score(scores["natural"], texts[i].second, media::read_audio(lines[i].audio).clip);
  for (const char* name : {"joe", "slt", "rms"}) {
    Score& s = scores[name];
    const double opened = seconds();
    const auto v = voice::open_voice(name);
    s.open_s = seconds() - opened;
    std::vector<double> first;
    for (const auto& [sentence, want] : texts) {
      const double begin = seconds();
      const voice::Speech speech = v->speak(sentence);
      first.push_back(seconds() - begin);
      s.made_s += first.back();
      score(s, want, speech.clip);
    }
    std::nth_element(first.begin(), first.begin() + static_cast<long>(first.size() / 2),
                     first.end());
    s.first_s = first[first.size() / 2];
  }
  const Score& natural = scores["natural"];
  const double base = static_cast<double>(natural.wrong) / static_cast<double>(natural.words);
  std::printf(
      "| voice | WER | ratio to natural | DNSMOS overall | times real time | first sentence | open "
      "|\n"
      "|---|---|---|---|---|---|---|\n");
  for (const char* name : {"natural", "joe", "slt", "rms"}) {
    const Score& s = scores[name];
    const double wer = static_cast<double>(s.wrong) / static_cast<double>(s.words);
    std::printf(
        "| %s | %.1f %% | %.2f | %s |", name, 100 * wer, wer / base,
        mos ? std::to_string(s.mos / static_cast<double>(lines.size())).substr(0, 4).c_str() : "-");
    if (s.made_s > 0)
      std::printf(" %.0f | %.0f ms | %.0f ms |\n", s.sound_s / s.made_s, 1000 * s.first_s,
                  1000 * s.open_s);
    else
      std::printf(" | | |\n");
  }
  return 0;
}

int speakers() {
  std::vector<fs::path> files;
  for (const auto& f :
       fs::recursive_directory_iterator(fs::path(LIKENESS_SHARED_DIR) / "data/librispeech"))
    if (f.path().extension() == ".flac") files.push_back(f.path());
  std::sort(files.begin(), files.end());
  std::vector<std::pair<std::string, voice::SpeakerVector>> v;
  for (const auto& f : files) {
    const std::string name = f.filename().string();
    v.emplace_back(name.substr(0, name.find('-')),
                   voice::SpeakerEncoder::installed().embed(media::read_audio(f).clip));
  }
  std::vector<double> same, different;
  for (size_t i = 0; i < v.size(); ++i)
    for (size_t k = i + 1; k < v.size(); ++k)
      (v[i].first == v[k].first ? same : different)
          .push_back(static_cast<double>(voice::cosine(v[i].second, v[k].second)));
  const auto report = [](const char* name, std::vector<double>& x) {
    double mean = 0, square = 0;
    for (const double d : x) mean += d / static_cast<double>(x.size());
    for (const double d : x) square += (d - mean) * (d - mean) / static_cast<double>(x.size());
    std::sort(x.begin(), x.end());
    std::printf("%s: %zu pairs, mean %.4f, deviation %.4f\n", name, x.size(), mean,
                std::sqrt(square));
  };
  report("one speaker", same);
  report("two speakers", different);
  double best = 1, threshold = 0;
  for (double t = 0.3; t < 1; t += 0.001) {
    const auto below = [&](const std::vector<double>& x) {
      return static_cast<double>(std::lower_bound(x.begin(), x.end(), t) - x.begin()) /
             static_cast<double>(x.size());
    };
    const double worse = std::max(below(same), 1 - below(different));
    if (worse < best) best = worse, threshold = t;
  }
  std::printf("equal error rate %.2f %% at %.3f\n", 100 * best, threshold);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string what = argc > 1 ? argv[1] : "";
    if (what == "speech") return speech(argc > 2 ? std::stoul(argv[2]) : 60);
    if (what == "speakers") return speakers();
    std::fprintf(stderr, "bench_voice speech [SENTENCES] | speakers\n");
    return 2;
  } catch (const Error& e) {
    std::fprintf(stderr, "error: %s\nhint: %s\n", e.what(), e.hint().c_str());
    return 1;
  }
}
