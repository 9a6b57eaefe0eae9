// SPDX-License-Identifier: Apache-2.0
#include "likeness/project/schema.h"

#include <sqlite3.h>

#include "likeness/base/error.h"

namespace likeness::project::detail {
namespace {

// One entry per version; never edit an entry that was released, add one.
constexpr const char* kMigrations[] = {
    // 1: points, pose, quality and embedding are little-endian float32 arrays
    R"(
CREATE TABLE subjects (
  name TEXT PRIMARY KEY, kind TEXT NOT NULL, licence TEXT NOT NULL, declared_by TEXT NOT NULL,
  declared_at TEXT NOT NULL);
CREATE TABLE media (
  id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, path TEXT NOT NULL, frames INTEGER NOT NULL,
  info TEXT NOT NULL, analysis TEXT NOT NULL);
CREATE TABLE tracks (
  media INTEGER NOT NULL REFERENCES media(id) ON DELETE CASCADE, track INTEGER NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, cluster INTEGER NOT NULL, subject TEXT NOT NULL,
  embedding BLOB NOT NULL, PRIMARY KEY (media, track)) WITHOUT ROWID;
CREATE TABLE faces (
  media INTEGER NOT NULL REFERENCES media(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  track INTEGER NOT NULL, manual INTEGER NOT NULL, presence REAL NOT NULL, x0 REAL NOT NULL,
  y0 REAL NOT NULL, x1 REAL NOT NULL, y1 REAL NOT NULL, points BLOB NOT NULL, pose BLOB NOT NULL,
  quality BLOB NOT NULL, embedding BLOB);
CREATE UNIQUE INDEX faces_by_frame ON faces (media, frame, track);
CREATE TABLE jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, state TEXT NOT NULL,
  started_at TEXT NOT NULL, ended_at TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
  options TEXT NOT NULL, result TEXT NOT NULL);
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
)",
    // 2: jobs that wait or were queued (entry is JSON); what a face was before it was corrected
    R"(
CREATE TABLE queue (
  id INTEGER PRIMARY KEY AUTOINCREMENT, position INTEGER NOT NULL, state TEXT NOT NULL,
  entry TEXT NOT NULL);
CREATE TABLE faces_before (
  media INTEGER NOT NULL REFERENCES media(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  track INTEGER NOT NULL, manual INTEGER NOT NULL, presence REAL NOT NULL, x0 REAL NOT NULL,
  y0 REAL NOT NULL, x1 REAL NOT NULL, y1 REAL NOT NULL, points BLOB NOT NULL, pose BLOB NOT NULL,
  quality BLOB NOT NULL, embedding BLOB, PRIMARY KEY (media, frame, track));
)",
};
constexpr int kVersion = static_cast<int>(std::size(kMigrations));

int pragma(SQLite::Database& db, const char* name) {
  return db.execAndGet(std::string("PRAGMA ") + name).getInt();
}

}  // namespace

void migrate(SQLite::Database& db, const std::string& path) {
  int id = pragma(db, "application_id");
  int version = pragma(db, "user_version");
  int tables = db.execAndGet("SELECT count(*) FROM sqlite_master").getInt();
  if (tables > 0 && id != kApplicationId)
    throw Error(ErrorCode::kDamaged, path + " is a database of another program",
                "restore project.db from a copy, or make a new project");
  if (version > kVersion)
    throw Error(ErrorCode::kUnsupported,
                path + " was written by a newer Likeness (format " + std::to_string(version) + ")",
                "update Likeness; this one knows formats up to " + std::to_string(kVersion));
  if (version == kVersion) return;
  SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
  // Another process may have done it while this one waited for the lock.
  for (int v = pragma(db, "user_version"); v < kVersion; ++v) db.exec(kMigrations[v]);
  db.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
  db.exec("PRAGMA user_version = " + std::to_string(kVersion));
  transaction.commit();
}

void translate(const std::string& path, const std::function<void()>& body) {
  try {
    body();
  } catch (const SQLite::Exception& e) {
    const std::string text = path + ": " + e.what();
    switch (e.getErrorCode() & 0xff) {
      case SQLITE_ERROR:  // our statements are fixed: this means that a table is not as we made it
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        throw Error(ErrorCode::kDamaged, text,
                    "restore project.db from a copy; or delete project.db* and run extract again: "
                    "facesets and models are files of their own and stay");
      case SQLITE_FULL:
        throw Error(ErrorCode::kNoSpace, text,
                    "free some disk space and run the same command again; it resumes");
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        throw Error(ErrorCode::kIo, text,
                    "another process holds the project; try again when it is done");
      case SQLITE_READONLY:
      case SQLITE_CANTOPEN:
      case SQLITE_PERM:
      case SQLITE_IOERR:
      case SQLITE_AUTH:
        throw Error(ErrorCode::kIo, text,
                    "the project folder and the files in it must be writable");
      default:
        throw Error(ErrorCode::kInternal, text, "please report this with the command you ran");
    }
  }
}

}  // namespace likeness::project::detail
