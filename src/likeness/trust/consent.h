// SPDX-License-Identifier: Apache-2.0
// The consent gate. Nothing that makes or changes a person's face runs without a Grant, and only
// authorise() can make one: the runner asks for it, so a feature cannot forget.
//
// Deny by default; every refusal names its rule. What is not a person passes by its recorded
// declaration (synthetic-declared, licensed-declared). A person passes by a valid consent record
// (consent-record) or, to find and store faces only, without one (analysis-only: its faceset is
// what the evidence is compared with). The rules of a record: docs/guide/consent.md.
// A Grant holds the keys of its persons' sealed material: while a copy of it lives, and only then,
// this process can open them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/project/project.h"

namespace likeness {
class Seal;
}

namespace likeness::trust {

/// What is done with a likeness. kAnalyse finds and stores faces and makes nothing new.
/// kSpeak makes speech in a voice, kConvert gives what somebody said another voice.
enum class Operation { kAnalyse, kTrain, kSwap, kSpeak, kConvert };
const char* operation_name(Operation operation);

/// identity: whose likeness is generated; performer: who acts in the footage that is changed.
enum class Role { kIdentity, kPerformer, kFootage };
const char* role_name(Role role);

struct SubjectUse {
  std::string
      subject;  ///< name in the project; its kind is looked up there, never taken from the task
  Role role = Role::kIdentity;
};

struct Request {
  std::string task;  ///< for the ledger: "swap"
  Operation operation = Operation::kAnalyse;
  std::string modality = "face";
  std::vector<SubjectUse> subjects;
  /// What the result is for, where the task knows it; project.toml's [consent] uses, languages and
  /// territories are added.
  std::vector<std::string> uses, languages, territories;
  std::string label = "none";  ///< visible disclosure of the result; see label.h
  /// Shown while somebody works on it and never written out: it needs no visible label, and a grant
  /// for it finishes no output.
  bool preview = false;
};

/// A consent that a grant rests on: what the manifest's consent assertion needs, no more.
struct GrantedConsent {
  std::string subject;
  std::string id, digest;              ///< urn:uuid:…; SHA-256 of the JCS text of the record
  std::string valid_until;             ///< UTC
  std::string subject_key_thumbprint;  ///< PublicKey::thumbprint()
  std::vector<std::string> operations;
};

class Grant {
 public:
  const std::string& id() const { return id_; }
  const Request& request() const { return request_; }
  /// {id, task, operation, modality, issued_at, subjects: [{name, role, kind, rule, declared_by,
  /// ...}]}
  /// A person's subject also has "consent": {id, digest, valid_until, subject_key_thumbprint}.
  const nlohmann::json& record() const { return record_; }
  const std::vector<GrantedConsent>& consents() const { return consents_; }
  /// Faces the persons agreed with, by subject: what their facesets must show. Never written out.
  const std::map<std::string, std::vector<float>>& faces() const { return faces_; }
  /// A task asks it in every chunk, so that none can be run on a grant for something else. Throws
  /// kRefused (grant-of-another-task) unless this grant is for the operation and modality of
  /// `request` and all its subjects.
  void require(const Request& request) const;
  /// Files with identity material under this folder are written sealed while the grant lives.
  /// Nothing happens when no person is in it.
  void seal_folder(const std::filesystem::path& folder) const;

 private:
  friend Grant authorise(const project::Project& project, const Request& request);
  Grant() = default;
  std::string id_;
  Request request_;
  nlohmann::json record_;
  std::vector<GrantedConsent> consents_;
  std::map<std::string, std::vector<float>> faces_;
  std::vector<std::shared_ptr<likeness::Seal>> seals_;  ///< first: all persons together
};

/// Throws kRefused (names subject and rule), kNotFound (no such subject), kDamaged (the ledger).
Grant authorise(const project::Project& project, const Request& request);

}  // namespace likeness::trust
