// SPDX-License-Identifier: Apache-2.0
// Faces and tracks of a clip. Arrays are stored as little-endian float32 blobs, bit-exact. The
// embedding of a person's face lies sealed as that person's faceset does (base/sealed_file.h): it
// reads as none where no grant holds the key.
#include <bit>
#include <cstring>
#include <map>
#include <span>

#include "likeness/base/error.h"
#include "likeness/base/sealed_file.h"
#include "likeness/project/project_impl.h"

namespace likeness::project {
namespace {

static_assert(std::endian::native == std::endian::little, "blobs are little-endian");
static_assert(sizeof(Point3) == 12 && sizeof(face::Points) == face::kPoints * 12);

using Floats = std::vector<float>;

Floats pose_floats(const face::HeadPose& p) {
  Floats f(p.rotation.begin(), p.rotation.end());
  for (float v : {p.scale_px_per_cm, p.translation_px.x, p.translation_px.y, p.translation_z_px,
                  p.yaw_rad, p.pitch_rad, p.roll_rad})
    f.push_back(v);
  return f;
}
face::HeadPose pose_of(const Floats& f) {
  face::HeadPose p;
  std::copy_n(f.begin(), 9, p.rotation.begin());
  p.scale_px_per_cm = f[9];
  p.translation_px = {f[10], f[11]};
  p.translation_z_px = f[12];
  p.yaw_rad = f[13];
  p.pitch_rad = f[14];
  p.roll_rad = f[15];
  return p;
}

void bind_floats(SQLite::Statement& q, int index, const float* data, size_t count) {
  q.bind(index, static_cast<const void*>(data), static_cast<int>(count * sizeof(float)));
}
/// Copies a blob of exactly `count` floats; another size means damage.
void read_floats(const SQLite::Column& column, void* to, size_t count) {
  if (column.getBytes() != static_cast<int>(count * sizeof(float)))
    throw Error(ErrorCode::kDamaged,
                "a stored face has " + std::to_string(column.getBytes()) + " bytes instead of " +
                    std::to_string(count * sizeof(float)),
                "run extract again with --again");
  std::memcpy(to, column.getBlob(), count * sizeof(float));
}

/// `faceset`: of the subject the track is named after, empty when it is not named.
void bind_embedding(SQLite::Statement& q, int index, const face::Embedding& e,
                    const std::filesystem::path& faceset) {
  const auto sealed =
      faceset.empty() ? std::nullopt
                      : seal_as_file(faceset, {reinterpret_cast<const char*>(e.data()), sizeof(e)});
  if (sealed)
    q.bind(index, sealed->data(), static_cast<int>(sealed->size()));
  else
    bind_floats(q, index, e.data(), e.size());
}

std::span<const uint8_t> bytes_of(const SQLite::Column& column) {
  return {static_cast<const uint8_t*>(column.getBlob()), static_cast<size_t>(column.getBytes())};
}

/// False when it is sealed and no key is open.
bool read_embedding(const SQLite::Column& column, face::Embedding& out) {
  const auto stored = bytes_of(column);
  if (!is_sealed(stored)) {
    read_floats(column, out.data(), out.size());
    return true;
  }
  const auto plain = unseal_if_open(stored);
  if (!plain) return false;
  if (plain->size() != sizeof out)
    throw Error(ErrorCode::kDamaged, "a stored embedding has another length",
                "run extract again with --again");
  std::memcpy(out.data(), plain->data(), sizeof out);
  return true;
}

constexpr const char* kColumns =
    "(media, frame, track, manual, presence, x0, y0, x1, y1, points, pose, quality, embedding)";
std::string insert_into(const char* table) {
  return std::string("INSERT OR REPLACE INTO ") + table + " " + kColumns +
         " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
}

void bind_face(SQLite::Statement& q, int64_t media, const face::Face& f,
               const std::filesystem::path& faceset) {
  q.bind(1, media);
  q.bind(2, f.frame);
  q.bind(3, f.track);
  q.bind(4, f.manual ? 1 : 0);
  q.bind(5, f.presence);
  q.bind(6, f.box.x0);
  q.bind(7, f.box.y0);
  q.bind(8, f.box.x1);
  q.bind(9, f.box.y1);
  bind_floats(q, 10, &f.points[0].x, f.points.size() * 3);
  Floats pose = pose_floats(f.pose);
  bind_floats(q, 11, pose.data(), pose.size());
  const float quality[] = {f.quality.sharpness, f.quality.size_px, f.quality.exposure,
                           f.quality.occlusion};
  bind_floats(q, 12, quality, 4);
  if (f.has_embedding)
    bind_embedding(q, 13, f.embedding, faceset);
  else
    q.bind(13);
}

face::Face face_row(SQLite::Statement& q) {
  face::Face f;
  f.frame = q.getColumn(0).getInt64();
  f.track = q.getColumn(1).getInt();
  f.manual = q.getColumn(2).getInt() != 0;
  auto real = [&](int i) { return static_cast<float>(q.getColumn(i).getDouble()); };
  f.presence = real(3);
  f.box = {real(4), real(5), real(6), real(7)};
  read_floats(q.getColumn(8), f.points.data(), f.points.size() * 3);
  Floats pose(16);
  read_floats(q.getColumn(9), pose.data(), pose.size());
  f.pose = pose_of(pose);
  float quality[4];
  read_floats(q.getColumn(10), quality, 4);
  f.quality = {quality[0], quality[1], quality[2], quality[3]};
  if (!q.getColumn(11).isNull()) f.has_embedding = read_embedding(q.getColumn(11), f.embedding);
  return f;
}
constexpr const char* kFaceColumns =
    "SELECT frame, track, manual, presence, x0, y0, x1, y1, points, pose, quality, embedding FROM "
    "faces ";

struct ManualFace {
  int64_t rowid;
  FrameIndex frame;
  int track;
  Box box;
};
std::vector<ManualFace> manual_faces(SQLite::Database& db, int64_t media) {
  std::vector<ManualFace> out;
  SQLite::Statement q(
      db, "SELECT rowid, frame, track, x0, y0, x1, y1 FROM faces WHERE media = ? AND manual = 1");
  q.bind(1, media);
  while (q.executeStep()) {
    auto real = [&](int i) { return static_cast<float>(q.getColumn(i).getDouble()); };
    out.push_back({q.getColumn(0).getInt64(),
                   q.getColumn(1).getInt64(),
                   q.getColumn(2).getInt(),
                   {real(3), real(4), real(5), real(6)}});
  }
  return out;
}

std::filesystem::path faceset_of(const std::filesystem::path& project, const std::string& subject) {
  return subject.empty() ? std::filesystem::path() : project / "facesets" / (subject + ".faces");
}

void insert_tracks(SQLite::Database& db, int64_t media, const std::vector<TrackRow>& tracks,
                   const std::filesystem::path& project) {
  SQLite::Statement q(db,
                      "INSERT INTO tracks (media, track, first, last, cluster, subject, embedding) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?)");
  for (const TrackRow& t : tracks) {
    q.bind(1, media);
    q.bind(2, t.track);
    q.bind(3, t.first);
    q.bind(4, t.last);
    q.bind(5, t.cluster);
    q.bind(6, t.subject);
    bind_embedding(q, 7, t.embedding, faceset_of(project, t.subject));
    q.exec();
    q.reset();
  }
}

bool is_person(SQLite::Database& db, const std::string& subject) {
  SQLite::Statement q(db, "SELECT kind FROM subjects WHERE name = ?");
  q.bind(1, subject);
  return q.executeStep() && q.getColumn(0).getString() == subject_kind_name(SubjectKind::kPerson);
}

/// Seals the plain embeddings of a track as the subject's faceset is. A person's are removed when
/// its key is not open: the faceset, or the next extract, has them. Gives how many changed.
int seal_embeddings(SQLite::Database& db, int64_t media, int track, const std::string& subject,
                    const std::filesystem::path& project) {
  const bool person = is_person(db, subject);
  const auto faceset = faceset_of(project, subject);
  int changed = 0;
  for (const std::string table : {"faces", "faces_before", "tracks"}) {
    const bool rows = table != "tracks";
    const std::string frame = rows ? "frame" : "0", at = rows ? " AND frame = ?" : "";
    SQLite::Statement q(db, "SELECT " + frame + ", embedding FROM " + table +
                                " WHERE media = ? AND track = ? AND embedding IS NOT NULL");
    q.bind(1, media);
    q.bind(2, track);
    std::vector<std::pair<int64_t, face::Embedding>> plain;
    while (q.executeStep()) {
      if (is_sealed(bytes_of(q.getColumn(1)))) continue;
      plain.push_back({q.getColumn(0).getInt64(), {}});
      read_floats(q.getColumn(1), plain.back().second.data(), plain.back().second.size());
    }
    SQLite::Statement put(
        db, "UPDATE " + table + " SET embedding = ? WHERE media = ? AND track = ?" + at);
    for (const auto& [n, e] : plain) {
      const auto sealed =
          seal_as_file(faceset, {reinterpret_cast<const char*>(e.data()), sizeof e});
      if (!sealed && !person) return changed;  // nobody's secret
      const face::Embedding none{};
      if (sealed)
        put.bind(1, sealed->data(), static_cast<int>(sealed->size()));
      else if (rows)
        put.bind(1);
      else
        bind_floats(put, 1, none.data(), none.size());
      put.bind(2, media);
      put.bind(3, track);
      if (rows) put.bind(4, n);
      changed += put.exec();
      put.reset();
    }
  }
  return changed;
}

}  // namespace

void Project::put_faces(int64_t media, const std::vector<face::Face>& faces,
                        const std::vector<TrackRow>& tracks) {
  bool given = false;
  put_faces_in_parts(
      media,
      [&] {
        if (given) return std::vector<face::Face>();
        given = true;
        return faces;
      },
      tracks);
}

void Project::put_faces_in_parts(int64_t media,
                                 const std::function<std::vector<face::Face>()>& next,
                                 const std::vector<TrackRow>& tracks) {
  impl_->write([&](SQLite::Database& db) {
    std::vector<ManualFace> manual = manual_faces(db, media);
    for (const char* sql :
         {"DELETE FROM faces WHERE media = ? AND manual = 0",
          "DELETE FROM faces_before WHERE media = ?", "DELETE FROM tracks WHERE media = ?"}) {
      SQLite::Statement q(db, sql);
      q.bind(1, media);
      q.exec();
    }
    insert_tracks(db, media, tracks, impl_->folder);
    std::map<int, std::filesystem::path> faceset;  // of named tracks
    for (const TrackRow& t : tracks)
      if (!t.subject.empty()) faceset[t.track] = faceset_of(impl_->folder, t.subject);
    // A corrected face stands for the detected one at its place; it takes over the new track
    // number.
    SQLite::Statement retrack(db, "UPDATE faces SET track = ? WHERE rowid = ?");
    SQLite::Statement insert(db, insert_into("faces")), before(db, insert_into("faces_before"));
    const auto put = [&](const face::Face& f) {
      bool replaced = false;
      for (ManualFace& m : manual) {
        if (m.frame != f.frame || intersection_over_union(m.box, f.box) < 0.4f) continue;
        replaced = true;
        if (m.track == f.track) continue;
        m.track = f.track;
        retrack.bind(1, f.track);
        retrack.bind(2, m.rowid);
        retrack.exec();
        retrack.reset();
      }
      SQLite::Statement& to = replaced ? before : insert;
      const auto named = faceset.find(f.track);
      bind_face(to, media, f, named == faceset.end() ? std::filesystem::path() : named->second);
      to.exec();
      to.reset();
      to.clearBindings();
    };
    for (auto faces = next(); !faces.empty(); faces = next())
      for (const face::Face& f : faces) put(f);
  });
}

std::vector<face::Face> Project::faces(int64_t media, FrameIndex begin, FrameIndex end) const {
  std::vector<face::Face> out;
  impl_->read([&](SQLite::Database& db) {
    SQLite::Statement q(db,
                        std::string(kFaceColumns) +
                            "WHERE media = ? AND frame >= ? AND frame < ? ORDER BY frame, track");
    q.bind(1, media);
    q.bind(2, begin);
    q.bind(3, end);
    while (q.executeStep()) out.push_back(face_row(q));
  });
  return out;
}

int64_t Project::count_faces(int64_t media) const {
  int64_t n = 0;
  impl_->read([&](SQLite::Database& db) {
    SQLite::Statement q(db, "SELECT count(*) FROM faces WHERE media = ?");
    q.bind(1, media);
    q.executeStep();
    n = q.getColumn(0).getInt64();
  });
  return n;
}

std::vector<TrackRow> Project::tracks(int64_t media) const {
  std::vector<TrackRow> out;
  impl_->read([&](SQLite::Database& db) {
    SQLite::Statement q(
        db,
        "SELECT track, first, last, cluster, subject, embedding FROM tracks WHERE media = ? "
        "ORDER BY track");
    q.bind(1, media);
    while (q.executeStep()) {
      TrackRow t;
      t.media = media;
      t.track = q.getColumn(0).getInt();
      t.first = q.getColumn(1).getInt64();
      t.last = q.getColumn(2).getInt64();
      t.cluster = q.getColumn(3).getInt();
      t.subject = q.getColumn(4).getString();
      read_embedding(q.getColumn(5), t.embedding);
      out.push_back(std::move(t));
    }
  });
  return out;
}

void Project::name_track(int64_t media, int track, const std::string& subject) {
  int sealed = 0;
  impl_->write([&](SQLite::Database& db) {
    SQLite::Statement q(db, "UPDATE tracks SET subject = ? WHERE media = ? AND track = ?");
    q.bind(1, subject);
    q.bind(2, media);
    q.bind(3, track);
    if (q.exec() == 0)
      throw Error(ErrorCode::kNotFound,
                  "clip " + std::to_string(media) + " has no track " + std::to_string(track),
                  "list the tracks with: likeness project show PROJECT");
    sealed = seal_embeddings(db, media, track, subject, impl_->folder);
  });
  if (sealed) impl_->forget_old_pages();
}

void Project::seal_track(int64_t media, int track, const std::string& subject) {
  int sealed = 0;
  impl_->write([&](SQLite::Database& db) {
    sealed = seal_embeddings(db, media, track, subject, impl_->folder);
  });
  if (sealed) impl_->forget_old_pages();
}

/// What was overwritten is in no page of the database (secure_delete) and in no part of its log.
void Project::Impl::forget_old_pages() {
  read([](SQLite::Database& db) { db.tryExec("PRAGMA wal_checkpoint(TRUNCATE)"); });
}

void Project::correct_face(int64_t media, const face::Face& face) {
  face::Face f = face;
  f.manual = true;
  impl_->write([&](SQLite::Database& db) {
    SQLite::Statement keep(db,
                           "INSERT OR IGNORE INTO faces_before SELECT media, frame, track, manual, "
                           "presence, x0, y0, x1, y1, points, pose, quality, embedding FROM faces "
                           "WHERE media = ? AND frame = ? AND track = ? AND manual = 0");
    keep.bind(1, media);
    keep.bind(2, f.frame);
    keep.bind(3, f.track);
    keep.exec();
    SQLite::Statement named(db, "SELECT subject FROM tracks WHERE media = ? AND track = ?");
    named.bind(1, media);
    named.bind(2, f.track);
    const std::string subject = named.executeStep() ? named.getColumn(0).getString() : "";
    SQLite::Statement q(db, insert_into("faces"));
    bind_face(q, media, f, faceset_of(impl_->folder, subject));
    q.exec();
  });
}

bool Project::revert_face(int64_t media, FrameIndex frame, int track) {
  bool reverted = false;
  impl_->write([&](SQLite::Database& db) {
    const auto run = [&](const std::string& sql) {
      SQLite::Statement q(db, sql + " WHERE media = ? AND frame = ? AND track = ?");
      q.bind(1, media);
      q.bind(2, frame);
      q.bind(3, track);
      return q.exec();
    };
    SQLite::Statement corrected(db,
                                "DELETE FROM faces WHERE media = ? AND frame = ? AND track = ? AND "
                                "manual = 1");
    corrected.bind(1, media);
    corrected.bind(2, frame);
    corrected.bind(3, track);
    reverted = corrected.exec() > 0;
    if (!reverted) return;
    run(std::string("INSERT OR REPLACE INTO faces ") + kColumns +
        " SELECT media, frame, track, manual, presence, x0, y0, x1, y1, points, pose, quality, "
        "embedding FROM faces_before");
    run("DELETE FROM faces_before");
  });
  return reverted;
}

void Project::forget_track(int64_t media, int track) {
  impl_->write([&](SQLite::Database& db) {
    for (const char* table : {"faces", "faces_before", "tracks"}) {
      SQLite::Statement q(db,
                          std::string("DELETE FROM ") + table + " WHERE media = ? AND track = ?");
      q.bind(1, media);
      q.bind(2, track);
      q.exec();
    }
  });
}

}  // namespace likeness::project
