// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/gate.h"

#include <algorithm>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/jcs.h"
#include "likeness/trust/vault.h"

namespace likeness::trust {
namespace {

using nlohmann::json;

/// `who` empty: it is not about one person.
[[noreturn]] void refuse(const Request& r, const std::string& who, const std::string& rule,
                         const std::string& why, const std::string& hint) {
  throw Error(ErrorCode::kRefused,
              (r.preview ? "the preview of a " : "") + std::string(operation_name(r.operation)) +
                  (who.empty() ? "" : " of '" + who + "'") + " is refused (" + rule + "): " + why,
              hint);
}

bool has(const json& list, const std::string& word) {
  return std::find(list.begin(), list.end(), json(word)) != list.end();
}

/// What project.toml says about the results: [consent] uses = ["film"], languages, territories.
std::vector<std::string> stated(const project::Project& project, const char* key,
                                std::vector<std::string> by_task) {
  const json config = project.config();
  if (config.contains("consent") && config["consent"].is_object() &&
      config["consent"].contains(key)) {
    const json& v = config["consent"][key];
    if (v.is_string()) by_task.push_back(v);
    if (v.is_array())
      for (const auto& word : v)
        if (word.is_string()) by_task.push_back(word);
  }
  return by_task;
}

/// Outputs made so far under a consent.
int64_t outputs_made(const std::vector<LedgerEntry>& ledger, const std::string& consent) {
  int64_t n = 0;
  for (const auto& e : ledger) {
    if (e.type != "output" || !e.body.is_object() || !e.body.contains("grant")) continue;
    const json& grant = e.body["grant"];
    if (!grant.is_object() || grant.value("operation", "") == "train" ||
        grant.value("operation", "") == "analyse" || !grant.contains("subjects"))
      continue;
    for (const auto& s : grant["subjects"])
      if (s.is_object() && s.contains("consent") && s["consent"].value("id", "") == consent) {
        ++n;
        break;
      }
  }
  return n;
}

class Assessor {
 public:
  Assessor(const project::Project& project, const std::vector<LedgerEntry>& ledger,
           const std::string& subject, const Request* request)
      : project_(project), ledger_(ledger), subject_(subject), request_(request) {}

  Assessment run() {
    const SubjectHistory h = subject_history(ledger_, subject_);
    if (!say("person-needs-consent-record", !h.consent.empty(), "recorded " + h.recorded_at,
             "a real person must have agreed, and there is no consent record of '" + subject_ +
                 "' in this project"))
      return std::move(out_);
    if (!say("consent-revoked", !h.revoked, "not revoked", "it was revoked at " + h.revoked_at) ||
        !load(h) || !signatures() || !revocation() || !scope() || !outputs(h) || !material(h))
      return std::move(out_);
    return std::move(out_);
  }

 private:
  bool say(const char* rule, bool ok, const std::string& good, const std::string& wrong) {
    out_.findings.push_back({rule, ok, ok ? good : wrong});
    return ok;
  }

  bool load(const SubjectHistory& h) {
    try {
      out_.consent = load_consent(project_, h.consent);
      check_record(out_.consent.record);
    } catch (const Error& e) {
      return say(
          e.code() == ErrorCode::kNotFound ? "consent-record-missing" : "consent-record-changed",
          false, "", e.what());
    }
    return say("consent-record-changed", record_digest(out_.consent.record) == h.digest,
               "the record is the one the ledger knows",
               "the record is not the one that the ledger knows");
  }

  bool signatures() {
    for (auto& f : examine_record(record(), gate_time(ledger_), trusted_studios())) {
      out_.findings.push_back(f);
      if (!f.ok) return false;
    }
    return true;
  }

  bool revocation() {
    // One that does not hold still makes the record doubtful: no use either way.
    return say("consent-revoked", !out_.consent.revocation, "no revocation beside it",
               "a revocation lies beside the record");
  }

