// SPDX-License-Identifier: Apache-2.0
// The database's tables and how older ones become newer ones. Private to the module.
#pragma once

#include <functional>
#include <string>

#include <SQLiteCpp/SQLiteCpp.h>

namespace likeness::project::detail {

/// "LKNS": tells our databases from other SQLite files.
inline constexpr int kApplicationId = 0x4c4b4e53;

/// Brings the database to the newest version, one transaction per step. Throws kDamaged when it is
/// not ours, kUnsupported when a newer program wrote it.
void migrate(SQLite::Database& db, const std::string& path);

/// Runs `body` and turns SQLite's errors into ours.
void translate(const std::string& path, const std::function<void()>& body);

}  // namespace likeness::project::detail
