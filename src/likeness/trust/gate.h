// SPDX-License-Identifier: Apache-2.0
// The rules behind authorise(), for those who show a consent and say what it is worth.
#pragma once

#include <optional>

#include "likeness/base/sealed_file.h"
#include "likeness/trust/consent.h"
#include "likeness/trust/consent_store.h"

namespace likeness::trust {

/// The name an operation has in consent records: "train", "faceswap".
const char* consent_operation(Operation operation);

/// Every rule of a stored record for one subject of this project, in the order the gate asks them;
/// the ones behind the first that fails may be left out. `request` null: whatever could be asked.
struct Assessment {
  std::vector<Finding> findings;
  StoredConsent consent;
  std::optional<SealKey> key;
  std::vector<float> face;
};
Assessment assess_consent(const project::Project& project, const std::vector<LedgerEntry>& ledger,
                          const std::string& subject, const Request* request);

/// Now, or the ledger's last time where that is later: turning the clock back revives nothing.
std::string gate_time(const std::vector<LedgerEntry>& ledger);

}  // namespace likeness::trust