  bool scope() {
    const json& s = record()["credentialSubject"];
    const std::string project = s["scope"]["project"];
    if (!say("consent-other-subject", s["alias"] == subject_, "about '" + subject_ + "'",
             "the record is about another subject") ||
        !say("consent-other-project", project == "*" || project == project_.name(),
             "for this project", "the record is for the project '" + project + "'"))
      return false;
    if (!request_) return true;
    const std::string operation = consent_operation(request_->operation);
    return say("consent-operation", has(s["operations"], operation), operation + " is agreed",
               "the person has not agreed to " + operation) &&
           say("consent-modality", has(s["modalities"], request_->modality),
               request_->modality + " is agreed",
               "the person has not agreed to the use of the " + request_->modality) &&
           uses(s["scope"]);
  }

  bool uses(const json& scope) {
    for (const auto& use : stated(project_, "uses", request_->uses))
      if (!say("consent-use",
               !has(scope["excluded"], use) && (scope["uses"].empty() || has(scope["uses"], use)),
               use + " is agreed", "the person has not agreed to the use '" + use + "'"))
        return false;
    // New York S.8420-A: advertisements with synthetic performers say so.
    const json purposes = stated(project_, "uses", request_->uses);
    if (request_->operation == Operation::kSwap && !request_->preview && has(purposes, "ads") &&
        !say("label-for-ads", request_->label != "none", "labelled " + request_->label,
             "advertisements need a visible label: add --label eu, us-ca, cn or kr-in"))
      return false;
    for (const auto& language : stated(project_, "languages", request_->languages))
      if (!say("consent-language", scope["languages"].empty() || has(scope["languages"], language),
               language + " is agreed", "the language '" + language + "' is not agreed"))
        return false;
    for (const auto& territory : stated(project_, "territories", request_->territories))
      if (!say("consent-territory",
               scope["territories"].empty() || has(scope["territories"], territory),
               territory + " is agreed", "the territory '" + territory + "' is not agreed"))
        return false;
    return true;
  }

  bool outputs(const SubjectHistory& h) {
    const int64_t most = record()["credentialSubject"]["scope"]["maxOutputs"];
    if (most == 0 || !request_ || request_->operation == Operation::kTrain) return true;
    const int64_t made = outputs_made(ledger_, "urn:uuid:" + h.consent);
    return say("consent-outputs", made < most,
               std::to_string(made) + " of " + std::to_string(most) + " outputs made",
               "all " + std::to_string(most) + " agreed outputs were made");
  }

  bool material(const SubjectHistory& h) {
    try {
      out_.key = vault_key(h.key, subject_);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kRefused) throw;
      const std::string text = e.what();
      const size_t open = text.find('('), close = text.find(')');
      const std::string rule = open != std::string::npos && close != std::string::npos
                                   ? text.substr(open + 1, close - open - 1)
                                   : "consent-key";
      return say(rule.c_str(), false, "", text.substr(text.find(": ") + 2));
    }
    try {
      const PrivatePart secret = load_private(project_, h.consent, *out_.key);
      const json& r = record();
      if (!say("consent-name",
               r["credentialSubject"]["displayName"] == name_hash(secret.salt, secret.name),
               "the name fits", "the name kept beside the record is not the one in it"))
        return false;
      const std::string face =
          r.contains("biometricCommitment") ? r["biometricCommitment"].value("face", "") : "";
      if (!say("consent-face", !face.empty() && face == face_commitment(secret.salt, secret.face),
               "the face template fits the record",
               "the face template is not the one the record was signed for"))
        return false;
      out_.face = secret.face;
      const json& e = r["evidence"][0];
      return say("consent-evidence-changed",
                 !e.contains("sha256") ||
                     stored_evidence_hash(project_, h.consent, *out_.key) == e["sha256"],
                 "the evidence is unchanged", "the stored evidence is not what was signed");
    } catch (const Error& e) {
      return say("consent-evidence-changed", false, "", e.what());
    }
  }

  const json& record() const { return out_.consent.record; }

