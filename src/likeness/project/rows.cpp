// SPDX-License-Identifier: Apache-2.0
// Subjects, media, jobs and settings.
#include <cerrno>

#include <signal.h>
#include <unistd.h>

#include "likeness/base/error.h"
#include "likeness/project/project_impl.h"

namespace likeness::project {
namespace {

Subject subject_row(SQLite::Statement& q) {
  Subject s;
  s.name = q.getColumn(0).getString();
  try {
    s.kind = subject_kind(q.getColumn(1).getString());
  } catch (const Error& e) {
    throw Error(ErrorCode::kDamaged, "the stored subject '" + s.name + "' has no valid kind",
                "restore project.db from a copy");
  }
  s.licence = q.getColumn(2).getString();
  s.declared_by = q.getColumn(3).getString();
  s.declared_at = q.getColumn(4).getString();
  return s;
}
constexpr const char* kSubjectColumns =
    "SELECT name, kind, licence, declared_by, declared_at FROM subjects";

nlohmann::json parse_column(SQLite::Column column) {
  auto j = nlohmann::json::parse(column.getString(), nullptr, false);
  return j.is_discarded() ? nlohmann::json() : j;
}

MediaRow media_row(SQLite::Statement& q) {
  MediaRow row;
  row.id = q.getColumn(0).getInt64();
  row.hash = q.getColumn(1).getString();
  row.path = q.getColumn(2).getString();
  row.frames = q.getColumn(3).getInt64();
  row.info = parse_column(q.getColumn(4));
  row.analysis = q.getColumn(5).getString();
  return row;
}
constexpr const char* kMediaColumns = "SELECT id, hash, path, frames, info, analysis FROM media";

std::string host_name() {
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  return host;
}

void insert_subject(SQLite::Database& db, const Subject& s) {
  SQLite::Statement q(db, "INSERT INTO subjects VALUES (?, ?, ?, ?, ?)");
  q.bind(1, s.name);
  q.bind(2, subject_kind_name(s.kind));
  q.bind(3, s.licence);
  q.bind(4, s.declared_by);
  q.bind(5, s.declared_at);
  q.exec();
}
bool has_subject(SQLite::Database& db, const std::string& name) {
  SQLite::Statement q(db, "SELECT 1 FROM subjects WHERE name = ?");
  q.bind(1, name);
  return q.executeStep();
}

}  // namespace

std::string declared_by_default();

void Project::add_subject(const Subject& given) {
  Subject s = given;
  check_name("subject", s.name);
  if (s.kind == SubjectKind::kLicensed && s.licence.empty())
    throw Error(ErrorCode::kUsage, "a licensed subject needs a reference to its licence",
                "say where the licence is: --licence \"CC BY 4.0, https://…\"");
  if (s.declared_by.empty()) s.declared_by = declared_by_default();
  if (s.declared_at.empty()) s.declared_at = now_utc();
  impl_->write([&](SQLite::Database& db) {
    if (has_subject(db, s.name))
      throw Error(ErrorCode::kUsage, "the project has a subject '" + s.name + "' already",
                  "choose another name, or remove that one first");
    insert_subject(db, s);
  });
}

std::vector<Subject> Project::subjects() const {
  std::vector<Subject> out;
  impl_->read([&](SQLite::Database& db) {
    SQLite::Statement q(db, std::string(kSubjectColumns) + " ORDER BY name");
    while (q.executeStep()) out.push_back(subject_row(q));
  });
  return out;
}

Subject Project::subject(const std::string& name) const {
  std::string known;
  for (auto& s : subjects()) {
    if (s.name == name) return s;
    known += (known.empty() ? "" : ", ") + s.name;
  }
  throw Error(ErrorCode::kNotFound, "the project has no subject '" + name + "'",
              known.empty() ? "add it with: likeness subject add PROJECT " + name + " --kind …"
                            : "known subjects: " + known);
}

void Project::remove_subject(const std::string& name) {
  const Subject s = subject(name);
  nlohmann::json tracks = nlohmann::json::array();
  impl_->read([&](SQLite::Database& db) {
    SQLite::Statement q(db, "SELECT media, track FROM tracks WHERE subject = ?");
    q.bind(1, name);
    while (q.executeStep()) tracks.push_back({q.getColumn(0).getInt64(), q.getColumn(1).getInt()});
  });
  nlohmann::json record = {{"kind", subject_kind_name(s.kind)},
                           {"licence", s.licence},
                           {"declared_by", s.declared_by},
                           {"declared_at", s.declared_at},
                           {"tracks", tracks}};
  // Its voice goes too: "voices/enrolled/NAME".
  const std::filesystem::path voice = impl_->folder / "voices" / "enrolled" / name;
  std::error_code ec;
  if (std::filesystem::exists(voice, ec)) impl_->to_trash(voice, "voice", name, nullptr);
  impl_->to_trash(faceset_path(name), "subject", name, record);
  impl_->write([&](SQLite::Database& db) {
    for (const char* sql : {"UPDATE tracks SET subject = '' WHERE subject = ?",
                            "DELETE FROM subjects WHERE name = ?"}) {
      SQLite::Statement q(db, sql);
      q.bind(1, name);
      q.exec();
    }
  });
}

void Project::Impl::restore_record(const TrashEntry& entry, const nlohmann::json& record) {
  if (entry.kind != "subject") return;
  Subject s{entry.name, subject_kind(record.value("kind", "")), record.value("licence", ""),
            record.value("declared_by", ""), record.value("declared_at", "")};
  write([&](SQLite::Database& db) {
    if (has_subject(db, s.name))
      throw Error(ErrorCode::kUsage, "the project has a subject '" + s.name + "' again",
                  "remove that one first");
    insert_subject(db, s);
    SQLite::Statement q(
        db, "UPDATE tracks SET subject = ? WHERE media = ? AND track = ? AND subject = ''");
    for (const auto& t : record.value("tracks", nlohmann::json::array())) {
      q.bind(1, s.name);
      q.bind(2, t.at(0).get<int64_t>());
      q.bind(3, t.at(1).get<int>());
      q.exec();
      q.reset();
    }
  });
}

int64_t Project::put_media(const MediaRow& row) {
  int64_t id = 0;
  impl_->write([&](SQLite::Database& db) {
    SQLite::Statement q(
        db,
        "INSERT INTO media (hash, path, frames, info, analysis) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (hash) DO UPDATE SET path = excluded.path, frames = excluded.frames, "
        "info = excluded.info, analysis = excluded.analysis");
    q.bind(1, row.hash);
    q.bind(2, row.path);
    q.bind(3, row.frames);
    q.bind(4, row.info.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    q.bind(5, row.analysis);
    q.exec();
    SQLite::Statement find(db, "SELECT id FROM media WHERE hash = ?");
    find.bind(1, row.hash);
    find.executeStep();
    id = find.getColumn(0).getInt64();
  });
  return id;
}

std::optional<MediaRow> Project::media_by_hash(const std::string& hash) const {
  std::optional<MediaRow> out;
  impl_->read([&](SQLite::Database& db) {
    SQLite::Statement q(db, std::string(kMediaColumns) + " WHERE hash = ?");
    q.bind(1, hash);
    if (q.executeStep()) out = media_row(q);
  });
  return out;
}

std::vector<MediaRow> Project::media() const {
  std::vector<MediaRow> out;
  impl_->read([&](SQLite::Database& db) {
    SQLite::Statement q(db, std::string(kMediaColumns) + " ORDER BY id");
    while (q.executeStep()) out.push_back(media_row(q));
  });
  return out;
}

int64_t Project::begin_job(const std::string& task, const nlohmann::json& options) {
  int64_t id = 0;
  impl_->write([&](SQLite::Database& db) {
    SQLite::Statement q(
        db,
        "INSERT INTO jobs (task, state, started_at, ended_at, host, pid, options, result) "
        "VALUES (?, 'running', ?, '', ?, ?, ?, 'null')");
    q.bind(1, task);
    q.bind(2, now_utc());
    q.bind(3, host_name());
    q.bind(4, static_cast<int64_t>(::getpid()));
    q.bind(5, options.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    q.exec();
    id = db.getLastInsertRowid();
  });
  return id;
}

void Project::end_job(int64_t id, const std::string& state, const nlohmann::json& result) {
  impl_->write([&](SQLite::Database& db) {
    SQLite::Statement q(db, "UPDATE jobs SET state = ?, ended_at = ?, result = ? WHERE id = ?");
    q.bind(1, state);
    q.bind(2, now_utc());
    q.bind(3, result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    q.bind(4, id);
    q.exec();
  });
}

std::vector<JobRow> Project::jobs() const {
  std::vector<JobRow> out;
  const std::string host = host_name();
  impl_->read([&](SQLite::Database& db) {
    SQLite::Statement q(
        db,
        "SELECT id, task, state, started_at, ended_at, options, result, host, pid FROM jobs "
        "ORDER BY id");
    while (q.executeStep()) {
      JobRow row;
      row.id = q.getColumn(0).getInt64();
      row.task = q.getColumn(1).getString();
      row.state = q.getColumn(2).getString();
      row.started_at = q.getColumn(3).getString();
      row.ended_at = q.getColumn(4).getString();
      row.options = parse_column(q.getColumn(5));
      row.result = parse_column(q.getColumn(6));
      const auto pid = static_cast<pid_t>(q.getColumn(8).getInt64());
      if (row.state == "running" && q.getColumn(7).getString() == host && ::kill(pid, 0) != 0 &&
          errno == ESRCH)
        row.state = "interrupted";
      out.push_back(std::move(row));
    }
  });
  return out;
}

nlohmann::json Project::setting(const std::string& key) const {
  nlohmann::json out;
  impl_->read([&](SQLite::Database& db) {
    SQLite::Statement q(db, "SELECT value FROM settings WHERE key = ?");
    q.bind(1, key);
    if (q.executeStep()) out = parse_column(q.getColumn(0));
  });
  return out;
}
void Project::set_setting(const std::string& key, const nlohmann::json& value) {
  impl_->write([&](SQLite::Database& db) {
    SQLite::Statement q(db, "INSERT OR REPLACE INTO settings VALUES (?, ?)");
    q.bind(1, key);
    q.bind(2, value.dump());
    q.exec();
  });
}

}  // namespace likeness::project
