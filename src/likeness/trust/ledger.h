// SPDX-License-Identifier: Apache-2.0
// Append-only, hash-chained, signed record of what was allowed and made: ledger.jsonl in the
// project. One JSON object per line: {"at", "body", "hash", "key", "prev", "seq", "sig", "type"};
// hash is the SHA-256 of the same object without "hash" and "sig" (keys sorted, no spaces), prev
// the hash of the line before (64 zeros first), key the studio's did:key, sig its Ed25519 signature
// of the hash. Lines of versions before signatures have neither key nor sig; none may follow a
// signed one.
//
// The head (number and hash of the last line) is signed into ledger.head.json beside it and
// remembered in home_folder()/ledgers, so that lines cut off the end are missed too.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace likeness::trust {

struct LedgerEntry {
  int64_t seq = 0;
  std::string at, type, prev, hash;
  nlohmann::json body;
  std::string key, sig;
};

struct LedgerReport {
  bool ok = false;
  int64_t entries = 0, unsigned_entries = 0;
  std::string head;                   ///< hash of the last line
  std::vector<std::string> studios;   ///< whose signatures are in it
  std::vector<std::string> problems;  ///< in words; empty when ok
};

class Ledger {
 public:
  explicit Ledger(std::filesystem::path file) : file_(std::move(file)) {}
  /// Durable when it returns. Several processes may append. Throws kNoSpace, kIo, kDamaged (the
  /// last line is not a valid entry; an unfinished last line of a killed process is cut off first),
  /// kRefused (the last line is by a studio that is not trusted here: a line of ours behind it
  /// would make the book worthless to both).
  LedgerEntry append(const std::string& type, const nlohmann::json& body);
  /// Throws kRefused when append() would, for asking before something else is written.
  void require_ours() const;
  /// All entries, every hash and signature checked. Throws kDamaged with the number of the first
  /// wrong line.
  std::vector<LedgerEntry> read() const;
  /// read(), the head, what this installation remembers, and whether the signers are in `studios`.
  /// Says what is wrong instead of throwing.
  LedgerReport verify(const std::vector<std::string>& studios) const;
  const std::filesystem::path& path() const { return file_; }

 private:
  std::filesystem::path file_;
};

/// The same check for bytes in memory; foreign bytes are safe. Throws kDamaged, nothing else.
std::vector<LedgerEntry> parse_ledger(std::string_view text, const std::string& name);

}  // namespace likeness::trust
