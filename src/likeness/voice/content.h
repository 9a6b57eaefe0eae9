// SPDX-License-Identifier: Apache-2.0
// What is said in a recording and when: content for conversion, and alignment of words with sound.
// No torch in this header.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "likeness/voice/features.h"
#include "likeness/voice/phonemes.h"

namespace likeness::voice {

inline constexpr int kPhoneClasses = kPhonemeCount - 1;  ///< class = phoneme - 1; 0 is silence

struct Content {
  size_t frames = 0, width = 0;
  std::vector<float> bottleneck;  ///< [frames][width]; each frame has mean 0 and variance 1
  std::vector<float> log_phones;  ///< [frames][kPhoneClasses], logarithm of posteriors
};

class ContentEncoder {
 public:
  /// Throws kNotFound, kDamaged.
  explicit ContentEncoder(const std::filesystem::path& weights);
  ~ContentEncoder();
  ContentEncoder(ContentEncoder&&) noexcept;
  /// `content_mel` is Features::content. Safe from several threads.
  Content encode(std::span<const float> content_mel) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct AlignedUnit {
  size_t begin = 0, end = 0;  ///< frames; silence may be empty
};
/// The most likely times of the sounds in their order (Viterbi). Silences are optional, and silence
/// may lie between any two words (`units` gets none for it: it is given to the silences that are
/// there, or split between the neighbours). `score` is the mean log posterior of a frame. Throws
/// kBadInput when there are fewer frames than sounds need.
std::vector<AlignedUnit> align(std::span<const float> log_phones, size_t frames,
                               const std::vector<PhoneUnit>& units, double* score = nullptr);

/// phonemes_of with an optional silence after every word, for align().
std::vector<PhoneUnit> alignable(const std::vector<PhoneUnit>& units);

}  // namespace likeness::voice
