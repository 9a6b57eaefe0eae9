// SPDX-License-Identifier: Apache-2.0
// Voice banking, for people who are losing their voice: which sentence to read next so that few
// takes cover many sounds, each take checked at once, and everything kept so that it can go on any
// day. Takes are enrolled with their sentence as text (voice_enroll.h).
#pragma once

#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/run.h"
#include "likeness/project/project.h"
#include "likeness/trust/consent.h"

namespace likeness::tasks {

/// A sentence of the built-in list (assets/voice/bank.txt) with its sounds as flite says them.
struct BankSentence {
  std::string id, text;
  std::vector<std::string> phones;  ///< ARPAbet in lower case; "pau" at both ends
};
const std::vector<BankSentence>& bank_sentences();

/// Seconds of speech from which a first voice can be made, and from which more adds little.
inline constexpr double kEnoughVoice_s = 180, kGoodVoice_s = 1200;

/// What has been read so far, in sounds and pairs of neighbouring sounds (diphones).
struct BankCoverage {
  size_t sentences = 0, diphones = 0, all_diphones = 0, phones = 0, all_phones = 0;
  /// Of running speech: the share of neighbouring pairs, counted as often as they occur in the
  /// list, that were read at least once. 0 to 1.
  double speech_share = 0;
  nlohmann::json to_json() const;
};
BankCoverage bank_coverage(const std::set<std::string>& read);
/// The next sentences, greedily: the one whose pairs of sounds are worth most for its length, as
/// though those before it had been read. A pair counts by how often it occurs, less the second
/// time.
std::vector<const BankSentence*> next_sentences(const std::set<std::string>& read, size_t count);

/// {subject, sentences_read, minutes, coverage, coverage_of: [{sentences, speech_share}] as it
/// grew, next: [{id, text, adds}], enough_in_s, read: [ids]}. Opens the subject's sealed material
/// for itself. Throws kNotFound (no such subject), kRefused (revoked).
nlohmann::json bank_state(const project::Project& project, const std::string& subject, size_t next);

struct TakeCheck {
  bool good = false;
  nlohmann::json findings = nlohmann::json::array();  ///< [{rule, text, refused}]
  std::string heard;                                  ///< by the recogniser; empty without one
  std::string words;  ///< "right", "wrong", "not checked: …", "confirmed"
  double speech_s = 0, snr_db = 0, peak_db = 0;
  nlohmann::json to_json() const;
};
/// Level, clipping, noise, length, and the words where pocketsphinx_continuous is installed (as a
/// child process). `confirmed`: somebody says that the words are right.
TakeCheck check_take(const std::filesystem::path& take, const BankSentence& sentence,
                     bool confirmed = false);

/// Adds a refusal when the voice in the take is not that of the consent or of what is enrolled, as
/// enrolling would. The grant must be open.
void check_voice(const project::Project& project, const trust::Grant& grant,
                 const std::string& subject, const std::filesystem::path& take, TakeCheck& out);

/// check_take(), and whether the voice is the one that is enrolled or agreed; nothing is kept.
/// Throws kUsage (no such sentence), kRefused (may not be enrolled), kMissing (no speaker encoder).
TakeCheck bank_check(const project::Project& project, const std::string& subject,
                     const std::filesystem::path& take, const std::string& sentence,
                     bool confirmed);

/// Checks a take and enrols it: {take, sentence, check, enrolled: bool, report, state}. A take that
/// is not good is not enrolled and nothing changes. A sentence that was read before is read again:
/// both takes stay. Throws kUsage (no such sentence), and what enrolling throws.
nlohmann::json bank_take(project::Project& project, const std::string& subject,
                         const std::filesystem::path& take, const std::string& sentence,
                         bool confirmed, Progress& progress, const Cancel& cancel);

}  // namespace likeness::tasks
