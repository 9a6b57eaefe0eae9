// SPDX-License-Identifier: Apache-2.0
#include "likeness/project/project.h"

#include <cctype>
#include <ctime>

#include <pwd.h>
#include <sqlite3.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/options.h"
#include "likeness/project/project_impl.h"

namespace likeness::project {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFolders[] = {"media",   "facesets", "models", "voices",
                                    "outputs", "trash",    "logs",   "work"};

std::string project_toml(const std::string& name) {
  return "# A Likeness project. Everything of it is in this folder; copying the folder copies the "
         "project.\n"
         "#   project.db   what was found in the footage (SQLite): subjects, clips, faces, tracks, "
         "jobs\n"
         "#   facesets/    NAME.faces: the aligned crops of one subject\n"
         "#   models/      one folder per trained model: weights, card, checkpoints, previews\n"
         "#   outputs/     rendered files        ledger.jsonl  what was made, from what, allowed "
         "by what\n"
         "#   work/        parts of unfinished jobs; safe to delete when nothing is running\n"
         "#   trash/       what was deleted; `likeness project restore` brings it back\n"
         "\n[project]\nname = \"" +
         name + "\"\nformat = 1\ncreated = \"" + now_utc() +
         "\"\n"
         "\n# Options for this project only (order: default < preset < this file < environment < "
         "flag), for example:\n"
         "# [swap]\n# crf = 14\n";
}

std::unique_ptr<SQLite::Database> open_database(const fs::path& folder, bool create) {
  std::unique_ptr<SQLite::Database> db;
  const std::string path = (folder / "project.db").string();
  detail::translate(path, [&] {
    int flags = SQLite::OPEN_READWRITE | (create ? SQLite::OPEN_CREATE : 0);
    db = std::make_unique<SQLite::Database>(path, flags, 10'000);
    // NORMAL with WAL: kill -9 loses nothing; a power cut loses at most the last transactions.
    db->exec("PRAGMA journal_mode = WAL");
    db->exec("PRAGMA synchronous = NORMAL");
    db->exec("PRAGMA foreign_keys = ON");
    db->exec("PRAGMA trusted_schema = OFF");
    db->exec("PRAGMA secure_delete = ON");  // rows of a face that are removed are overwritten
    detail::migrate(*db, path);
    // Touches every table, so that a damaged file is told here and not in the middle of a job.
    for (const char* table :
         {"subjects", "media", "tracks", "faces", "jobs", "settings", "queue", "faces_before"})
      db->exec(std::string("SELECT * FROM ") + table + " LIMIT 1");
  });
  return db;
}

}  // namespace

std::string now_utc() {
  std::time_t t = std::time(nullptr);
  std::tm tm{};
  gmtime_r(&t, &tm);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
  return text;
}

void check_name(const std::string& kind, const std::string& name) {
  bool ok = !name.empty() && name.size() <= 64 && name[0] != '.';
  for (unsigned char c : name)
    ok = ok && c < 128 && (std::isalnum(c) || c == '_' || c == '.' || c == '-');
  if (!ok)
    throw Error(ErrorCode::kUsage, "'" + name + "' cannot be the name of a " + kind,
                "use 1 to 64 of the characters a-z A-Z 0-9 _ . - and do not start with a dot");
}

const char* subject_kind_name(SubjectKind kind) {
  switch (kind) {
    case SubjectKind::kSynthetic:
      return "synthetic";
    case SubjectKind::kLicensed:
      return "licensed";
    case SubjectKind::kPerson:
      return "person";
  }
  return "person";
}

SubjectKind subject_kind(const std::string& name) {
  for (SubjectKind k : {SubjectKind::kSynthetic, SubjectKind::kLicensed, SubjectKind::kPerson})
    if (name == subject_kind_name(k)) return k;
  throw Error(
      ErrorCode::kUsage, "'" + name + "' is not a kind of subject",
      "one of: synthetic (nobody real), licensed (dataset or stock, with --licence), person");
}

std::string declared_by_default() {
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  const passwd* user = ::getpwuid(::geteuid());
  return (user && user->pw_name ? std::string(user->pw_name) : std::to_string(::geteuid())) + "@" +
         host;
}

Project::Project(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Project::~Project() = default;
Project::Project(Project&&) noexcept = default;
Project& Project::operator=(Project&&) noexcept = default;
const fs::path& Project::folder() const { return impl_->folder; }

Project Project::create(const fs::path& where) {
  fs::path folder = fs::absolute(where).lexically_normal();
  if (folder.filename().empty()) folder = folder.parent_path();
  const std::string name = folder.filename().string();
  check_name("project", name);
  std::error_code ec;
  if (fs::exists(fs::symlink_status(folder, ec)))
    throw Error(ErrorCode::kUsage, folder.string() + " exists already",
                "choose another name, or use this project as it is");
  // Made under another name and renamed, so that a project is there wholly or not at all.
  fs::path building = temporary_name(folder);
  fs::remove_all(building, ec);
  try {
    for (const char* sub : kFolders)
      if (!fs::create_directories(building / sub, ec) && ec)
        throw_errno(ec.value(), "cannot create " + folder.string());
    write_file_atomic(building / "project.toml", project_toml(name));
    open_database(building, true);  // closed again here, which folds the WAL into the file
    fs::rename(building, folder, ec);
    if (ec) throw_errno(ec.value(), "cannot create " + folder.string());
  } catch (...) {
    fs::remove_all(building, ec);
    throw;
  }
  return open(folder);
}

Project Project::open(const fs::path& where) {
  fs::path folder = fs::absolute(where).lexically_normal();
  if (folder.filename().empty()) folder = folder.parent_path();
  std::error_code ec;
  if (!fs::exists(folder, ec))
    throw Error(ErrorCode::kNotFound, "no project at " + folder.string(),
                "make one with: likeness project new " + where.string());
  if (!fs::is_directory(folder, ec) || !fs::exists(folder / "project.toml", ec))
    throw Error(ErrorCode::kNotFound, folder.string() + " is not a Likeness project",
                "name a folder with a project.toml, or make one with: likeness project new NAME");
  if (!fs::exists(folder / "project.db", ec))
    throw Error(ErrorCode::kDamaged, folder.string() + " has no project.db",
                "restore project.db from a copy, or make a new project");
  auto impl = std::make_unique<Impl>();
  impl->folder = folder;
  impl->db = open_database(folder, false);
  return Project(std::move(impl));
}

std::string Project::name() const {
  auto c = config();
  if (c.contains("project") && c["project"].is_object() && c["project"].contains("name") &&
      c["project"]["name"].is_string())
    return c["project"]["name"];
  return impl_->folder.filename().string();
}
nlohmann::json Project::config() const {
  return read_toml((impl_->folder / "project.toml").string());
}

void Project::verify() const {
  impl_->read([&](SQLite::Database& db) {
    std::string verdict = db.execAndGet("PRAGMA quick_check(1)").getString();
    if (verdict != "ok")
      throw Error(ErrorCode::kDamaged, impl_->db_path() + " is damaged: " + verdict,
                  "restore project.db from a copy; or delete project.db* and run extract again");
  });
}

fs::path Project::faceset_path(const std::string& subject) const {
  check_name("subject", subject);
  return impl_->folder / "facesets" / (subject + ".faces");
}
fs::path Project::model_folder(const std::string& model) const {
  check_name("model", model);
  return impl_->folder / "models" / model;
}
fs::path Project::work_folder(const std::string& key) const {
  check_name("work folder", key);
  return impl_->folder / "work" / key;
}
fs::path Project::outputs_folder() const { return impl_->folder / "outputs"; }
fs::path Project::trash_folder() const { return impl_->folder / "trash"; }

}  // namespace likeness::project
