// SPDX-License-Identifier: Apache-2.0
// The queue of the studio's jobs.
#include "likeness/base/error.h"
#include "likeness/project/project_impl.h"

namespace likeness::project {

std::vector<QueueRow> Project::queue() const {
  std::vector<QueueRow> out;
  impl_->read([&](SQLite::Database& db) {
    SQLite::Statement q(db, "SELECT id, position, state, entry FROM queue ORDER BY position, id");
    while (q.executeStep()) {
      QueueRow row{q.getColumn(0).getInt64(), q.getColumn(1).getInt64(), q.getColumn(2).getString(),
                   nlohmann::json::parse(q.getColumn(3).getString(), nullptr, false)};
      if (!row.entry.is_object()) row.entry = nlohmann::json::object();
      out.push_back(std::move(row));
    }
  });
  return out;
}

int64_t Project::add_to_queue(const std::string& state, const nlohmann::json& entry) {
  int64_t id = 0;
  impl_->write([&](SQLite::Database& db) {
    SQLite::Statement q(db,
                        "INSERT INTO queue (position, state, entry) VALUES ((SELECT "
                        "coalesce(max(position), 0) + 1 FROM queue), ?, ?)");
    q.bind(1, state);
    q.bind(2, entry.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    q.exec();
    id = db.getLastInsertRowid();
  });
  return id;
}

void Project::update_queue(const QueueRow& row) {
  impl_->write([&](SQLite::Database& db) {
    SQLite::Statement q(db, "UPDATE queue SET position = ?, state = ?, entry = ? WHERE id = ?");
    q.bind(1, row.position);
    q.bind(2, row.state);
    q.bind(3, row.entry.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    q.bind(4, row.id);
    if (q.exec() == 0)
      throw Error(ErrorCode::kNotFound, "there is no job " + std::to_string(row.id),
                  "see the list of jobs");
  });
}

void Project::remove_from_queue(int64_t id) {
  impl_->write([&](SQLite::Database& db) {
    SQLite::Statement q(db, "DELETE FROM queue WHERE id = ?");
    q.bind(1, id);
    if (q.exec() == 0)
      throw Error(ErrorCode::kNotFound, "there is no job " + std::to_string(id),
                  "see the list of jobs");
  });
}

}  // namespace likeness::project
