// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "likeness/base/error.h"
#include "likeness/voice/content.h"

namespace likeness::voice {

std::vector<PhoneUnit> alignable(const std::vector<PhoneUnit>& units) {
  std::vector<PhoneUnit> out;
  for (size_t i = 0; i < units.size(); ++i) {
    if (units[i].begins_word && i > 0 && units[i - 1].phoneme != kPhonemePause)
      out.emplace_back();  // silence
    out.push_back(units[i]);
  }
  return out;
}

std::vector<AlignedUnit> align(std::span<const float> log_phones, size_t frames,
                               const std::vector<PhoneUnit>& units, double* score) {
  constexpr size_t kShortest = 2;  // frames of a sound: two states in a row, the second loops
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  struct State {
    size_t unit;
    int phone_class;
    bool last;  // of its unit
  };
  std::vector<State> states;
  size_t needed = 0;
  for (size_t u = 0; u < units.size(); ++u) {
    const bool silent = units[u].phoneme == kPhonemePause;
    for (size_t k = 0; k < (silent ? 1 : kShortest); ++k)
      states.push_back({u, units[u].phoneme - 1, silent || k + 1 == kShortest});
    if (!silent) needed += kShortest;
  }
  if (frames < needed || states.empty())
    throw Error(ErrorCode::kBadInput, "the recording is too short for its text",
                "check that the text belongs to the recording");
  const size_t n = states.size();
  const auto class_count = static_cast<size_t>(kPhoneClasses);
  // From which state one may come: itself (last states), the one before, and over silences.
  std::vector<std::vector<size_t>> from(n);
  std::vector<bool> may_begin(n, false), may_end(n, false);
  for (size_t s = 0; s < n; ++s) {
    if (states[s].last) from[s].push_back(s);
    for (size_t b = s; b-- > 0;) {
      from[s].push_back(b);
      if (units[states[b].unit].phoneme != kPhonemePause) break;
    }
  }
  for (size_t s = 0; s < n; ++s) {
    may_begin[s] = true;
    if (units[states[s].unit].phoneme != kPhonemePause) break;
  }
  for (size_t s = n; s-- > 0;) {
    may_end[s] = states[s].last;
    if (units[states[s].unit].phoneme != kPhonemePause) break;
  }
  std::vector<float> now(n, kNever), next(n);
  std::vector<uint32_t> back(frames * n);
  const auto value = [&](size_t t, size_t s) {
    // One sure but wrong frame must not decide alone.
    return std::max(log_phones[t * class_count + static_cast<size_t>(states[s].phone_class)],
                    -8.0f);
  };
  for (size_t s = 0; s < n; ++s)
    if (may_begin[s]) now[s] = value(0, s);
  for (size_t t = 1; t < frames; ++t) {
    for (size_t s = 0; s < n; ++s) {
      float best = kNever;
      size_t at = s;
      for (const size_t b : from[s])
        if (now[b] > best) best = now[b], at = b;
      next[s] = best == kNever ? kNever : best + value(t, s);
      back[t * n + s] = static_cast<uint32_t>(at);
    }
    std::swap(now, next);
  }
  size_t s = n;
  for (size_t e = 0; e < n; ++e)
    if (may_end[e] && now[e] > kNever && (s == n || now[e] > now[s])) s = e;
  if (s == n)
    throw Error(ErrorCode::kBadInput, "the text does not fit the recording",
                "check that the text belongs to the recording");
  if (score) *score = static_cast<double>(now[s]) / static_cast<double>(frames);
  std::vector<AlignedUnit> out(units.size());
  std::vector<size_t> unit_of(frames);
  for (size_t t = frames; t-- > 0;) {
    unit_of[t] = states[s].unit;
    if (t > 0) s = back[t * n + s];
  }
  for (size_t t = 0; t < frames; ++t) {
    AlignedUnit& u = out[unit_of[t]];
    if (u.end == 0) u.begin = t;
    u.end = t + 1;
  }
  size_t at = 0;
  for (AlignedUnit& u : out) {
    if (u.end == 0) u.begin = u.end = at;
    at = u.end;
  }
  return out;
}

}  // namespace likeness::voice
