// SPDX-License-Identifier: Apache-2.0
// Voices: a sentence in, sound and the times of its words and sounds out.
//
// A voice is not a person of the project: flite's voices and Piper voices come with a licence, and
// what is written with them says which voice spoke. Voices never stand in for each other; a caller
// who asks for one that cannot speak gets an Error. Everything throws likeness::Error.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/audio.h"
#include "likeness/voice/text.h"

namespace likeness::voice {

struct VoiceInfo {
  std::string name;      ///< "slt", "joe"
  std::string engine;    ///< likeness (our own), piper, flite
  std::string language;  ///< "en-us"
  int rate_hz = 16000;   ///< its own
  std::string licence, origin, title;
  std::string version;  ///< hash of the model file, or the library's version: part of a job's key
  std::filesystem::path path;  ///< of the model, empty for flite
  std::string problem;         ///< why it cannot speak here, empty when it can
  nlohmann::json to_json() const;
};

struct Phone {
  std::string name;  ///< flite: ARPAbet in lower case; Piper: IPA
  double begin_s = 0, end_s = 0;
};
struct SpokenWord {
  std::string text;  ///< as it was said
  size_t source_begin = 0, source_end = 0;
  double begin_s = 0, end_s = 0;
  std::vector<Phone> phones;
};
struct Speech {
  AudioClip clip;  ///< mono, at the voice's rate
  std::vector<SpokenWord> words;
  /// exact: from the durations the sound was made with; estimated: divided by the number of sounds.
  std::string timing = "exact";
};

struct SpeakOptions {
  double rate = 1;      ///< 0.25 to 4
  double pitch_st = 0;  ///< semitones, -12 to 12; the timbre stays
  uint64_t seed = 1;    ///< of a neural voice's variation
};

class Voice {
 public:
  virtual ~Voice() = default;
  virtual const VoiceInfo& info() const = 0;
  /// The same sentence, options and voice give the same samples. May be called by several threads.
  Speech speak(const Sentence& sentence, const SpeakOptions& options = {}) const;

 protected:
  /// At the given rate for all words; pauses, pitch and volume of words are put in by speak().
  virtual Speech make(const Sentence& sentence, const std::vector<double>& word_rates,
                      uint64_t seed) const = 0;
};

/// Where voices lie: `extra` (a project's voices/), $LIKENESS_VOICES or .cache/voices of the source
/// tree, and /usr/share/likeness/voices. Each voice is a folder NAME.
std::vector<std::filesystem::path> voice_folders(const std::vector<std::filesystem::path>& extra);
/// Our own, all Piper voices that are found, flite's; a broken one is listed with its problem.
std::vector<VoiceInfo> list_voices(const std::vector<std::filesystem::path>& extra = {});
/// Throws kNotFound (and lists the known ones), kMissing, kRefused (no licence card), kDamaged.
std::unique_ptr<Voice> open_voice(const std::string& name,
                                  const std::vector<std::filesystem::path>& extra = {});
/// What speaks when none was named: our own, else a Piper voice that works for English, else
/// flite's slt.
std::string default_voice(const std::vector<std::filesystem::path>& extra = {});

}  // namespace likeness::voice
