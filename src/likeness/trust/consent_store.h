// SPDX-License-Identifier: Apache-2.0
// Consent records of a project: consents/ID/ holds record.json, private.sealed (the person's name,
// salts and face template, under the consent's key), evidence.sealed or document.sealed, and after
// a revocation revocation.json. consents/requests/ID.json is a request that waits for its video.
//
// Which record counts for a subject is decided by the project's signed ledger, not by what lies in
// the folder: lines "consent-requested", "consent-recorded", "consent-revoked", "material-key",
// "subject-declared".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "likeness/base/sealed_file.h"
#include "likeness/project/project.h"
#include "likeness/trust/consent_record.h"
#include "likeness/trust/ledger.h"

namespace likeness::trust {

/// What the ledger says about one subject.
struct SubjectHistory {
  bool is_person = false;       ///< was ever declared or used as one
  std::string key;              ///< of its material; empty = none made yet
  std::string consent, digest;  ///< of the newest record; empty = none
  std::string recorded_at;
  bool revoked = false;  ///< the newest record is
  std::string revoked_at;
};
SubjectHistory subject_history(const std::vector<LedgerEntry>& ledger, const std::string& subject);
/// Ids of the subject's records, oldest first.
std::vector<std::string> consent_ids(const std::vector<LedgerEntry>& ledger,
                                     const std::string& subject);

struct PrivatePart {
  std::string name, salt;   ///< displayName = HMAC(salt, name); hex salt
  std::vector<float> face;  ///< template: mean embedding of the evidence
  nlohmann::json to_json() const;
  static PrivatePart from_json(const nlohmann::json& j);  ///< throws kDamaged
};
/// "Anna" -> 64 hex digits
std::string name_hash(const std::string& salt, const std::string& name);
/// HMAC-SHA256 over the template's float32 bytes.
std::string face_commitment(const std::string& salt, const std::vector<float>& face);

std::filesystem::path consents_folder(const project::Project& project);
std::filesystem::path consent_folder(const project::Project& project, const std::string& id);
std::filesystem::path request_path(const project::Project& project, const std::string& id);

struct StoredConsent {
  std::string id;
  nlohmann::json record;
  std::optional<nlohmann::json> revocation;
};
/// Throws kNotFound (no such record), kBadInput, kDamaged.
StoredConsent load_consent(const project::Project& project, const std::string& id);

/// Everything of a record at once: built under a temporary name and renamed, so that a kill leaves
/// either the whole record or none. `evidence` is the plain file to be sealed into it (may be
/// empty).
void store_consent(const project::Project& project, const std::string& id,
                   const nlohmann::json& record, const PrivatePart& secret,
                   const std::optional<SealKey>& key, const std::filesystem::path& evidence);
PrivatePart load_private(const project::Project& project, const std::string& id,
                         const SealKey& key);
/// SHA-256 of the sealed evidence's plain bytes; empty when there is none. Throws kDamaged.
std::string stored_evidence_hash(const project::Project& project, const std::string& id,
                                 const SealKey& key);
/// Plain evidence into memory. Throws kNotFound.
std::string load_evidence(const project::Project& project, const std::string& id,
                          const SealKey& key);

/// The subject's key, made (and written into the ledger) when there is none yet.
SealKey material_key(const project::Project& project, const std::string& subject,
                     const SubjectHistory& history);
/// Writes down who was declared what, once; so that a later change in the database is seen.
void declare_subject(const project::Project& project, const project::Subject& subject);
/// Adds a subject to the project and declares it: both or, where the ledger refuses, neither. Gives
/// it as stored. Throws as Project::add_subject() and declare_subject().
project::Subject add_declared_subject(project::Project& project, const project::Subject& subject);

}  // namespace likeness::trust
