// SPDX-License-Identifier: Apache-2.0
// How well voices are understood, how rough they sound, how fast they are, and how alike they are.
// Needs ../shared/data for `speech`, `speakers` and `words`; one core (run with taskset -c 0 for
// the speeds). See kUsage.
#include "likeness/voice/voice.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>

#include "voice_commands.h"
#include "voice_hear.h"

#include "likeness/base/error.h"
#include "likeness/media/audio_file.h"

namespace {
using namespace likeness;
using namespace likeness::bench;
namespace fs = std::filesystem;

constexpr const char* kUsage =
    "bench_voice speech [SENTENCES]   WER (pocketsphinx), DNSMOS and speed on Kathleen's "
    "sentences\n"
    "bench_voice speakers [first|second]   the scale of a speaker encoder on LibriSpeech\n"
    "bench_voice hear TEXTS NATURAL MADE   WER and DNSMOS of folders; TEXTS: lines NAME|TEXT\n"
    "bench_voice pairs REFERENCE MADE [--straight]   mel-cepstral distortion, F0, voicing, timing\n"
    "bench_voice copy REFERENCE MADE   our vocoder copies REFERENCE into MADE; log-spectral "
    "distance\n"
    "bench_voice say VOICE TEXTS MADE   a voice speaks lines NAME|TEXT\n"
    "bench_voice similar MADE TARGET OTHER...   which speaker a sentence is nearest to, two "
    "judges\n"
    "bench_voice words VOICE [SENTENCES [LISTEN_EVERY]]   skipped and repeated words\n"
    "bench_voice check   the measures measured\n"
    "Folders hold NAME.wav or NAME.flac. All but `speech` and `speakers` end with a line of "
    "JSON.\n";

double seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
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
    s.wrong += word_errors(want, recogniser.hear(clip));
    s.sound_s += clip.duration_s();
    if (mos) s.mos += mos->overall(clip);
  };
  std::vector<std::pair<voice::Sentence, Words>> texts;
  for (const Line& l : lines) {
    voice::Sentence one = one_sentence(l.text);
    Words want = words_of(one);
    texts.emplace_back(std::move(one), std::move(want));
  }
  for (size_t i = 0; i < lines.size(); ++i)
    score(scores["natural"], texts[i].second, media::read_audio(lines[i].audio).clip);
  for (const char* name : {"kathleen", "joe", "slt", "rms"}) {
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
  for (const char* name : {"natural", "kathleen", "joe", "slt", "rms"}) {
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

int speakers(const std::string& judge) {
  const Embedder embed = embedder(judge);
  std::vector<fs::path> files;
  for (const auto& f :
       fs::recursive_directory_iterator(fs::path(LIKENESS_SHARED_DIR) / "data/librispeech"))
    if (f.path().extension() == ".flac") files.push_back(f.path());
  std::sort(files.begin(), files.end());
  std::vector<std::pair<std::string, voice::SpeakerVector>> v;
  for (const auto& f : files) {
    const std::string name = f.filename().string();
    v.emplace_back(name.substr(0, name.find('-')), embed(media::read_audio(f).clip));
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
    const std::vector<std::string> args(argv + 1, argv + argc);
    const std::string what = args.empty() ? "" : args[0];
    const auto number = [&](size_t i, size_t otherwise) {
      return args.size() > i ? static_cast<size_t>(std::stoul(args[i])) : otherwise;
    };
    if (what == "speech") return speech(number(1, 60));
    if (what == "speakers") return speakers(args.size() > 1 ? args[1] : "first");
    if (what == "hear" && args.size() == 4) return hear(args[1], args[2], args[3]);
    if (what == "pairs" && args.size() >= 3)
      return pairs(args[1], args[2], args.size() > 3 && args[3] == "--straight");
    if (what == "copy" && args.size() == 3) return copies(args[1], args[2]);
    if (what == "say" && args.size() == 4) return say(args[1], args[2], args[3]);
    if (what == "similar" && args.size() >= 4)
      return similar(args[1], args[2], {args.begin() + 3, args.end()});
    if (what == "words" && args.size() >= 2) return words(args[1], number(2, 500), number(3, 5));
    if (what == "check") return check();
    std::fputs(kUsage, stderr);
    return 2;
  } catch (const Error& e) {
    std::fprintf(stderr, "error: %s\nhint: %s\n", e.what(), e.hint().c_str());
    return 1;
  } catch (const std::logic_error&) {
    std::fputs(kUsage, stderr);
    return 2;
  }
}
