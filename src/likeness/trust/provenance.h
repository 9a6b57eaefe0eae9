// SPDX-License-Identifier: Apache-2.0
// What the manifest of an output says: C2PA 2.4 with the fields the conformance rubric asks for.
//
// It never says who: ids and digests of consents, no names, no file names, no biometrics. An
// input's own manifest is carried along as an ingredient, whatever its state. What each operation
// declares is one row of a table in provenance.cpp; a new capability adds its row.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "likeness/base/time.h"
#include "likeness/trust/c2pa.h"
#include "likeness/trust/consent.h"
#include "likeness/trust/finish.h"

namespace likeness::trust {

inline constexpr const char* kConsentLabel = "org.likeness.consent.v1";
inline constexpr const char* kSequenceLabel = "org.likeness.sequence.v1";
/// {state: "none" | "unreadable", why}: written where nobody can read a mark from the file again.
inline constexpr const char* kMarkLabel = "org.likeness.mark.v1";
/// `alg` of the soft binding; its value is the mark's id as 16 hex digits.
inline constexpr const char* kWatermarkAlgorithm = "org.likeness.vwm.1";

/// Where an image stands in a sequence: makes a missing, added or moved one visible.
struct SequencePlace {
  std::string id;  ///< the same for all images of a sequence
  int64_t index = 0, count = 0;
  /// Images have no time, the mark has: frames per second they were made at; 0/1 when not known.
  Rational frame_rate{0, 1};
};

/// The mark of a file: its id, 0 where it carries none, and why it cannot be read where it cannot.
struct MarkFact {
  uint64_t id = 0;
  std::string unreadable;  ///< "too small", ...; empty when it was read again after writing
};

struct ManifestFacts {
  const Grant* grant;  ///< null: no likeness was used (a text, footage of nobody real)
  const std::vector<Input>& inputs;
  std::string kind;     ///< as trust::Output's
  std::string mime;     ///< of the output
  std::string label;    ///< urn:c2pa:…
  std::string made_at;  ///< ISO 8601 UTC
  MarkFact mark;
  std::string thumbnail_jpeg;
  std::optional<SequencePlace> sequence;
};

/// "urn:c2pa:" and a random UUID.
std::string new_manifest_label();
/// 16 lower-case hex digits, and back (nothing when it is not that).
std::string watermark_text(uint64_t id);
std::optional<uint64_t> watermark_id(const std::string& text);

/// `with_files` false leaves the inputs' own manifests out: for an input that cannot be read as
/// media.
c2pa::Order manifest_order(const ManifestFacts& facts, bool with_files = true);

}  // namespace likeness::trust
