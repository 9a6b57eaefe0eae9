// SPDX-License-Identifier: Apache-2.0
// JSON for signing. parse_json takes foreign bytes and refuses what two readers could understand
// differently (double keys, deep nesting, numbers beyond 2^53); canonical_json is RFC 8785 (JCS):
// keys in UTF-16 order, no spaces, numbers as ECMAScript prints them, UTF-8.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace likeness::trust {

/// Throws kBadInput with what is wrong. `what` names the document in the message.
nlohmann::json parse_json(std::string_view text, const std::string& what,
                          size_t limit_bytes = 1 << 20);

/// Throws kBadInput: a number that is not finite or a whole number beyond 2^53.
std::string canonical_json(const nlohmann::json& value);

/// A number as ECMAScript's Number::toString gives it (ECMA-262 6.1.6.1.20). Finite only.
std::string ecmascript_number(double value);

}  // namespace likeness::trust
