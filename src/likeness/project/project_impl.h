// SPDX-License-Identifier: Apache-2.0
// Private to the module: what Project holds.
#pragma once

#include <mutex>

#include <SQLiteCpp/SQLiteCpp.h>

#include "likeness/project/project.h"
#include "likeness/project/schema.h"

namespace likeness::project {

struct Project::Impl {
  std::filesystem::path folder;
  mutable std::mutex mutex;
  mutable std::unique_ptr<SQLite::Database> db;

  std::string db_path() const { return (folder / "project.db").string(); }

  /// Serialised, SQLite's errors translated.
  template <typename F>
  void read(F&& body) const {
    std::lock_guard lock(mutex);
    detail::translate(db_path(), [&] { body(*db); });
  }
  /// The same inside one write transaction.
  template <typename F>
  void write(F&& body) {
    std::lock_guard lock(mutex);
    detail::translate(db_path(), [&] {
      SQLite::Transaction transaction(*db, SQLite::TransactionBehavior::IMMEDIATE);
      body(*db);
      transaction.commit();
    });
  }
  void forget_old_pages();
  TrashEntry to_trash(const std::filesystem::path& path, const std::string& kind,
                      const std::string& name, const nlohmann::json& extra);
  void restore_record(const TrashEntry& entry, const nlohmann::json& record);
};

}  // namespace likeness::project
