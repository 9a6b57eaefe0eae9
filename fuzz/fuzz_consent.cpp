// SPDX-License-Identifier: Apache-2.0
// A consent record or a revocation from anywhere: parsing, its shape, its canonical form, its
// proofs.
#include "fuzz.h"

#include "likeness/trust/consent_record.h"
#include "likeness/trust/jcs.h"

LIKENESS_FUZZ_TARGET(bytes) {
  using namespace likeness::trust;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto json = parse_json(text, "record");
  // What was read and written again must be read the same.
  const std::string canonical = canonical_json(json);
  if (canonical_json(parse_json(canonical, "record")) != canonical) std::terminate();
  check_record(json);
  for (const auto& finding : examine_record(json, "2026-06-01T00:00:00Z", {}))
    if (finding.rule.empty()) std::terminate();
  record_digest(json);
}
