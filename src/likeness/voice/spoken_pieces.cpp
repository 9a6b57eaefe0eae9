// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/spoken_pieces.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "likeness/base/error.h"
#include "likeness/voice/voice.h"

namespace likeness::voice {
namespace {

int class_of_flite(std::string name) {
  if (name == "pau" || name == "brth" || name == "h#") return 0;
  if (name == "ax") name = "ah";
  if (name == "axr") name = "er";
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto index = phoneme_index(name);
  return index ? *index - 1 : -1;
}

template <typename Use>
void speak_each(const std::string& voice, const std::vector<std::string>& texts, size_t count,
                size_t first, const Cancel& cancel, Use use) {
  if (texts.empty()) return;
  const auto v = open_voice(voice);
  count = std::min(count, texts.size());
  for (size_t i = 0; i < count; ++i) {
    cancel.check();
    const std::string& text = texts[(first + i * texts.size() / count) % texts.size()];
    use(text, v->speak(as_one_sentence(text)));
  }
}

Piece piece_of(const std::string& voice, const std::string& text, const AudioClip& clip,
               bool with_pitch) {
  Piece p;
  p.from.id = p.from.speaker = voice;
  p.from.text = text;
  p.sound = to_voice_rate(clip);
  p.features = analyse(p.sound, with_pitch);
  return p;
}

}  // namespace

Sentence as_one_sentence(const std::string& text) {
  Script script = read_script(text);
  Sentence one = std::move(script.sentences.at(0));
  for (size_t i = 1; i < script.sentences.size(); ++i)
    for (Word& w : script.sentences[i].words) one.words.push_back(std::move(w));
  return one;
}

std::vector<LabelledPiece> flite_pieces(const std::string& voice,
                                        const std::vector<std::string>& texts, size_t count,
                                        size_t first, const Cancel& cancel) {
  std::vector<LabelledPiece> out;
  speak_each(voice, texts, count, first, cancel, [&](const std::string& text, const Speech& s) {
    LabelledPiece l{piece_of(voice, text, s.clip, false), {}};
    l.phone_class.assign(l.piece.features.frames, 0);  // what no word holds is silence
    for (const SpokenWord& w : s.words)
      for (const Phone& p : w.phones) {
        const int c = class_of_flite(p.name);
        const auto end = static_cast<size_t>(std::ceil(p.end_s / kFrame_s - 0.5));
        for (auto t = static_cast<size_t>(std::max(0.0, std::ceil(p.begin_s / kFrame_s - 0.5)));
             t < std::min(end, l.phone_class.size()); ++t)
          l.phone_class[t] = c;
      }
    out.push_back(std::move(l));
  });
  return out;
}

std::vector<Piece> voice_pieces(const std::string& voice, const std::vector<std::string>& texts,
                                size_t count, size_t first, bool with_pitch, const Cancel& cancel) {
  std::vector<Piece> out;
  speak_each(voice, texts, count, first, cancel, [&](const std::string& text, const Speech& s) {
    out.push_back(piece_of(voice, text, s.clip, with_pitch));
  });
  return out;
}

}  // namespace likeness::voice
