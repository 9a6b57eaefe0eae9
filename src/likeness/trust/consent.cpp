// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/consent.h"

#include "likeness/base/error.h"
#include "likeness/base/hash.h"

namespace likeness::trust {
namespace {

[[noreturn]] void refuse(const Request& r, const std::string& who, const std::string& rule,
                         const std::string& why, const std::string& hint) {
  throw Error(ErrorCode::kRefused,
              std::string(operation_name(r.operation)) + " of '" + who + "' is refused (" + rule +
                  "): " + why,
              hint);
}

/// The rule that lets this subject be used so; throws when none does.
std::string rule_for(const Request& r, const project::Subject& s) {
  switch (s.kind) {
    case project::SubjectKind::kSynthetic:
      if (s.declared_by.empty() || s.declared_at.empty()) break;
      return "synthetic-declared";
    case project::SubjectKind::kLicensed:
      if (s.licence.empty())
        refuse(r, s.name, "licensed-needs-licence", "its licence is not recorded",
               "remove the subject and add it again with --licence \"…\"");
      if (s.declared_by.empty() || s.declared_at.empty()) break;
      return "licensed-declared";
    case project::SubjectKind::kPerson:
      // Finding faces makes nothing; it is also what a later consent check compares against.
      if (r.operation == Operation::kAnalyse) return "analysis-only";
      refuse(r, s.name, "person-needs-consent-record",
             "a real person must have agreed, and this version cannot hold consent records yet; "
             "they come with a "
             "later version",
             "work with a subject of kind synthetic or licensed, or wait for the version with "
             "consent records");
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
  }
  return "unknown";
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

Grant authorise(const project::Project& project, const Request& request) {
  bool has_identity = false;
  nlohmann::json subjects = nlohmann::json::array();
  for (const SubjectUse& use : request.subjects) {
    has_identity = has_identity || use.role == Role::kIdentity;
    const project::Subject s = project.subject(use.subject);
    const std::string rule = rule_for(request, s);
    subjects.push_back({{"name", s.name},
                        {"role", role_name(use.role)},
                        {"kind", project::subject_kind_name(s.kind)},
                        {"licence", s.licence},
                        {"declared_by", s.declared_by},
                        {"declared_at", s.declared_at},
                        {"rule", rule}});
  }
  if (request.operation != Operation::kAnalyse && !has_identity)
    refuse(request, request.task, "identity-not-named",
           "the task does not say whose likeness it makes", "name the subject with --identity");
  Grant grant;
  grant.request_ = request;
  grant.record_ = {{"task", request.task},
                   {"operation", operation_name(request.operation)},
                   {"modality", request.modality},
                   {"issued_at", project::now_utc()},
                   {"subjects", std::move(subjects)}};
  grant.id_ = sha256(grant.record_.dump()).substr(0, 32);
  grant.record_["id"] = grant.id_;
  return grant;
}

}  // namespace likeness::trust
