// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"

#include "likeness/trust/consent_store.h"
#include "likeness/trust/ledger.h"

LIKENESS_FUZZ_TARGET(bytes) {
  using namespace likeness::trust;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto entries = parse_ledger(text, "ledger");
  subject_history(entries, "mary");
  consent_ids(entries, "mary");
}
