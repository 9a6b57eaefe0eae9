// SPDX-License-Identifier: Apache-2.0
// Shared by the files of consent_*.cpp.
#pragma once

#include "likeness/trust/consent_store.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/ledger.h"

namespace likeness::tasks {

/// A file with any of these keys, sealed, found under the project.
std::vector<std::filesystem::path> sealed_files(const project::Project& project,
                                                const std::string& key);

}  // namespace likeness::tasks
