// SPDX-License-Identifier: Apache-2.0
// What the runner asks beyond the records: is the material the person who agreed?
#pragma once

#include "likeness/project/project.h"
#include "likeness/trust/consent.h"

namespace likeness::tasks {

/// Every person's faceset must show the face that the consent was given with. Throws kRefused
/// (consent-other-face), kDamaged.
void check_material(const project::Project& project, const trust::Grant& grant);

/// Keys for looking at a faceset; nothing for subjects that are not persons. Throws kRefused after
/// a revocation. Keep it while the faceset is read or written.
trust::Grant unlock_faceset(const project::Project& project, const std::string& subject);

}  // namespace likeness::tasks
