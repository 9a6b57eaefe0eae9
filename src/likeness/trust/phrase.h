// SPDX-License-Identifier: Apache-2.0
// The words a person reads to camera. They are taken from SHA-256(JCS(terms) || nonce): whoever
// says them has agreed to exactly these terms, and a recording made before the request cannot hold
// them. Six of 256 words: 48 bits.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace likeness::trust {

inline constexpr int kPhraseWords = 6;

/// Our own list: 256 common English words; any two differ in at least three letters and within
/// their first four, so that they are hard to mishear.
const std::vector<std::string>& phrase_words();

/// `canonical_terms` is the JCS text of the record without evidence, commitment and proofs; `nonce`
/// is hex. Words separated by one space.
std::string phrase_of(std::string_view canonical_terms, std::string_view nonce);

}  // namespace likeness::trust
