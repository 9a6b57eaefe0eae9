// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/voice.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "likeness/audio/pitch.h"
#include "likeness/base/error.h"
#include "likeness/voice/flite_voice.h"
#include "likeness/voice/own_voice.h"
#include "likeness/voice/piper.h"

#ifndef LIKENESS_SOURCE_FOLDER
#define LIKENESS_SOURCE_FOLDER ""
#endif

namespace likeness::voice {
namespace fs = std::filesystem;

nlohmann::json VoiceInfo::to_json() const {
  nlohmann::json j = {{"name", name},       {"engine", engine},   {"language", language},
                      {"rate_hz", rate_hz}, {"licence", licence}, {"origin", origin},
                      {"title", title},     {"version", version}, {"works", problem.empty()}};
  if (!problem.empty()) j["problem"] = problem;
  return j;
}

namespace {

/// Silence after words, inside the clip: what follows moves.
void insert_pauses(Speech& s, const Sentence& sentence) {
  for (size_t i = 0; i < s.words.size(); ++i) {
    const double pause = sentence.words[i].pause_s;
    if (pause <= 0) continue;
    const double at = i + 1 < s.words.size() ? (s.words[i].end_s + s.words[i + 1].begin_s) / 2
                                             : s.clip.duration_s();
    const auto where =
        std::min(s.clip.samples.size(), static_cast<size_t>(std::llround(at * s.clip.rate_hz)));
    // A short fade on both sides, so that the cut does not click.
    const auto fade = static_cast<size_t>(s.clip.rate_hz / 200);
    for (size_t k = 0; k < fade; ++k) {
      const float g = static_cast<float>(k) / static_cast<float>(fade);
      if (where > k) s.clip.samples[where - 1 - k] *= g;
      if (where + k < s.clip.samples.size()) s.clip.samples[where + k] *= g;
    }
    const auto silence = static_cast<size_t>(std::llround(pause * s.clip.rate_hz));
    s.clip.samples.insert(s.clip.samples.begin() + static_cast<long>(where), silence, 0.0f);
    const double moved = static_cast<double>(silence) / s.clip.rate_hz;
    for (size_t k = i + 1; k < s.words.size(); ++k) {
      s.words[k].begin_s += moved, s.words[k].end_s += moved;
      for (Phone& p : s.words[k].phones) p.begin_s += moved, p.end_s += moved;
    }
  }
}

/// Which word sounds at a time; between two the nearer one.
size_t word_at(const Speech& s, double t, size_t from) {
  while (from + 1 < s.words.size() && (s.words[from].end_s + s.words[from + 1].begin_s) / 2 < t)
    ++from;
  return from;
}

void change_pitch(Speech& s, const Sentence& sentence, double pitch_st) {
  const bool any = std::any_of(sentence.words.begin(), sentence.words.end(), [&](const Word& w) {
    return std::abs(w.style.pitch_st + pitch_st) > 1e-6;
  });
  if (!any) return;
  const audio::Pitch pitch = audio::track_pitch(s.clip.samples, s.clip.rate_hz);
  std::vector<double> ratio(pitch.f0_hz.size(), 1.0);
  size_t word = 0;
  for (size_t i = 0; i < ratio.size(); ++i) {
    word = word_at(s, static_cast<double>(i) * pitch.hop_s, word);
    const double st = std::clamp(sentence.words[word].style.pitch_st + pitch_st, -12.0, 12.0);
    ratio[i] = std::pow(2, st / 12);
  }
  s.clip.samples = audio::shift_pitch(s.clip.samples, s.clip.rate_hz, pitch, ratio);
}

void change_volume(Speech& s, const Sentence& sentence) {
  const bool any = std::any_of(sentence.words.begin(), sentence.words.end(),
                               [](const Word& w) { return w.style.volume_db != 0; });
  if (!any) return;
  size_t word = 0;
  float gain = 1;
  const float glide = 1.0f - std::exp(-1.0f / (0.01f * static_cast<float>(s.clip.rate_hz)));
  for (size_t i = 0; i < s.clip.samples.size(); ++i) {
    word = word_at(s, static_cast<double>(i) / s.clip.rate_hz, word);
    const auto want = static_cast<float>(std::pow(10, sentence.words[word].style.volume_db / 20));
    gain = i == 0 ? want : gain + (want - gain) * glide;
    s.clip.samples[i] *= gain;
  }
}

}  // namespace

Speech Voice::speak(const Sentence& sentence, const SpeakOptions& o) const {
  LIKENESS_REQUIRE(!sentence.words.empty());
  if (!(o.rate >= 0.25 && o.rate <= 4))
    throw Error(ErrorCode::kUsage, "the rate must be 0.25 to 4",
                "1 is the voice's own, 0.9 is slower");
  if (!(o.pitch_st >= -12 && o.pitch_st <= 12))
    throw Error(ErrorCode::kUsage, "the pitch can be changed by -12 to 12 semitones", "use +1st");
  std::vector<double> rates;
  for (const Word& w : sentence.words)
    rates.push_back(std::clamp(o.rate * w.style.rate, 0.25, 4.0));
  Speech s = make(sentence, rates, o.seed);
  LIKENESS_REQUIRE(s.words.size() == sentence.words.size());
  double last_s = 0;
  for (size_t i = 0; i < s.words.size(); ++i) {
    SpokenWord& w = s.words[i];
    w.begin_s = w.phones.empty() ? last_s : w.phones.front().begin_s;
    w.end_s = last_s = w.phones.empty() ? last_s : w.phones.back().end_s;
    w.text = sentence.words[i].text;
    w.source_begin = sentence.words[i].source_begin;
    w.source_end = sentence.words[i].source_end;
  }
  change_pitch(s, sentence, o.pitch_st);
  change_volume(s, sentence);
  insert_pauses(s, sentence);
  return s;
}

std::vector<fs::path> voice_folders(const std::vector<fs::path>& extra) {
  std::vector<fs::path> out = extra;
  if (const char* named = std::getenv("LIKENESS_VOICES"); named && *named)
    out.emplace_back(named);
  else if (*LIKENESS_SOURCE_FOLDER)
    out.push_back(fs::path(LIKENESS_SOURCE_FOLDER) / ".cache/voices");
  out.emplace_back("/usr/share/likeness/voices");
  return out;
}

std::vector<VoiceInfo> list_voices(const std::vector<fs::path>& extra) {
  std::vector<VoiceInfo> out;
#ifdef LIKENESS_HAS_TORCH
  if (auto own = own_voice()) out.push_back(std::move(*own));
#endif
  for (const fs::path& folder : voice_folders(extra)) {
    std::error_code ec;
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder, ec))
      if (entry.is_directory(ec)) found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    for (const fs::path& one : found) {
      const auto model = find_piper_model(one);
      const std::string name = one.filename().string();
      const bool known =
          std::any_of(out.begin(), out.end(), [&](const VoiceInfo& v) { return v.name == name; });
      if (!model.empty() && !known) out.push_back(piper_info(model, name));
    }
  }
  for (VoiceInfo& v : flite_voices()) out.push_back(std::move(v));
  return out;
}

std::unique_ptr<Voice> open_voice(const std::string& name, const std::vector<fs::path>& extra) {
  std::string known;
  for (const VoiceInfo& v : list_voices(extra)) {
    if (v.name == name) {
#ifdef LIKENESS_HAS_TORCH
      if (v.engine == "likeness") return open_own_voice();
#endif
      return v.engine == "flite" ? open_flite(name) : open_piper(v.path, name);
    }
    known += (known.empty() ? "" : ", ") + v.name;
  }
  throw Error(ErrorCode::kNotFound, "there is no voice '" + name + "'", "known: " + known);
}

std::string default_voice(const std::vector<fs::path>& extra) {
  for (const VoiceInfo& v : list_voices(extra))
    if (v.problem.empty() && v.language.rfind("en", 0) == 0 && v.engine != "flite") return v.name;
  return "slt";
}

}  // namespace likeness::voice
