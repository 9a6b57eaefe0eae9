// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/consent_words.h"

#include <algorithm>

#include "likeness/base/error.h"
#include "likeness/media/audio_samples.h"
#include "likeness/tasks/recogniser.h"
#include "likeness/trust/phrase.h"

namespace likeness::tasks {
namespace {

constexpr int kRateHz = 16000;
constexpr double kMostS = 600, kShareOfPhrase = 0.4;
constexpr size_t kShownWords = 12;

/// What is said for the words of our list that the recogniser's dictionary does not have.
const std::map<std::string, std::string> kSaid = {
    {"lasagne", "L AH Z AA N Y AH"}, {"obelisk", "AA B AH L IH S K"}, {"omelette", "AA M L AH T"}};

Vocabulary vocabulary_of(const std::string& script) {
  Vocabulary out{{}, kSaid};
  std::map<std::string, double> said;
  for (const auto& w : words_of(script)) said[w] = 1;
  for (const auto& [word, one] : said)
    out.shares[word] = (1 - kShareOfPhrase) * one / static_cast<double>(said.size());
  const auto& list = trust::phrase_words();
  for (const auto& w : list) out.shares[w] += kShareOfPhrase / static_cast<double>(list.size());
  return out;
}

}  // namespace

bool HeardPhrase::ok() const { return listened && right >= kLeastRightWords; }

nlohmann::json HeardPhrase::to_json() const {
  if (!listened) return {{"listened", false}, {"why", why}};
  return {{"listened", true}, {"wordsRight", right}, {"words", of}, {"limit", kLeastRightWords}};
}

HeardPhrase hear_phrase(const std::filesystem::path& video, const std::string& phrase,
                        const std::string& script) {
  HeardPhrase out;
  try {
    const AudioClip clip{kRateHz, 1, media::read_mono(video, kRateHz, kMostS)};
    const auto wanted = words_of(phrase);
    const auto heard = words_of(hear_words(clip, vocabulary_of(script)));
    out.of = static_cast<int>(wanted.size());
    out.right = static_cast<int>(words_in_order(wanted, heard));
    for (size_t i = heard.size() - std::min(heard.size(), kShownWords); i < heard.size(); ++i)
      out.heard += (out.heard.empty() ? "" : " ") + heard[i];
    out.listened = true;
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kMissing && e.code() != ErrorCode::kInternal) throw;
    out.why = e.what();
  }
  return out;
}

}  // namespace likeness::tasks
