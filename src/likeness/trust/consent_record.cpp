// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/consent_record.h"

#include <algorithm>
#include <ctime>
#include <set>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/trust/jcs.h"
#include "likeness/trust/phrase.h"

namespace likeness::trust {
namespace {

using nlohmann::json;

constexpr int64_t kMaxValidDays = 3652;

[[noreturn]] void bad(const std::string& field, const std::string& why) {
  throw Error(ErrorCode::kBadInput, "the consent record is not valid: " + field + " " + why,
              "use the file as likeness wrote it");
}
[[noreturn]] void usage(const std::string& why, const std::string& hint) {
  throw Error(ErrorCode::kUsage, why, hint);
}

time_t seconds_of(const std::string& utc) {
  std::tm t{};
  t.tm_year = std::stoi(utc.substr(0, 4)) - 1900;
  t.tm_mon = std::stoi(utc.substr(5, 2)) - 1;
  t.tm_mday = std::stoi(utc.substr(8, 2));
  t.tm_hour = std::stoi(utc.substr(11, 2));
  t.tm_min = std::stoi(utc.substr(14, 2));
  t.tm_sec = std::stoi(utc.substr(17, 2));
  return ::timegm(&t);
}
std::string utc_of(time_t seconds) {
  std::tm t{};
  ::gmtime_r(&seconds, &t);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &t);
  return text;
}

// The shape of a record: field -> what it must be. Objects nest; '?' marks what may be missing.
enum class Kind { kText, kDid, kUtc, kHex64, kBool, kCount, kTexts, kObject, kArray, kAny };
struct Field {
  const char* name;
  Kind kind;
  bool needed = true;
};

void check_value(const json& v, Kind kind, const std::string& where) {
  switch (kind) {
    case Kind::kText:
      if (!v.is_string() || v.get_ref<const std::string&>().size() > 4000)
        bad(where, "must be text");
      return;
    case Kind::kDid:
      if (!v.is_string()) bad(where, "must be a did:key");
      PublicKey::from_did(v);
      return;
    case Kind::kUtc:
      if (!v.is_string() || !is_utc(v)) bad(where, "must be a time, 2026-01-31T12:00:00Z");
      return;
    case Kind::kHex64: {
      if (!v.is_string()) bad(where, "must be 64 hex digits");
      const auto bytes = hex_decode(v.get_ref<const std::string&>());
      if (!bytes || bytes->size() != 32) bad(where, "must be 64 hex digits");
      return;
    }
    case Kind::kBool:
      if (!v.is_boolean()) bad(where, "must be true or false");
      return;
    case Kind::kCount:
      if (!v.is_number_integer() || v < 0 || v > 1'000'000) bad(where, "must be a whole number");
      return;
    case Kind::kTexts:
      if (!v.is_array() || v.size() > 64) bad(where, "must be a list");
      for (const auto& t : v)
        if (!t.is_string() || t.get_ref<const std::string&>().size() > 200)
          bad(where, "must be a list of texts");
      return;
    case Kind::kObject:
      if (!v.is_object()) bad(where, "must be an object");
      return;
    case Kind::kArray:
      if (!v.is_array() || v.size() > 16) bad(where, "must be a short list");
      return;
    case Kind::kAny:
      return;
  }
}

void check_fields(const json& v, const std::string& where, const std::vector<Field>& fields) {
  if (!v.is_object()) bad(where, "must be an object");
  std::set<std::string> known;
  for (const Field& f : fields) {
    known.insert(f.name);
    const std::string name = where.empty() ? f.name : where + "." + f.name;
    if (!v.contains(f.name)) {
      if (f.needed) bad(name, "is missing");
      continue;
    }
    check_value(v[f.name], f.kind, name);
  }
  for (auto it = v.begin(); it != v.end(); ++it)
    if (!known.count(it.key())) bad(where + "." + it.key().substr(0, 60), "is unknown");
}

const std::vector<Field> kRecord = {{"@context", Kind::kTexts},
                                    {"type", Kind::kTexts},
                                    {"id", Kind::kText},
                                    {"issuer", Kind::kDid},
                                    {"validFrom", Kind::kUtc},
                                    {"validUntil", Kind::kUtc},
                                    {"credentialSubject", Kind::kObject},
                                    {"credentialStatus", Kind::kObject},
                                    {"evidence", Kind::kArray, false},
                                    {"biometricCommitment", Kind::kObject, false},
                                    {"proof", Kind::kArray, false}};
const std::vector<Field> kSubject = {{"id", Kind::kDid},           {"alias", Kind::kText},
                                     {"displayName", Kind::kText}, {"adult", Kind::kBool},
                                     {"capacity", Kind::kText},    {"basis", Kind::kText},
                                     {"modalities", Kind::kTexts}, {"operations", Kind::kTexts},
                                     {"scope", Kind::kObject},     {"terms", Kind::kObject}};
const std::vector<Field> kScope = {
    {"project", Kind::kText},     {"uses", Kind::kTexts},        {"excluded", Kind::kTexts},
    {"languages", Kind::kTexts},  {"territories", Kind::kTexts}, {"media", Kind::kTexts},
    {"maxOutputs", Kind::kCount}, {"sublicense", Kind::kBool},   {"trainingReuse", Kind::kBool}};
const std::vector<Field> kTerms = {{"description", Kind::kText},
                                   {"compensation", Kind::kText},
                                   {"counsel", Kind::kText},
                                   {"studio", Kind::kText}};
const std::vector<Field> kEvidence = {{"type", Kind::kText},
                                      {"sha256", Kind::kHex64, false},
                                      {"name", Kind::kText, false},
                                      {"nonce", Kind::kText, false},
                                      {"phrase", Kind::kText, false},
                                      {"capturedAt", Kind::kUtc},
                                      {"checks", Kind::kObject, false},
                                      {"models", Kind::kTexts, false},
                                      {"statement", Kind::kText, false},
                                      {"reviewer", Kind::kText}};
const std::vector<Field> kProof = {
    {"@context", Kind::kTexts}, {"type", Kind::kText},         {"cryptosuite", Kind::kText},
    {"created", Kind::kUtc},    {"proofPurpose", Kind::kText}, {"verificationMethod", Kind::kText},
    {"proofValue", Kind::kText}};

std::string evidence_type(const std::string& basis) {
  if (basis == "statement") return "SpokenPasscodeVideo";
  if (basis == "licence") return "LicenceDocument";
  if (basis == "estate") return "EstateDocument";
  return "SyntheticDeclaration";
}

json without(json document, const std::vector<const char*>& keys) {
  for (const char* k : keys) document.erase(k);
  return document;
}

std::string signing_input(const json& document, const json& proof) {
  const auto options = sha256_bytes(canonical_json(without(proof, {"proofValue"})));
  const auto text = sha256_bytes(canonical_json(without(document, {"proof"})));
  std::string out(options.begin(), options.end());
  out.append(text.begin(), text.end());
  return out;
}

}  // namespace

