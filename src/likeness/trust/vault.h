// SPDX-License-Identifier: Apache-2.0
// Keys of persons' identity material. One AES-256 key per consent; a key is made when the first
// material of a person is stored, and belongs to the consent once that is recorded. Keys lie in
// home_folder()/vault (0600; wrapped by the passphrase when there is one), never in a project.
// Which key is whose is in the project's signed ledger: lines "material-key" {subject, key}.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "likeness/base/sealed_file.h"

namespace likeness::trust {

/// Makes a key for a subject of a project and gives its id.
std::string vault_make_key(const std::string& project, const std::string& subject);
/// Throws kRefused: destroyed (consent-key-destroyed), not on this machine (consent-key-missing),
/// made for somebody else (consent-key-other-subject), passphrase wrong.
SealKey vault_key(const std::string& id, const std::string& subject);
bool vault_has(const std::string& id);
/// Overwrites and removes it; a tombstone stays. Nothing sealed under it can be opened again.
void vault_destroy(const std::string& id);
/// The stored form, for export under a passphrase; and back. Throws kUsage without a passphrase.
nlohmann::json vault_export_key(const std::string& id);
void vault_import_key(const nlohmann::json& stored);

}  // namespace likeness::trust
