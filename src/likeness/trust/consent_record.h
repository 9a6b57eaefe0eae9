// SPDX-License-Identifier: Apache-2.0
// A consent record: a W3C Verifiable Credential 2.0 in JSON, signed by the person and
// counter-signed by the studio (a proof set of Data Integrity proofs, cryptosuite eddsa-jcs-2022).
// Fields: docs/guide/consent.md. Times are UTC, "2026-01-31T12:00:00Z", and compare as text.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/options.h"
#include "likeness/trust/keys.h"

namespace likeness::trust {

/// What is asked for. Empty lists of uses, languages, territories and media mean "any".
struct ConsentTerms {
  std::string basis = "statement", name, capacity = "self";
  bool adult = false;
  std::vector<std::string> modalities = {"face"}, operations = {"train", "faceswap"};
  std::vector<std::string> uses, excluded = {"sexual", "political", "endorsement", "defamatory"};
  std::vector<std::string> languages, territories, media;
  int max_outputs = 0;
  bool sublicense = false, training_reuse = false;
  std::string description, compensation, counsel = "none", studio;
  int valid_days = 365;
  std::string valid_from, valid_until;
};
template <typename V>
void visit(ConsentTerms& o, V&& f) {
  using I = OptionInfo;
  f("basis", o.basis,
    I{.help = "what the consent rests on",
      .choices = {"statement", "licence", "synthetic", "estate"}});
  f("name", o.name, I{.help = "the person's name, for the script; kept in the project only"});
  f("capacity", o.capacity,
    I{.help = "who agrees", .choices = {"self", "guardian", "estate", "agent"}});
  f("adult", o.adult, I{.help = "the person is of age; without it nothing can be recorded"});
  f("modalities", o.modalities,
    I{.help = "what of the person is used", .choices = {"face", "voice", "body"}});
  f("operations", o.operations,
    I{.help = "what may be done",
      .choices = {"train", "faceswap", "avatar", "lipsync", "voiceclone", "edit"}});
  f("uses", o.uses, I{.help = "what the results are for: film, ads, internal, education (any)"});
  f("excluded", o.excluded, I{.help = "what they are never for"});
  f("languages", o.languages, I{.help = "languages the person may be heard in (any)"});
  f("territories", o.territories, I{.help = "where results may be shown: EU, US (any)"});
  f("media", o.media, I{.help = "web, tv, cinema (any)"});
  f("max_outputs", o.max_outputs, I{.help = "most outputs, 0 = no limit", .min = 0, .max = 1e6});
  f("sublicense", o.sublicense, I{.help = "others may be given the right"});
  f("training_reuse", o.training_reuse, I{.help = "material may train models of other people"});
  f("description", o.description, I{.help = "what is intended, reasonably specific"});
  f("compensation", o.compensation, I{.help = "what the person gets"});
  f("counsel", o.counsel, I{.help = "who advised the person: a name, union, none"});
  f("studio", o.studio, I{.help = "name of the studio, for the script"});
  f("valid_days", o.valid_days,
    I{.help = "how long it holds", .unit = "days", .min = 1, .max = 3650});
  f("valid_from", o.valid_from,
    I{.help = "first moment, UTC (now)", .level = OptionLevel::kAdvanced});
  f("valid_until", o.valid_until,
    I{.help = "last moment, UTC, instead of valid_days", .level = OptionLevel::kAdvanced});
}

inline constexpr const char* kVcContext = "https://www.w3.org/ns/credentials/v2";
inline constexpr const char* kConsentContext = "urn:likeness:consent:v1";

/// True for "YYYY-MM-DDTHH:MM:SSZ" of a real day.
bool is_utc(const std::string& text);
/// `utc` plus seconds. Throws kBadInput.
std::string utc_plus(const std::string& utc, int64_t seconds);
std::string new_uuid();

/// The record without evidence, commitment and proofs: what the phrase is made from. Throws kUsage
/// for terms that cannot be recorded (a minor, no description for a person, over ten years).
nlohmann::json consent_terms_json(const ConsentTerms& terms, const std::string& id,
                                  const std::string& project, const std::string& subject,
                                  const std::string& name_hash, const PublicKey& person,
                                  const std::string& now);

/// Checks every field's type and range, and that there is none we do not know. Throws kBadInput
/// that names the field.
void check_record(const nlohmann::json& record);
/// JCS of the record without evidence, biometricCommitment and proof.
std::string terms_text(const nlohmann::json& record);
/// SHA-256 of the JCS text of the whole record: its name in grants, ledger and manifests.
std::string record_digest(const nlohmann::json& record);

/// Adds a proof to the proof set. eddsa-jcs-2022: signature over SHA-256(JCS(proof options)) ||
/// SHA-256(JCS(document without proof)).
void add_proof(nlohmann::json& document, const SigningKey& key, const std::string& created);
/// Throws kBadInput (not such a proof), gives false when the signature does not fit.
bool proof_holds(const nlohmann::json& document, const nlohmann::json& proof);
/// did:key of a proof's verification method.
std::string proof_signer(const nlohmann::json& proof);

/// How the words of a statement were checked, in words; empty for other evidence.
std::string words_told(const nlohmann::json& record);

/// One named rule and whether the record keeps it.
struct Finding {
  std::string rule;
  bool ok = false;
  std::string text;
};
bool all_hold(const std::vector<Finding>& findings);
/// Everything that can be said of the record alone: signatures, phrase, dates, adult. `now` UTC;
/// `studios`: whose counter-signature counts, empty = any. First check_record().
std::vector<Finding> examine_record(const nlohmann::json& record, const std::string& now,
                                    const std::vector<std::string>& studios);

/// A revocation statement, signed by the person or the studio. Throws kBadInput.
nlohmann::json make_revocation(const nlohmann::json& record, const SigningKey& key,
                               const std::string& reason, const std::string& now);
bool revocation_holds(const nlohmann::json& revocation, const nlohmann::json& record,
                      const std::vector<std::string>& studios);

}  // namespace likeness::trust
