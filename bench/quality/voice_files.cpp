// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include "speaker_judge.h"
#include "voice_commands.h"
#include "voice_hear.h"

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/media/audio_file.h"
#include "likeness/voice/features.h"
#include "likeness/voice/pretrain.h"
#include "likeness/voice/vocoder.h"
#include "likeness/voice/voice.h"

namespace likeness::bench {
namespace fs = std::filesystem;
namespace {

/// Recordings of a folder and those below it, by file name without extension.
std::map<std::string, fs::path> recordings(const fs::path& folder) {
  if (!fs::is_directory(folder))
    throw Error(ErrorCode::kNotFound, folder.string() + " is not a folder", "name a folder");
  std::map<std::string, fs::path> out;
  for (const auto& f : fs::recursive_directory_iterator(folder))
    if (const auto end = f.path().extension(); end == ".wav" || end == ".flac")
      out[f.path().stem().string()] = f.path();
  if (out.empty())
    throw Error(ErrorCode::kNotFound, folder.string() + " has no .wav or .flac",
                "name another folder");
  return out;
}

AudioClip clip_of(const fs::path& path) { return media::read_audio(path).clip; }

struct Pair {
  std::string name;
  AudioClip reference, made;
};
/// One after another, as they may be many.
void for_pairs(const fs::path& reference, const fs::path& made,
               const std::function<void(const Pair&)>& use) {
  const auto wanted = recordings(reference);
  size_t found = 0;
  for (const auto& [name, path] : recordings(made))
    if (const auto it = wanted.find(name); it != wanted.end()) {
      use({name, clip_of(it->second), clip_of(path)});
      ++found;
    }
  if (!found)
    throw Error(ErrorCode::kNotFound, "no recording has the same name in both folders",
                "NAME.wav or NAME.flac in both");
}

/// The lower of both, but one of two, so that numbers can be compared.
int common_rate(const AudioClip& a, const AudioClip& b) {
  return std::min(a.rate_hz, b.rate_hz) >= 24000 ? 24000 : 16000;
}

double mean(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return x.empty() ? 0 : sum / static_cast<double>(x.size());
}
double share(size_t part, size_t all) {
  return all ? static_cast<double>(part) / static_cast<double>(all) : 0;
}
void print(const nlohmann::json& j) { std::printf("%s\n", j.dump().c_str()); }

}  // namespace

Embedder embedder(const std::string& judge) {
  if (judge == "first")
    return [](const AudioClip& c) { return voice::SpeakerEncoder::installed().embed(c); };
  if (judge != "second") throw Error(ErrorCode::kUsage, "judges are first and second", "");
  const auto second = std::make_shared<SpeakerJudge>();
  return [second](const AudioClip& c) { return second->embed(c); };
}

int hear(const fs::path& texts, const fs::path& natural, const fs::path& made) {
  Recogniser recogniser;
  const auto mos = Dnsmos::find();
  const auto natural_files = recordings(natural), made_files = recordings(made);
  size_t words = 0, natural_wrong = 0, made_wrong = 0;
  std::vector<double> natural_mos, made_mos;
  std::istringstream in(read_file(texts));
  for (std::string line; std::getline(in, line);) {
    const size_t bar = line.find('|');
    if (bar == std::string::npos) continue;
    const auto a = natural_files.find(line.substr(0, bar)),
               b = made_files.find(line.substr(0, bar));
    if (a == natural_files.end() || b == made_files.end()) continue;
    const Words want = words_of(one_sentence(line.substr(bar + 1)));
    const AudioClip said = clip_of(a->second), spoken = clip_of(b->second);
    words += want.size();
    natural_wrong += word_errors(want, recogniser.hear(said));
    made_wrong += word_errors(want, recogniser.hear(spoken));
    if (!mos) continue;
    natural_mos.push_back(mos->overall(said));
    made_mos.push_back(mos->overall(spoken));
  }
  if (!words)
    throw Error(ErrorCode::kNotFound, "no text has a recording in both folders",
                "lines NAME|TEXT, and NAME.wav in both folders");
  const double ratio = share(made_wrong, natural_wrong);
  std::printf("WER natural %.1f %%, made %.1f %%, ratio %.2f; DNSMOS natural %.2f, made %.2f\n",
              100 * share(natural_wrong, words), 100 * share(made_wrong, words), ratio,
              mean(natural_mos), mean(made_mos));
  print({{"words", words},
         {"wer_natural", share(natural_wrong, words)},
         {"wer_made", share(made_wrong, words)},
         {"wer_ratio", ratio},
         {"dnsmos_natural", mean(natural_mos)},
         {"dnsmos_made", mean(made_mos)}});
  return 0;
}

int pairs(const fs::path& reference, const fs::path& made, bool frame_by_frame) {
  std::map<std::string, std::vector<double>> all;
  for_pairs(reference, made, [&](const Pair& p) {
    const int rate = common_rate(p.reference, p.made);
    const Track a = track_of(p.reference, rate), b = track_of(p.made, rate);
    const Distance d = distance_along(a, b, frame_by_frame ? straight(a, b) : warp(a, b));
    const Timing t = timing_between(a, b);
    all["mcd_db"].push_back(d.cepstral_db);
    all["voicing_error"].push_back(d.voicing_error);
    if (d.voiced > 1) {
      all["f0_rmse_hz"].push_back(d.f0_rmse_hz);
      all["f0_rmse_cents"].push_back(d.f0_rmse_cents);
      all["f0_correlation"].push_back(d.f0_correlation);
      all["f0_ratio"].push_back(d.f0_ratio);
    }
    if (t.stretches) {
      all["timing_median_s"].push_back(t.median_s);
      all["timing_95_s"].push_back(t.highest_95_s);
    }
  });
  nlohmann::json j{{"pairs", all["mcd_db"].size()}, {"aligned", frame_by_frame ? "no" : "dtw"}};
  for (const auto& [name, values] : all) j[name] = mean(values);
  std::printf(
      "%zu pairs: MCD %.2f dB, F0 RMSE %.1f Hz (%.0f cents), correlation %.3f, "
      "voicing error %.1f %%, timing %.0f ms (95 %%: %.0f ms)\n",
      all["mcd_db"].size(), mean(all["mcd_db"]), mean(all["f0_rmse_hz"]),
      mean(all["f0_rmse_cents"]), mean(all["f0_correlation"]), 100 * mean(all["voicing_error"]),
      1000 * mean(all["timing_median_s"]), 1000 * mean(all["timing_95_s"]));
  print(j);
  return 0;
}

int copies(const fs::path& reference, const fs::path& made) {
  const voice::Vocoder vocoder(voice::voice_weights("vocoder"));
  fs::create_directories(made);
  std::vector<double> lsd;
  for (const auto& [name, path] : recordings(reference)) {
    const AudioClip said{voice::kRate, 1, voice::to_voice_rate(clip_of(path))};
    const voice::Features f = voice::analyse(said.samples);
    const AudioClip copy{voice::kRate, 1, vocoder.render(f.mel, f.f0_hz)};
    media::write_wav(made / (name + ".wav"), copy);
    lsd.push_back(log_spectral_distance_db(said, copy, voice::kRate));
  }
  std::printf("%zu copies: log-spectral distance %.2f dB, worst %.2f dB\n", lsd.size(), mean(lsd),
              *std::max_element(lsd.begin(), lsd.end()));
  print({{"copies", lsd.size()}, {"log_spectral_distance_db", mean(lsd)}});
  return 0;
}

int say(const std::string& name, const fs::path& texts, const fs::path& made) {
  const auto v = voice::open_voice(name);
  fs::create_directories(made);
  size_t count = 0;
  double sound_s = 0;
  std::istringstream in(read_file(texts));
  for (std::string line; std::getline(in, line);) {
    const size_t bar = line.find('|');
    if (bar == std::string::npos) continue;
    const AudioClip clip = v->speak(one_sentence(line.substr(bar + 1))).clip;
    media::write_wav(made / (line.substr(0, bar) + ".wav"), clip);
    sound_s += clip.duration_s(), ++count;
  }
  std::printf("%zu sentences, %.0f s\n", count, sound_s);
  print({{"sentences", count}, {"sound_s", sound_s}});
  return 0;
}

int similar(const fs::path& made, const fs::path& target, const std::vector<std::string>& others) {
  nlohmann::json j{{"others", others.size()}};
  bool enough = true;
  for (const char* judge : {"first", "second"}) {
    const Embedder embed = embedder(judge);
    const auto vectors = [&](const fs::path& folder) {
      std::vector<voice::SpeakerVector> out;
      for (const auto& [name, path] : recordings(folder)) try {
          out.push_back(embed(clip_of(path)));
        } catch (const Error& e) {
          if (e.code() != ErrorCode::kBadInput) throw;
          std::printf("left out: %s: %s\n", path.c_str(), e.what());
        }
      if (out.empty())
        throw Error(ErrorCode::kBadInput, folder.string() + " has hardly any speech", "");
      return out;
    };
    std::vector<voice::SpeakerVector> centres{centre_of(vectors(target))};
    for (const auto& folder : others) centres.push_back(centre_of(vectors(folder)));
    const auto sentences = vectors(made);
    size_t right = 0;
    std::map<std::string, size_t> instead;
    std::vector<double> to_target, to_best_other;
    for (const auto& v : sentences) {
      const size_t best = nearest(v, centres);
      right += best == 0;
      if (best) ++instead[others[best - 1]];
      double other = -1;
      for (size_t i = 1; i < centres.size(); ++i)
        other = std::max(other, static_cast<double>(voice::cosine(v, centres[i])));
      to_target.push_back(static_cast<double>(voice::cosine(v, centres[0])));
      to_best_other.push_back(other);
    }
    std::printf(
        "%s judge: %zu of %zu sentences nearest to the target (%.1f %%), cosine %.3f, to "
        "the nearest other %.3f\n",
        judge, right, sentences.size(), 100 * share(right, sentences.size()), mean(to_target),
        mean(to_best_other));
    j[judge] = {{"sentences", sentences.size()},
                {"nearest_to_target", share(right, sentences.size())},
                {"cosine_target", mean(to_target)},
                {"cosine_nearest_other", mean(to_best_other)},
                {"instead", instead}};
    // Only the judge that training does not know decides.
    if (std::string(judge) == "second") enough = share(right, sentences.size()) >= 0.95;
  }
  print(j);
  return enough ? 0 : 1;
}

namespace {

/// From one word to 400 characters, out of Kathleen's running text; among them words said twice on
/// purpose, and single letters and numbers.
std::vector<std::string> texts_of_all_lengths(size_t count) {
  std::vector<std::string> words;
  for (const Line& l : kathleen(SIZE_MAX)) {
    std::istringstream in(l.text);
    for (std::string w; in >> w;) {
      // One sentence, however long.
      if (w.ends_with('.') || w.ends_with('?') || w.ends_with('!')) w.back() = ',';
      words.push_back(w);
    }
  }
  if (words.empty()) throw Error(ErrorCode::kNotFound, "../shared/data/kathleen is not there", "");
  const std::vector<std::string> odd = {
      "No no no no.", "Had had had.",   "A.",
      "1,234,567",    "The the the.",   "Ten ten ten ten ten ten.",
      "B C D",        "Really really?", "I."};
  std::vector<std::string> out;
  Rng rng(5, 0, "texts of all lengths");
  for (size_t i = 0; i < count; ++i) {
    if (i % 50 < odd.size() && i < 50) {
      out.push_back(odd[i % 50]);
      continue;
    }
    const bool single = rng.uniform() < 0.1f;
    const auto most =
        static_cast<size_t>(std::lround(5 * std::pow(80.0, static_cast<double>(rng.uniform()))));
    size_t at = rng.below(words.size());
    std::string text = words[at];
    while (!single) {
      const std::string& next = words[++at % words.size()];
      if (text.size() + 1 + next.size() > std::max<size_t>(most, 6)) break;
      text += " " + next;
    }
    out.push_back(text);
  }
  return out;
}

}  // namespace

int words(const std::string& name, size_t count, size_t listen_every) {
  const auto voice = voice::open_voice(name);
  std::unique_ptr<Recogniser> recogniser;
  if (listen_every) recogniser = std::make_unique<Recogniser>();
  size_t sentences = 0, said = 0, with_faults = 0, listened = 0, suspicious = 0, heard_wrong = 0,
         heard = 0;
  std::vector<double> length_ratios;
  for (const std::string& text : texts_of_all_lengths(count)) {
    voice::TextOptions options;
    options.longest_words = 200;  // the longest in one piece
    for (const auto& sentence : voice::read_script(text, options).sentences) {
      const voice::Speech speech = voice->speak(sentence);
      const auto faults = faults_of(sentence, speech);
      said += sentence.words.size();
      with_faults += !faults.empty();
      for (const auto& f : faults) std::printf("'%s': %s\n", text.c_str(), f.c_str());
      if (recogniser && sentences % listen_every == 0) {
        const Words want = words_of(sentence), got = recogniser->hear(speech.clip);
        const WordRuns runs = word_runs(want, got);
        ++listened;
        heard += want.size();
        heard_wrong += runs.errors;
        length_ratios.push_back(share(got.size(), want.size()));
        // The recogniser errs by single words; a run of them is what a voice that skips or
        // stutters sounds like.
        if (runs.longest_left_out >= 3 || runs.longest_added >= 3) {
          ++suspicious;
          std::string text_heard;
          for (const auto& w : got) text_heard += w + " ";
          std::printf("'%s' is heard as '%s'\n", sentence.text().c_str(), text_heard.c_str());
        }
      }
      ++sentences;
    }
  }
  std::printf(
      "%s: %zu sentences, %zu words, %zu sentences with faults; listened to %zu: WER %.1f %%, "
      "%.3f words heard per word, %zu with runs of 3 lost or added words\n",
      name.c_str(), sentences, said, with_faults, listened, 100 * share(heard_wrong, heard),
      mean(length_ratios), suspicious);
  print({{"voice", name},
         {"sentences", sentences},
         {"words", said},
         {"with_faults", with_faults},
         {"listened", listened},
         {"wer", share(heard_wrong, heard)},
         {"suspicious", suspicious}});
  return with_faults ? 1 : 0;
}

}  // namespace likeness::bench
