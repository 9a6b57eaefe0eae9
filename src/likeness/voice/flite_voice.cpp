// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/flite_voice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <mutex>

#include <sys/mman.h>
#include <unistd.h>

#include "likeness/base/error.h"

extern "C" {
#include <flite/flite.h>
#include <flite/flite_version.h>
cst_voice* register_cmu_us_slt(const char*);
cst_voice* register_cmu_us_rms(const char*);
cst_voice* register_cmu_us_awb(const char*);
cst_voice* register_cmu_us_kal16(const char*);
}

namespace likeness::voice {
namespace {

struct Known {
  const char *name, *title;
  cst_voice* (*open)(const char*);
};
constexpr std::array kKnown = {
    Known{"slt", "CMU Arctic slt, a woman, US English", register_cmu_us_slt},
    Known{"rms", "CMU Arctic rms, a man, US English", register_cmu_us_rms},
    Known{"awb", "CMU Arctic awb, a man, Scottish English", register_cmu_us_awb},
    Known{"kal", "kal diphones, a man, US English", register_cmu_us_kal16},
};

struct UtteranceFreer {
  void operator()(cst_utterance* u) const { delete_utterance(u); }
};
using Utterance = std::unique_ptr<cst_utterance, UtteranceFreer>;

class FliteVoice : public Voice {
 public:
  FliteVoice(VoiceInfo info, cst_voice* voice) : info_(std::move(info)), voice_(voice) {}
  const VoiceInfo& info() const override { return info_; }

 protected:
  Speech make(const Sentence& sentence, const std::vector<double>& rates, uint64_t) const override {
    const std::lock_guard lock(flite_mutex());
    Speech out;
    out.clip.rate_hz = info_.rate_hz;
    // flite stretches whole utterances: stretches of another rate are made by themselves.
    for (size_t i = 0; i < rates.size();) {
      size_t end = i + 1;
      while (end < rates.size() && rates[end] == rates[i]) ++end;
      part(sentence, i, end, rates[i], out);
      i = end;
    }
    return out;
  }