bool is_utc(const std::string& text) {
  static const std::string kForm = "dddd-dd-ddTdd:dd:ddZ";
  if (text.size() != kForm.size()) return false;
  for (size_t i = 0; i < text.size(); ++i)
    if (kForm[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != kForm[i]) return false;
  if (text < "1970-01-01T00:00:00Z") return false;
  return utc_of(seconds_of(text)) == text;  // the 31st of February comes out otherwise
}

std::string utc_plus(const std::string& utc, int64_t seconds) {
  if (!is_utc(utc)) bad("time", "must be like 2026-01-31T12:00:00Z");
  return utc_of(seconds_of(utc) + seconds);
}

std::string new_uuid() {
  auto b = random_bytes(16);
  b[6] = static_cast<uint8_t>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<uint8_t>((b[8] & 0x3f) | 0x80);
  const std::string h = hex(b);
  return h.substr(0, 8) + "-" + h.substr(8, 4) + "-" + h.substr(12, 4) + "-" + h.substr(16, 4) +
         "-" + h.substr(20);
}

json consent_terms_json(const ConsentTerms& t, const std::string& id, const std::string& project,
                        const std::string& subject, const std::string& name_hash,
                        const PublicKey& person, const std::string& now) {
  if (!t.adult)
    usage("a consent needs adult: nobody under age can agree to this",
          "say --adult when the person is of age; there is no way for minors");
  if (t.description.empty() && t.basis != "synthetic")
    usage("the consent does not say what it is for",
          "say --description \"…\", specific enough that the person knows what will be made");
  if (t.capacity == "guardian")
    usage("a guardian cannot agree for somebody else's face or voice", "only the person can");
  const std::string from = t.valid_from.empty() ? now : t.valid_from;
  if (!is_utc(from)) usage("--valid-from is not a time", "write it like 2026-01-31T12:00:00Z");
  const std::string until =
      t.valid_until.empty() ? utc_plus(from, int64_t{86400} * t.valid_days) : t.valid_until;
  if (!is_utc(until)) usage("--valid-until is not a time", "write it like 2027-01-31T12:00:00Z");
  if (until <= from)
    usage("the consent would end before it begins", "choose a later --valid-until");
  if (until > utc_plus(from, 86400 * kMaxValidDays))
    usage("a consent can hold for ten years at most", "choose an earlier --valid-until");
  if (t.modalities.empty() || t.operations.empty())
    usage("the consent names no modality or no operation", "say --modalities and --operations");
  const std::string did = person.did();
  return {{"@context", {kVcContext, kConsentContext}},
          {"type", {"VerifiableCredential", "LikenessConsent"}},
          {"id", "urn:uuid:" + id},
          {"issuer", did},
          {"validFrom", from},
          {"validUntil", until},
          {"credentialSubject",
           {{"id", did},
            {"alias", subject},
            {"displayName", name_hash},
            {"adult", true},
            {"capacity", t.basis == "estate" ? "estate" : t.capacity},
            {"basis", t.basis},
            {"modalities", t.modalities},
            {"operations", t.operations},
            {"scope",
             {{"project", project},
              {"uses", t.uses},
              {"excluded", t.excluded},
              {"languages", t.languages},
              {"territories", t.territories},
              {"media", t.media},
              {"maxOutputs", t.max_outputs},
              {"sublicense", t.sublicense},
              {"trainingReuse", t.training_reuse}}},
            {"terms",
             {{"description", t.description},
              {"compensation", t.compensation},
              {"counsel", t.counsel},
              {"studio", t.studio}}}}},
          {"credentialStatus",
           {{"id", "urn:uuid:" + id + "#revocation"}, {"type", "LikenessRevocationStatement"}}}};
}

void check_record(const json& r) {
  check_fields(r, "", kRecord);
  const auto& s = r["credentialSubject"];
  check_fields(s, "credentialSubject", kSubject);
  check_fields(s["scope"], "credentialSubject.scope", kScope);
  check_fields(s["terms"], "credentialSubject.terms", kTerms);
  check_fields(r["credentialStatus"], "credentialStatus",
               {{"id", Kind::kText}, {"type", Kind::kText}});
  if (r["@context"] != json({kVcContext, kConsentContext})) bad("@context", "is another");
  if (r["type"] != json({"VerifiableCredential", "LikenessConsent"})) bad("type", "is another");
  if (r["id"].get<std::string>().rfind("urn:uuid:", 0) != 0 ||
      r["id"].get<std::string>().size() != 45)
    bad("id", "must be urn:uuid:…");
  if (r["issuer"] != s["id"]) bad("issuer", "must be the person");
  const std::string basis = s["basis"];
  if (basis != "statement" && basis != "licence" && basis != "synthetic" && basis != "estate")
    bad("credentialSubject.basis", "is unknown");
  if (r.contains("biometricCommitment"))
    check_fields(r["biometricCommitment"], "biometricCommitment",
                 {{"face", Kind::kHex64, false}, {"voice", Kind::kHex64, false}});
  if (r.contains("evidence"))
    for (const auto& e : r["evidence"]) {
      check_fields(e, "evidence", kEvidence);
      if (e["type"] != evidence_type(basis)) bad("evidence.type", "does not fit the basis");
    }
  if (r.contains("proof"))
    for (const auto& p : r["proof"]) check_fields(p, "proof", kProof);
}

std::string terms_text(const json& record) {
  return canonical_json(without(record, {"evidence", "biometricCommitment", "proof"}));
}
std::string record_digest(const json& record) { return sha256(canonical_json(record)); }

void add_proof(json& document, const SigningKey& key, const std::string& created) {
  json proof = {{"@context", document.at("@context")},
                {"type", "DataIntegrityProof"},
                {"cryptosuite", "eddsa-jcs-2022"},
                {"created", created},
                {"proofPurpose", "assertionMethod"},
                {"verificationMethod", key.public_key().verification_method()}};
  proof["proofValue"] = "z" + base58(key.sign(signing_input(document, proof)));
  document["proof"].push_back(std::move(proof));
}

std::string proof_signer(const json& proof) {
  check_fields(proof, "proof", kProof);
  const std::string method = proof["verificationMethod"];
  const PublicKey key = PublicKey::from_did(method.substr(0, method.find('#')));
  if (key.verification_method() != method) bad("proof.verificationMethod", "is not a did:key");
  return key.did();
}

bool proof_holds(const json& document, const json& proof) {
  const PublicKey key = PublicKey::from_did(proof_signer(proof));
  const std::string value = proof["proofValue"];
  if (proof["type"] != "DataIntegrityProof" || proof["cryptosuite"] != "eddsa-jcs-2022" ||
      proof["proofPurpose"] != "assertionMethod" || proof["@context"] != document.at("@context") ||
      value.empty() || value[0] != 'z')
    return false;
  const auto signature = base58_decode(std::string_view(value).substr(1));
  return signature && key.verify(signing_input(document, proof), *signature);
}

bool all_hold(const std::vector<Finding>& findings) {
  return std::all_of(findings.begin(), findings.end(), [](const Finding& f) { return f.ok; });
}

std::vector<Finding> examine_record(const json& r, const std::string& now,
                                    const std::vector<std::string>& studios) {
  std::vector<Finding> out;
  auto say = [&](const char* rule, bool ok, const std::string& good, const std::string& wrong) {
    out.push_back({rule, ok, ok ? good : wrong});
  };
  const std::string person = r["issuer"], from = r["validFrom"], until = r["validUntil"];
  bool by_person = false, by_studio = false, all_hold = r.contains("proof");
  std::string studio;
  if (r.contains("proof"))
    for (const auto& p : r["proof"]) {
      const std::string signer = proof_signer(p);
      all_hold = all_hold && proof_holds(r, p);
      if (signer == person)
        by_person = true;
      else if (studios.empty() ||
               std::find(studios.begin(), studios.end(), signer) != studios.end())
        by_studio = true, studio = signer;
      else
        studio = signer;
    }
  say("consent-signature", all_hold && by_person, "signed by the person's key",
      all_hold ? "the person's signature is missing"
               : "a signature does not fit: the record was changed after it was signed");
  say("consent-studio", all_hold && by_studio, "counter-signed by the studio " + studio,
      studio.empty() ? "the studio's counter-signature is missing"
                     : "counter-signed by a studio that is not trusted here: " + studio);
  const auto& s = r["credentialSubject"];
  say("consent-adult", s["adult"] == true, "of age",
      "the record does not say that the person is of age");
  say("consent-not-yet-valid", from <= now, "valid from " + from, "valid only from " + from);
  say("consent-expired", now <= until, "valid until " + until, "expired at " + until);
  say("consent-duration", until <= utc_plus(from, 86400 * kMaxValidDays) && from < until,
      "at most ten years", "it would hold for more than ten years");
  const bool has = r.contains("evidence") && r["evidence"].size() == 1;
  bool fits = has;
  std::string why = "the evidence is missing";
  if (has) {
    const auto& e = r["evidence"][0];
    if (s["basis"] == "statement") {
      fits = e.contains("nonce") && e.contains("phrase") && e.contains("sha256") &&
             e.contains("checks") &&
             e["phrase"] == phrase_of(terms_text(r), e["nonce"].get<std::string>());
      why = "the words that were read do not belong to these terms";
    } else if (s["basis"] == "licence" || s["basis"] == "estate") {
      fits = e.contains("sha256");
      why = "the document's hash is missing";
    }
  }
  const std::string words = words_told(r);
  say("consent-evidence", fits, "evidence fits the terms" + (words.empty() ? "" : "; " + words),
      why);
  return out;
}

std::string words_told(const json& record) {
  const auto text = [](const json& j, const char* key) {
    return j.is_object() && j.contains(key) && j[key].is_string() ? j[key].get<std::string>() : "";
  };
  const json none;
  const auto member = [&](const json& j, const char* key) -> const json& {
    return j.is_object() && j.contains(key) ? j[key] : none;
  };
  const json& evidence = member(record, "evidence");
  if (!evidence.is_array() || evidence.empty()) return "";
  const json& t = member(member(evidence[0], "checks"), "transcript");
  const std::string method = text(t, "method"), by = "\"" + text(t, "by") + "\"";
  if (method == "recogniser") return "the words were heard by the recogniser";
  if (method == "reviewer") return "the words were confirmed by " + by + "; no recogniser listened";
  if (method != "reviewer-despite-recogniser") return "";
  const json& heard = member(t, "recogniser");
  return "the words were confirmed by " + by + " although the recogniser heard " +
         member(heard, "wordsRight").dump() + " of " + member(heard, "words").dump() +
         ", because: \"" + text(t, "reason") + "\"";
}

json make_revocation(const json& record, const SigningKey& key, const std::string& reason,
                     const std::string& now) {
  json r = {{"@context", record.at("@context")},
            {"type", "LikenessRevocation"},
            {"id", record.at("credentialStatus").at("id")},
            {"consent", record.at("id")},
            {"recordDigest", record_digest(record)},
            {"reason", reason},
            {"revokedAt", now}};
  add_proof(r, key, now);
  return r;
}

bool revocation_holds(const json& v, const json& record, const std::vector<std::string>& studios) {
  if (!v.is_object() || !v.contains("proof") || !v["proof"].is_array() || v["proof"].size() != 1 ||
      !v.contains("@context") || v.value("consent", "") != record.at("id") ||
      v.value("type", "") != "LikenessRevocation")
    return false;
  const std::string signer = proof_signer(v["proof"][0]);
  const bool known = signer == record.at("issuer") ||
                     std::find(studios.begin(), studios.end(), signer) != studios.end();
  return known && proof_holds(v, v["proof"][0]);
}

}  // namespace likeness::trust
