// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/acoustic_data.h"

#include <algorithm>
#include <cmath>

#include "likeness/base/error.h"
#include "likeness/voice/spoken_pieces.h"

namespace likeness::voice {

int mark_index(char mark) {
  switch (mark) {
    case ',':
      return 1;
    case ';':
    case ':':
      return 2;
    case '.':
      return 3;
    case '?':
      return 4;
    case '!':
      return 5;
    default:
      return 0;
  }
}

AcousticText acoustic_text(const std::vector<PhoneUnit>& units) {
  AcousticText t;
  for (const PhoneUnit& u : units) {
    t.phone.push_back(u.phoneme);
    t.stress.push_back(u.stress);
    t.mark.push_back(mark_index(u.mark));
  }
  return t;
}

std::vector<float> interpolated_pitch(std::span<const float> f0) {
  std::vector<float> out(f0.size(), 0.0f);
  size_t last = f0.size();
  for (size_t t = 0; t < f0.size(); ++t) {
    if (f0[t] <= 0) continue;
    out[t] = std::log(f0[t] / 200);
    const size_t from = last == f0.size() ? 0 : last + 1;
    for (size_t k = from; k < t; ++k)
      out[k] = last == f0.size() ? out[t]
                                 : out[last] + (out[t] - out[last]) * static_cast<float>(k - last) /
                                                   static_cast<float>(t - last);
    last = t;
  }
  if (last < f0.size())
    for (size_t k = last + 1; k < f0.size(); ++k) out[k] = out[last];
  return out;
}

AcousticPiece acoustic_piece(const Piece& piece, const ContentEncoder& content) {
  AcousticPiece out;
  auto units = alignable(phonemes_of(as_one_sentence(piece.from.text)));
  const Content heard = content.encode(piece.features.content);
  double score = 0;
  auto times = align(heard.log_phones, heard.frames, units, &score);
  if (score < -2.5) return out;
  constexpr size_t kEdge = 12;
  if (units.front().phoneme == kPhonemePause && times.front().end > kEdge)
    times.front().begin = times.front().end - kEdge;
  if (units.back().phoneme == kPhonemePause && times.back().end - times.back().begin > kEdge)
    times.back().end = times.back().begin + kEdge;
  std::vector<PhoneUnit> kept;
  std::vector<AlignedUnit> when;
  for (size_t i = 0; i < units.size(); ++i) {
    const bool silent = units[i].phoneme == kPhonemePause;
    const bool edge = i == 0 || i + 1 == units.size();
    if (silent && times[i].end - times[i].begin < 3 && !edge) {
      if (!when.empty()) when.back().end = times[i].end;
      continue;
    }
    if (times[i].end == times[i].begin) continue;
    kept.push_back(units[i]);
    when.push_back(times[i]);
  }
  if (when.empty()) return out;
  const size_t first = when.front().begin, last = when.back().end;
  const auto& f = piece.features;
  out.text = acoustic_text(kept);
  out.frame_count = last - first;
  out.mel.assign(f.mel.begin() + static_cast<long>(first * kMel),
                 f.mel.begin() + static_cast<long>(last * kMel));
  const std::vector<float> pitch = interpolated_pitch(f.f0_hz);
  const std::vector<float> level = frame_level(f.mel, f.frames);
  for (size_t t = first; t < last; ++t) {
    out.log_f0.push_back(pitch[t]);
    out.voiced.push_back(f.f0_hz[t] > 0 ? 1.0f : 0.0f);
  }
  for (const AlignedUnit& u : when) {
    float high = 0, voiced = 0, all = 0, loud = 0;
    const auto n = static_cast<float>(u.end - u.begin);
    for (size_t t = u.begin; t < u.end; ++t) {
      all += pitch[t];
      loud += level[t];
      if (f.f0_hz[t] > 0) high += pitch[t], voiced += 1;
    }
    out.frames.push_back(n);
    out.phone_f0.push_back(voiced > 0 ? high / voiced : all / n);
    out.phone_level.push_back(loud / n);
  }
  return out;
}

}  // namespace likeness::voice