 private:
  /// flite looks words up by their spelling, so a pronunciation gets a word of its own.
  std::string spelling(const Word& w) const {
    if (w.pronunciation.empty()) {
      std::string text = fold_ascii(w.text);
      std::erase_if(
          text, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)) && c != '\''; });
      return text.empty() ? "uh" : text;
    }
    auto phones = w.pronunciation.arpabet;
    if (phones.empty()) {
      const auto read = arpabet_from_ipa(w.pronunciation.ipa);
      if (!read)
        throw Error(ErrorCode::kUnsupported,
                    "the pronunciation /" + w.pronunciation.ipa + "/ has sounds that " +
                        info_.name + " cannot make",
                    "use English sounds, or a Piper voice");
      phones = *read;
    }
    std::string line;
    for (std::string p : phones) {
      p = lower_ascii(p);
      if (p == "ah0") p = "ax0";
      if (p.back() == '2') p.back() = '1';
      line += " " + p;
    }
    const auto known = made_words_.find(line);
    if (known != made_words_.end()) return known->second;
    // Spelled so that flite takes it for a word: consonants and vowels in turn.
    std::string word = "li";
    for (size_t n = made_words_.size() + 1, k = 0; k < 4; ++k, n /= 50) {
      word += "bdfgklmnpr"[n % 10];
      word += "aeiou"[n / 10 % 5];
    }
    made_words_[line] = word;
    made_lines_ += word + " nil :" + line + "\n";
    hand_over(made_lines_);
    return word;
  }
  /// flite keeps only the last list it was given.
  static constexpr size_t kMostMadeWords = 200;
  void hand_over(const std::string& line) const {
    const int fd = ::memfd_create("words", MFD_CLOEXEC);
    if (fd < 0 || ::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      if (fd >= 0) ::close(fd);
      throw Error(ErrorCode::kIo, "the pronunciation cannot be handed to flite", "try again");
    }
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    flite_voice_add_lex_addenda(voice_, path.c_str());
    ::close(fd);
  }

  void part(const Sentence& sentence, size_t begin, size_t end, double rate, Speech& out) const {
    if (made_words_.size() > kMostMadeWords) made_words_.clear(), made_lines_.clear();
    std::string text;
    for (size_t i = begin; i < end; ++i)
      text += (text.empty() ? "" : " ") + spelling(sentence.words[i]) + sentence.words[i].mark;
    feat_set_float(voice_->features, "duration_stretch", static_cast<float>(1 / rate));
    const Utterance u = rendered(text);
    const cst_wave* wave = utt_wave(u.get());
    const double offset = out.clip.duration_s();
    for (int i = 0; i < wave->num_samples; ++i)
      out.clip.samples.push_back(static_cast<float>(wave->samples[i]) / 32768.0f);
    times(u.get(), offset, end - begin, out);
  }

  /// flite takes its noise from rand(), which other threads of this process may call in between.
  /// The same words shall give the same samples, so a rendering counts when the next one agrees
  /// with it.
  Utterance rendered(const std::string& text) const {
    constexpr int kMostTries = 8;
    Utterance last;
    for (int i = 0; i < kMostTries; ++i) {
      std::srand(1);
      Utterance now(flite_synth_text(text.c_str(), voice_));
      const cst_wave* wave = now ? utt_wave(now.get()) : nullptr;
      if (!wave || wave->num_samples <= 0 || wave->sample_rate != info_.rate_hz)
        throw Error(ErrorCode::kInternal, "flite gave no sound for '" + text + "'",
                    "please report this with the text");
      if (last) {
        const cst_wave* before = utt_wave(last.get());
        if (before->num_samples == wave->num_samples &&
            std::equal(wave->samples, wave->samples + wave->num_samples, before->samples))
          return now;
      }
      last = std::move(now);
    }
    return last;
  }

  /// Words of ours are tokens of flite's, which may be several words of its own ("it" "'s").
  static void times(cst_utterance* u, double offset, size_t count, Speech& out) {
    const size_t first = out.words.size();
    for (cst_item* t = relation_head(utt_relation(u, "Token")); t; t = item_next(t)) {
      SpokenWord word;
      for (cst_item* w = item_daughter(t); w; w = item_next(w))
        for (cst_item* s = item_daughter(item_as(w, "SylStructure")); s; s = item_next(s))
          for (cst_item* p = item_daughter(s); p; p = item_next(p)) {
            cst_item* segment = item_as(p, "Segment");
            cst_item* before = segment ? item_prev(segment) : nullptr;
            const double end = static_cast<double>(item_feat_float(p, "end"));
            const double from = before ? static_cast<double>(item_feat_float(before, "end")) : 0.0;
            word.phones.push_back({item_name(p), offset + from, offset + end});
          }
      out.words.push_back(std::move(word));
    }
    if (out.words.size() - first != count)
      throw Error(ErrorCode::kInternal, "flite took the words apart in its own way",
                  "please report this with the text");
  }

  VoiceInfo info_;
  cst_voice* voice_;
  mutable std::map<std::string, std::string> made_words_;  ///< by their sounds
  mutable std::string made_lines_;
};

VoiceInfo info_of(const Known& k) {
  VoiceInfo v;
  v.name = k.name;
  v.title = k.title;
  v.engine = "flite";
  v.language = "en-us";
  v.rate_hz = 16000;
  v.licence = "BSD-like (flite)";
  v.origin = "Carnegie Mellon University, recorded for free speech databases";
  v.version = std::string("flite ") + FLITE_PROJECT_VERSION;
  return v;
}

}  // namespace

std::mutex& flite_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::vector<VoiceInfo> flite_voices() {
  std::vector<VoiceInfo> out;
  for (const Known& k : kKnown) out.push_back(info_of(k));
  return out;
}

std::unique_ptr<Voice> open_flite(const std::string& name) {
  const std::lock_guard lock(flite_mutex());
  static const bool started = flite_init() >= 0;
  for (const Known& k : kKnown)
    if (name == k.name && started)
      if (cst_voice* v = k.open(nullptr)) return std::make_unique<FliteVoice>(info_of(k), v);
  throw Error(ErrorCode::kNotFound, "flite has no voice '" + name + "'", "slt, rms, awb and kal");
}

}  // namespace likeness::voice
