// SPDX-License-Identifier: Apache-2.0
// The consent gate. Nothing that makes or changes a person's face runs without a Grant, and only
// authorise() can make one: the runner asks for it, so a feature cannot forget.
//
// Rules today, deny by default (each has a name that the refusal tells):
//   synthetic-declared  nobody real, by the declaration recorded with the subject
//   licensed-declared   dataset or stock, by the recorded reference to its licence
//   person-needs-consent-record   refused until consent records exist
// A later issue adds records, revocation and the content gate behind the same call.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/project/project.h"

namespace likeness::trust {

/// What is done with a likeness. kAnalyse finds and stores faces and makes nothing new.
enum class Operation { kAnalyse, kTrain, kSwap };
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
};

class Grant {
 public:
  const std::string& id() const { return id_; }
  const Request& request() const { return request_; }
  /// {id, task, operation, modality, issued_at, subjects: [{name, role, kind, rule, declared_by,
  /// ...}]}
  const nlohmann::json& record() const { return record_; }

 private:
  friend Grant authorise(const project::Project& project, const Request& request);
  Grant() = default;
  std::string id_;
  Request request_;
  nlohmann::json record_;
};

/// Throws kRefused (names subject and rule), kNotFound (no such subject).
Grant authorise(const project::Project& project, const Request& request);

}  // namespace likeness::trust
