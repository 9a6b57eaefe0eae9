// SPDX-License-Identifier: Apache-2.0
// Append-only, hash-chained record of what was allowed and made: ledger.jsonl in the project.
// One JSON object per line: {"at", "body", "hash", "prev", "seq", "type"}; hash is the SHA-256 of
// the same object without "hash" (keys sorted, no spaces), prev the hash of the line before (64
// zeros first).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace likeness::trust {

struct LedgerEntry {
  int64_t seq = 0;
  std::string at, type, prev, hash;
  nlohmann::json body;
};

class Ledger {
 public:
  explicit Ledger(std::filesystem::path file) : file_(std::move(file)) {}
  /// Durable when it returns. Several processes may append. Throws kNoSpace, kIo, kDamaged (the
  /// last line is not a valid entry; an unfinished last line of a killed process is cut off first).
  LedgerEntry append(const std::string& type, const nlohmann::json& body);
  /// All entries, every hash checked. Throws kDamaged with the number of the first wrong line.
  std::vector<LedgerEntry> read() const;

 private:
  std::filesystem::path file_;
};

}  // namespace likeness::trust
