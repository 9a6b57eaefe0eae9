// SPDX-License-Identifier: Apache-2.0
// Parts of verify(): what a manifest says, whether the consents it names hold, and the words for
// it.
#pragma once

#include "likeness/trust/verify.h"

namespace likeness::trust {

/// From c2pa-rs's report: {state: trusted | valid | invalid, label, signer, signer_known, issuer,
/// signed_at, generator, claims_ai, watermark, mark_state, actions: [{action, source_type, when,
/// words}], ingredients:
/// [{title, relationship, state}], consents: [...], sequence, failures: [{code, words}]}. Never
/// throws for odd content: missing or mistyped fields are left out.
nlohmann::json describe_manifest(const nlohmann::json& report);

/// For each identity of the manifest's consent assertion: {role, basis, consentId, ..., state:
/// holds | broken | not-here | no-person, why}.
nlohmann::json check_consents(const nlohmann::json& manifest,
                              const std::vector<std::filesystem::path>& projects);

/// Lines of the projects' ledgers about this file: by its hash or by the id of its mark.
nlohmann::json ledger_lines(const std::filesystem::path& path, const Evidence& evidence,
                            const std::vector<std::filesystem::path>& projects);

/// The mark in picture or sound, quick first: {looked, found, id, confidence, reason}; sets what
/// `evidence` holds of it. `as_framed`: its manifest speaks of a mark, so it was not cropped since.
/// `rate`: [num, den] of an image sequence, null when not known.
nlohmann::json read_mark(const std::filesystem::path& path, const std::string& mime, bool as_framed,
                         const nlohmann::json& rate, Evidence& evidence);

/// Fills verdict, summary and advice.
void explain(Verification& verification, const Evidence& evidence);

}  // namespace likeness::trust
