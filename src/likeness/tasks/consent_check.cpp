// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/consent_check.h"

#include <algorithm>

#include "likeness/base/error.h"
#include "likeness/face/analyse.h"
#include "likeness/faceset/faceset.h"
#include "likeness/tasks/consent_evidence.h"

namespace likeness::tasks {

void check_material(const project::Project& project, const trust::Grant& grant) {
  for (const auto& [subject, agreed] : grant.faces()) {
    const auto path = project.faceset_path(subject);
    std::error_code ec;
    if (!std::filesystem::exists(path, ec)) continue;  // the task says so where it needs one
    const auto set = faceset::Faceset::open(path);
    face::Embedding with{};
    LIKENESS_REQUIRE(agreed.size() == with.size());
    std::copy(agreed.begin(), agreed.end(), with.begin());
    const bool known = std::any_of(set.items().begin(), set.items().end(),
                                   [](const auto& i) { return i.has_embedding; });
    const float d = known ? face::embedding_distance(faceset::mean_embedding(set), with) : 9.f;
    if (d > kMaxFaceDistance)
      throw Error(ErrorCode::kRefused,
                  "use of '" + subject +
                      "' is refused (consent-other-face): its faceset does not show the person who "
                      "agreed (distance " +
                      std::to_string(d).substr(0, 4) + ")",
                  "put only this person's footage into the faceset, or ask the other person too");
  }
}

trust::Grant unlock_faceset(const project::Project& project, const std::string& subject) {
  return trust::authorise(project, {.task = "faceset",
                                    .operation = trust::Operation::kAnalyse,
                                    .subjects = {{subject, trust::Role::kFootage}}});
}

}  // namespace likeness::tasks
