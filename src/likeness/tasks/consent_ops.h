// SPDX-License-Identifier: Apache-2.0
// What a user does with consents: ask, record, check, show, revoke, carry away and bring in.
// A request fixes the terms and makes the words to be read; record turns it into the signed record.
// All of them take the lock "consent-SUBJECT". Rules and file formats: docs/guide/consent.md.
#pragma once

#include <filesystem>
#include <string>

#include "likeness/base/run.h"
#include "likeness/project/project.h"
#include "likeness/trust/consent_record.h"

namespace likeness::tasks {

inline constexpr int kDefaultPhraseMinutes = 30, kMaxPhraseMinutes = 24 * 60;

/// Makes the person's key where there is none (or uses `person_key`, a PEM file of the person), and
/// a request that waits for its evidence. {request, subject, basis, phrase, expires_at, script,
/// person, record}
nlohmann::json consent_request(project::Project& project, const std::string& subject,
                               const trust::ConsentTerms& terms, int phrase_minutes,
                               const std::filesystem::path& person_key = {});

/// Requests that wait for their evidence, newest first: [{request, subject, basis, phrase, script,
/// expires_at, expired}]; phrase and script only of a statement.
nlohmann::json consent_pending(const project::Project& project);

struct RecordOptions {
  std::string request;   ///< id; empty = the newest of this subject
  std::string reviewer;  ///< who confirms the words, or read the document
  bool words_confirmed = false;
  /// Why the reviewer's ear counts although a recogniser listened and heard other words (impaired
  /// speech, an accent): goes into the signed record. Empty: then the recogniser's word is final.
  std::string words_reason;
};
/// `evidence`: the video for a statement, the document for a licence or an estate; none for
/// synthetic. Throws kRefused naming the check that failed; then the request still stands until it
/// expires. {consent, digest, subject, basis, valid_until, checks, record}
nlohmann::json consent_record(project::Project& project, const std::string& subject,
                              const std::filesystem::path& evidence, const RecordOptions& options,
                              Progress& progress, const Cancel& cancel);

/// {subject, ok, consent, findings: [{rule, ok, text}]} of the record the gate would use.
nlohmann::json consent_verify(const project::Project& project, const std::string& subject);
/// The same for an exported record; `studio` empty: the counter-signature may be anybody's.
nlohmann::json consent_verify_file(const std::filesystem::path& file, const std::string& studio);

/// One subject, or all of them when it is empty: [{subject, state, consent, basis, operations,
/// valid_from, valid_until, ...}]. The person's name is shown where its key is at hand.
nlohmann::json consent_show(const project::Project& project, const std::string& subject);

struct RevokeOptions {
  std::string reason;
  std::filesystem::path bundle;  ///< folder for the takedown bundle; empty = outputs/takedown-…
  std::filesystem::path statement;  ///< a revocation the person signed elsewhere
};
/// Signs the revocation, destroys the key, removes the sealed material and the rows of the face,
/// and writes the takedown bundle. {consent, subject, revoked_at, outputs: [...], removed: [...],
/// bundle}
nlohmann::json consent_revoke(project::Project& project, const std::string& subject,
                              const RevokeOptions& options);

/// Writes the record (and revocation) as JSON; `full`: with the private part, the evidence and the
/// key, sealed under the passphrase of LIKENESS_PASSPHRASE_FILE.
nlohmann::json consent_export(const project::Project& project, const std::string& subject,
                              const std::filesystem::path& out, bool full);
/// `trust_studio`: a did:key whose counter-signature is to count here from now on.
nlohmann::json consent_import(project::Project& project, const std::string& subject,
                              const std::filesystem::path& file, const std::string& trust_studio);

}  // namespace likeness::tasks