  const project::Project& project_;
  const std::vector<LedgerEntry>& ledger_;
  const std::string& subject_;
  const Request* request_;
  Assessment out_;
};

std::string hint_for(const std::string& rule, const std::string& subject) {
  if (rule == "person-needs-consent-record" || rule == "consent-expired" ||
      rule == "consent-revoked" || rule == "consent-key-destroyed")
    return "ask for it with: likeness consent request PROJECT " + subject;
  if (rule.rfind("consent-key", 0) == 0)
    return "import the consent with its key: likeness consent import PROJECT BUNDLE";
  if (rule == "consent-operation" || rule == "consent-modality" || rule == "consent-use" ||
      rule == "consent-language" || rule == "consent-territory" || rule == "consent-outputs")
    return "see what was agreed with: likeness consent show PROJECT " + subject +
           "; for more, ask again with: likeness consent request";
  return "see: likeness consent verify PROJECT " + subject;
}

/// What one subject adds to a grant.
struct Admission {
  std::string rule;
  std::optional<SealKey> key;
  std::optional<GrantedConsent> consent;
  std::vector<float> face;
};

Admission admit_person(const project::Project& project, const std::vector<LedgerEntry>& ledger,
                       const Request& r, const std::string& subject) {
  Admission a;
  if (r.operation == Operation::kAnalyse) {
    // Finding faces makes nothing; it is also what the evidence is compared against.
    const SubjectHistory h = subject_history(ledger, subject);
    if (h.revoked && h.key != "" && !vault_has(h.key))
      refuse(r, subject, "consent-revoked", "it was revoked at " + h.revoked_at,
             hint_for("consent-revoked", subject));
    a.rule = "analysis-only";
    a.key = material_key(project, subject, h);
    return a;
  }
  Assessment found = assess_consent(project, ledger, subject, &r);
  for (const Finding& f : found.findings)
    if (!f.ok) refuse(r, subject, f.rule, f.text, hint_for(f.rule, subject));
  LIKENESS_REQUIRE(found.key.has_value());
  const json& record = found.consent.record;
  a.rule = "consent-record";
  a.key = found.key;
  a.face = found.face;
  a.consent = GrantedConsent{subject,
                             record["id"],
                             record_digest(record),
                             record["validUntil"],
                             PublicKey::from_did(record["issuer"]).thumbprint(),
                             record["credentialSubject"]["operations"]};
  return a;
}

/// The rule that lets this subject be used so; throws when none does.
Admission admit(const project::Project& project, const std::vector<LedgerEntry>& ledger,
                const Request& r, const project::Subject& s) {
  if (s.kind != project::SubjectKind::kPerson && subject_history(ledger, s.name).is_person)
    refuse(r, s.name, "declaration-changed",
           "the ledger knows '" + s.name + "' as a person, the database says " +
               project::subject_kind_name(s.kind),
           "restore project.db from a copy, or add somebody else under another name");
  switch (s.kind) {
    case project::SubjectKind::kSynthetic:
      if (s.declared_by.empty() || s.declared_at.empty()) break;
      return {"synthetic-declared", {}, {}, {}};
    case project::SubjectKind::kLicensed:
      if (s.licence.empty())
        refuse(r, s.name, "licensed-needs-licence", "its licence is not recorded",
               "remove the subject and add it again with --licence \"…\"");
      if (s.declared_by.empty() || s.declared_at.empty()) break;
      return {"licensed-declared", {}, {}, {}};
    case project::SubjectKind::kPerson:
      return admit_person(project, ledger, r, s.name);
  }
  refuse(r, s.name, "declaration-missing", "who declared its kind, and when, is not recorded",
         "remove the subject and add it again with: likeness subject add PROJECT NAME --kind …");
}

}  // namespace

const char* operation_name(Operation operation) {
  switch (operation) {
    case Operation::kAnalyse:
      return "analyse";
    case Operation::kTrain:
      return "train";
    case Operation::kSwap:
      return "swap";
    case Operation::kSpeak:
      return "speak";
    case Operation::kConvert:
      return "convert";
  }
  return "unknown";
}
const char* consent_operation(Operation operation) {
  if (operation == Operation::kSpeak || operation == Operation::kConvert) return "voiceclone";
  return operation == Operation::kSwap ? "faceswap" : operation_name(operation);
}
const char* role_name(Role role) {
  switch (role) {
    case Role::kIdentity:
      return "identity";
    case Role::kPerformer:
      return "performer";
    case Role::kFootage:
      return "footage";
  }
  return "unknown";
}

