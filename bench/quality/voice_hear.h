// SPDX-License-Identifier: Apache-2.0
// What listens: a recogniser that counts words, DNSMOS, and the sentences they are tried on.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "voice_measures.h"

#include "likeness/base/audio.h"
#include "likeness/tensor/onnx.h"
#include "likeness/voice/text.h"

struct ps_decoder_s;
struct cmd_ln_s;

namespace likeness::bench {

/// A fixed recogniser (pocketsphinx), the same for all: only ratios of its error rates mean
/// something. Throws kMissing.
class Recogniser {
 public:
  Recogniser();
  ~Recogniser();
  Recogniser(const Recogniser&) = delete;
  Recogniser& operator=(const Recogniser&) = delete;
  Words hear(const AudioClip& clip);

 private:
  cmd_ln_s* config_ = nullptr;
  ps_decoder_s* decoder_ = nullptr;
};

/// DNSMOS P.835, overall: the mean over stretches of 9.01 s, through the authors' polynomial.
class Dnsmos {
 public:
  /// Nothing when it or ONNX Runtime is not installed.
  static std::unique_ptr<Dnsmos> find();
  explicit Dnsmos(const std::filesystem::path& path);
  double overall(const AudioClip& clip) const;

 private:
  tensor::OnnxModel make() const;
  std::string bytes_;
  tensor::OnnxModel model_;
};

struct Line {
  std::filesystem::path audio;
  std::string text;
};
/// `count` of Kathleen's, evenly spread.
std::vector<Line> kathleen(size_t count);

/// Texts as one sentence: all words of its sentences.
voice::Sentence one_sentence(const std::string& text);
Words words_of(const voice::Sentence& sentence);

}  // namespace likeness::bench
