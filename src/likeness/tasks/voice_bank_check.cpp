// SPDX-License-Identifier: Apache-2.0
// One take of the bank: is it good enough, and does it say what it should?
#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "likeness/audio/checks.h"
#include "likeness/audio/resample.h"
#include "likeness/base/error.h"
#include "likeness/media/audio_file.h"
#include "likeness/tasks/voice_bank.h"
#include "likeness/tasks/voice_enroll_store.h"
#include "likeness/voice/child_process.h"
#include "likeness/voice/text.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr double kMostTakeS = 60, kQuietPeakDb = -30;
/// The recogniser mistakes about one word in five of natural speech, so half of them must be there.
constexpr double kLeastWordsRight = 0.5;
const char* const kModel = "/usr/share/pocketsphinx/model/en-us";

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  for (const unsigned char c : text + " ") {
    if (std::isalpha(c) || c == '\'')
      word += static_cast<char>(std::tolower(c));
    else if (!word.empty())
      out.push_back(std::exchange(word, {}));
  }
  return out;
}

/// As they are said: "7" is "seven".
std::vector<std::string> spoken_words(const std::string& text) {
  std::string all;
  for (const auto& s : voice::read_script(text).sentences) all += s.text() + " ";
  return words_of(all);
}

/// Share of the wanted words that are heard, in their order (longest common subsequence).
double share_heard(const std::vector<std::string>& want, const std::vector<std::string>& got) {
  std::vector<std::vector<size_t>> best(want.size() + 1, std::vector<size_t>(got.size() + 1));
  for (size_t i = 1; i <= want.size(); ++i)
    for (size_t k = 1; k <= got.size(); ++k)
      best[i][k] = want[i - 1] == got[k - 1] ? best[i - 1][k - 1] + 1
                                             : std::max(best[i - 1][k], best[i][k - 1]);
  return want.empty() ? 0
                      : static_cast<double>(best.back().back()) / static_cast<double>(want.size());
}

void check_words(const AudioClip& clip, const BankSentence& sentence, TakeCheck& out) {
  std::error_code ec;
  if (!fs::is_directory(kModel, ec)) {
    out.words =
        "not checked: no recogniser is installed (apt install pocketsphinx "
        "pocketsphinx-en-us)";
    return;
  }
  const std::string model = kModel;
  const auto bytes = media::pcm16_bytes(
      audio::resample(audio::to_mono(clip), 16000).samples);  // raw, through a pipe
  try {
    out.heard = voice::filter_through(
        {"pocketsphinx_continuous", "-infile", "/dev/stdin", "-hmm", model + "/en-us", "-lm",
         model + "/en-us.lm.bin", "-dict", model + "/cmudict-en-us.dict", "-logfn", "/dev/null"},
        std::string(bytes.begin(), bytes.end()), 120);
  } catch (const Error& e) {
    out.words = std::string("not checked: ") + e.what();
    return;
  }
  std::replace(out.heard.begin(), out.heard.end(), '\n', ' ');
  while (!out.heard.empty() && out.heard.back() == ' ') out.heard.pop_back();
  const double share = share_heard(spoken_words(sentence.text), words_of(out.heard));
  out.words = share >= kLeastWordsRight ? "right" : "wrong";
  if (share < kLeastWordsRight)
    out.findings.push_back(
        {{"rule", "other-words"},
         {"text", "the recogniser heard: \"" + out.heard +
                      "\"; read the sentence as it stands, or confirm that it is right"},
         {"refused", true}});
}

}  // namespace

json TakeCheck::to_json() const {
  return {{"good", good},         {"findings", findings}, {"heard", heard},    {"words", words},
          {"speech_s", speech_s}, {"snr_db", snr_db},     {"peak_db", peak_db}};
}

TakeCheck check_take(const fs::path& take, const BankSentence& sentence, bool confirmed) {
  const auto sound = media::read_audio(take, kMostTakeS);
  TakeCheck out;
  const auto say = [&](const std::string& rule, const std::string& text, bool refused) {
    out.findings.push_back({{"rule", rule}, {"text", text}, {"refused", refused}});
  };
  if (sound.cut) say("too-long", "it is longer than a minute; one sentence a take", true);
  const audio::Recording r = audio::examine_recording(sound.clip);
  out.speech_s = r.speech_s, out.snr_db = r.snr_db(), out.peak_db = r.true_peak_db;
  for (const auto& f : audio::judge_recording(r, {.least_speech_s = 0.6}))
    say(f.rule, f.text, f.severity == audio::Severity::kRefusal);
  if (r.true_peak_db < kQuietPeakDb && r.speech_s > 0)
    say("quiet",
        "it is very quiet (peak " + std::to_string(std::lround(r.true_peak_db)) +
            " dB); raise the level or come closer",
        false);
  if (!sound.damage.empty()) say("damaged", "a part of the file cannot be read", true);
  const auto refused = [&] {
    return std::any_of(out.findings.begin(), out.findings.end(),
                       [](const json& f) { return f["refused"].get<bool>(); });
  };
  if (!refused()) {
    if (confirmed)
      out.words = "confirmed";
    else
      check_words(sound.clip, sentence, out);
  }
  if (out.words.empty()) out.words = "not checked: the take is not good enough";
  out.good = !refused();
  return out;
}

}  // namespace likeness::tasks