std::string gate_time(const std::vector<LedgerEntry>& ledger) {
  const std::string now = project::now_utc();
  return ledger.empty() ? now : std::max(now, ledger.back().at);
}

Assessment assess_consent(const project::Project& project, const std::vector<LedgerEntry>& ledger,
                          const std::string& subject, const Request* request) {
  return Assessor(project, ledger, subject, request).run();
}

void Grant::require(const Request& wanted) const {
  bool fits = wanted.operation == request_.operation && wanted.modality == request_.modality &&
              (wanted.preview || !request_.preview);
  for (const SubjectUse& use : wanted.subjects)
    fits = fits && std::any_of(request_.subjects.begin(), request_.subjects.end(),
                               [&](const SubjectUse& mine) {
                                 return mine.subject == use.subject && mine.role == use.role;
                               });
  if (!fits)
    refuse(wanted, "", "grant-of-another-task", "the grant is for another task or other people",
           "start the work through the program: it asks for the grant of this task");
}

void Grant::seal_folder(const std::filesystem::path& folder) const {
  if (!seals_.empty()) seals_.front()->cover_folder(folder);
}

Grant authorise(const project::Project& project, const Request& request) {
  const Ledger book(ledger_path(project));
  const auto ledger = book.read();
  if (const LedgerReport report = book.verify(trusted_studios()); !report.ok)
    refuse(request, "", "ledger-changed", report.problems.front(),
           "see: likeness ledger verify PROJECT; restore ledger.jsonl and ledger.head.json");
  Grant grant;
  bool has_identity = false;
  json subjects = json::array();
  std::map<std::string, SealKey> keys;
  for (const SubjectUse& use : request.subjects) {
    has_identity = has_identity || use.role == Role::kIdentity;
    const project::Subject s = project.subject(use.subject);
    Admission a = admit(project, ledger, request, s);
    json row = {{"name", s.name},
                {"role", role_name(use.role)},
                {"kind", project::subject_kind_name(s.kind)},
                {"licence", s.licence},
                {"declared_by", s.declared_by},
                {"declared_at", s.declared_at},
                {"rule", a.rule}};
    if (a.consent) {
      row["consent"] = {{"id", a.consent->id},
                        {"digest", a.consent->digest},
                        {"valid_until", a.consent->valid_until},
                        {"subject_key_thumbprint", a.consent->subject_key_thumbprint}};
      grant.consents_.push_back(*a.consent);
      grant.faces_[s.name] = a.face;
    }
    if (a.key) keys[s.name] = *a.key;
    subjects.push_back(std::move(row));
  }
  if (request.operation != Operation::kAnalyse && !has_identity)
    refuse(request, "", "identity-not-named", "the task does not say whose likeness it makes",
           "name the subject with --identity");
  grant.request_ = request;
  grant.record_ = {{"task", request.task},
                   {"operation", operation_name(request.operation)},
                   {"modality", request.modality},
                   {"issued_at", project::now_utc()},
                   {"subjects", std::move(subjects)}};
  if (request.preview) grant.record_["preview"] = true;
  grant.id_ = sha256(grant.record_.dump()).substr(0, 32);
  grant.record_["id"] = grant.id_;
  if (keys.empty()) return grant;
  // Work and models hold all persons of the task and need all their keys; a faceset only its own.
  json label = {{"task", request.task}, {"subjects", json::array()}};
  for (const auto& use : request.subjects)
    label["subjects"].push_back({{"name", use.subject}, {"role", role_name(use.role)}});
  std::vector<SealKey> all;
  for (const auto& [name, key] : keys) all.push_back(key);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  grant.seals_.push_back(Seal::open(all, label.dump()));
  for (const auto& [name, key] : keys) {
    grant.seals_.push_back(
        Seal::open({key}, json{{"subjects", {{{"name", name}, {"role", "footage"}}}}}.dump()));
    grant.seals_.back()->cover_file(project.faceset_path(name));
  }
  return grant;
}

}  // namespace likeness::trust
