// SPDX-License-Identifier: Apache-2.0
// Faces and tracks of a clip. Arrays are stored as little-endian float32 blobs, bit-exact.
// Landmarks and embedding of a person's face lie sealed as that person's faceset does
// (base/sealed_file.h): they read as none where no grant holds the key. A blob of no bytes is none,
// too.
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

std::string_view bytes_of(const float* data, size_t count) {
  return {reinterpret_cast<const char*>(data), count * sizeof(float)};
}
std::string_view bytes_of(const face::Points& points) {
  return bytes_of(&points[0].x, points.size() * 3);
}

/// Whose a track is: what is written for a person is sealed, or not written at all.
struct Owner {
  std::filesystem::path faceset;  ///< empty: the track is not named
  bool person = false;
};

/// Gives false when the owner is a person and no key is open: then nothing is stored.
bool bind_owned(SQLite::Statement& q, int index, std::string_view plain, const Owner& owner) {
  const auto sealed = owner.faceset.empty() ? std::nullopt : seal_as_file(owner.faceset, plain);
  const bool store = sealed || !owner.person;
  const std::string_view bytes = !store ? std::string_view("", 0) : sealed ? *sealed : plain;
  q.bind(index, static_cast<const void*>(bytes.data()), static_cast<int>(bytes.size()));
  return store;
}

std::span<const uint8_t> bytes_of(const SQLite::Column& column) {
  return {static_cast<const uint8_t*>(column.getBlob()), static_cast<size_t>(column.getBytes())};
}

/// False when there is none, or when it is sealed and no key is open.
bool read_owned(const SQLite::Column& column, void* to, size_t count) {
  const auto stored = bytes_of(column);
  if (stored.empty()) return false;
  if (!is_sealed(stored)) {
    read_floats(column, to, count);
    return true;
  }
  const auto plain = unseal_if_open(stored);
  if (!plain) return false;
  if (plain->size() != count * sizeof(float))
    throw Error(ErrorCode::kDamaged, "what is stored of a face has another length",
                "run extract again with --again");
  std::memcpy(to, plain->data(), plain->size());
  return true;
}

constexpr const char* kColumns =
    "(media, frame, track, manual, presence, x0, y0, x1, y1, points, pose, quality, embedding)";
std::string insert_into(const char* table) {
  return std::string("INSERT OR REPLACE INTO ") + table + " " + kColumns +
         " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
}

void bind_face(SQLite::Statement& q, int64_t media, const face::Face& f, const Owner& owner) {
  q.bind(1, media);
  q.bind(2, f.frame);
  q.bind(3, f.track);
  q.bind(4, f.manual ? 1 : 0);
  q.bind(5, f.presence);
  q.bind(6, f.box.x0);
  q.bind(7, f.box.y0);
  q.bind(8, f.box.x1);
  q.bind(9, f.box.y1);
  bind_owned(q, 10, f.has_points ? bytes_of(f.points) : std::string_view("", 0), owner);
  Floats pose = pose_floats(f.pose);
  bind_floats(q, 11, pose.data(), pose.size());
  const float quality[] = {f.quality.sharpness, f.quality.size_px, f.quality.exposure,
                           f.quality.occlusion};
  bind_floats(q, 12, quality, 4);
  if (!f.has_embedding ||
      !bind_owned(q, 13, bytes_of(f.embedding.data(), f.embedding.size()), owner))
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
  f.has_points = read_owned(q.getColumn(8), f.points.data(), f.points.size() * 3);
  Floats pose(16);
  read_floats(q.getColumn(9), pose.data(), pose.size());
  f.pose = pose_of(pose);
  float quality[4];
  read_floats(q.getColumn(10), quality, 4);
  f.quality = {quality[0], quality[1], quality[2], quality[3]};
  f.has_embedding = read_owned(q.getColumn(11), f.embedding.data(), f.embedding.size());
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

Owner owner_of(SQLite::Database& db, const std::filesystem::path& project,
               const std::string& subject) {
  if (subject.empty()) return {};
  SQLite::Statement q(db, "SELECT kind FROM subjects WHERE name = ?");
  q.bind(1, subject);
  const bool person =
      q.executeStep() && q.getColumn(0).getString() == subject_kind_name(SubjectKind::kPerson);
  return {project / "facesets" / (subject + ".faces"), person};
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
    bind_owned(q, 7, bytes_of(t.embedding.data(), t.embedding.size()),
               owner_of(db, project, t.subject));
    q.exec();
    q.reset();
  }
}

/// Seals what lies plain in one column of a track's rows; of a person it is removed when its key is
/// not open (the next extract has it again). Gives how many changed. In pieces: an hour of film has
/// a hundred thousand faces of 6 KB.
int seal_column(SQLite::Database& db, int64_t media, int track, const Owner& owner,
                const std::string& table, const std::string& column) {
  constexpr int64_t kPiece = 1000;
  const bool rows = table != "tracks";
  const std::string frame = rows ? "frame" : "0";
  SQLite::Statement q(db, "SELECT " + frame + ", " + column + " FROM " + table +
                              " WHERE media = ? AND track = ? AND " + frame + " >= ? AND " +
                              column + " IS NOT NULL ORDER BY 1 LIMIT " + std::to_string(kPiece));
  SQLite::Statement put(db, "UPDATE " + table + " SET " + column +
                                " = ? WHERE media = ? AND track = ?" +
                                (rows ? " AND frame = ?" : ""));
  int changed = 0;
  for (int64_t from = 0;;) {
    std::vector<std::pair<int64_t, std::string>> plain;
    int64_t seen = 0;
    q.bind(1, media);
    q.bind(2, track);
    q.bind(3, from);
    while (q.executeStep()) {
      ++seen;
      from = q.getColumn(0).getInt64() + 1;
      const auto bytes = bytes_of(q.getColumn(1));
      if (!bytes.empty() && !is_sealed(bytes))
        plain.emplace_back(from - 1,
                           std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    }
    q.reset();
    for (const auto& [n, bytes] : plain) {
      if (!owner.person && !seal_as_file(owner.faceset, "")) return changed;  // nobody's secret
      bind_owned(put, 1, bytes, owner);
      put.bind(2, media);
      put.bind(3, track);
      if (rows) put.bind(4, n);
      changed += put.exec();
      put.reset();
    }
    if (seen < kPiece || !rows) return changed;
  }
}

int seal_rows(SQLite::Database& db, int64_t media, int track, const std::string& subject,
              const std::filesystem::path& project) {
  const Owner owner = owner_of(db, project, subject);
  if (owner.faceset.empty()) return 0;
  int changed = 0;
  for (const auto& [table, column] : {std::pair("faces", "points"),
                                      {"faces", "embedding"},
                                      {"faces_before", "points"},
                                      {"faces_before", "embedding"},
                                      {"tracks", "embedding"}})
    changed += seal_column(db, media, track, owner, table, column);
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
    std::map<int, Owner> owners;  // of named tracks
    for (const TrackRow& t : tracks)
      if (!t.subject.empty()) owners[t.track] = owner_of(db, impl_->folder, t.subject);
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
      const auto named = owners.find(f.track);
      bind_face(to, media, f, named == owners.end() ? Owner{} : named->second);
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
      read_owned(q.getColumn(5), t.embedding.data(), t.embedding.size());
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
    sealed = seal_rows(db, media, track, subject, impl_->folder);
  });
  if (sealed) impl_->forget_old_pages();
}

void Project::seal_track(int64_t media, int track, const std::string& subject) {
  int sealed = 0;
  impl_->write(
      [&](SQLite::Database& db) { sealed = seal_rows(db, media, track, subject, impl_->folder); });
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
    const Owner owner = owner_of(db, impl_->folder, subject);
    if (owner.person && !seal_as_file(owner.faceset, ""))
      throw Error(ErrorCode::kRefused,
                  "the faces of '" + subject + "' lie sealed, and their key is not open",
                  "see: likeness consent show PROJECT");
    SQLite::Statement q(db, insert_into("faces"));
    bind_face(q, media, f, owner);
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

int64_t Project::forget_track(int64_t media, int track) {
  int64_t forgotten = 0;
  impl_->write([&](SQLite::Database& db) {
    for (const std::string table : {"faces", "faces_before", "tracks"}) {
      SQLite::Statement q(db, "DELETE FROM " + table + " WHERE media = ? AND track = ?");
      q.bind(1, media);
      q.bind(2, track);
      const int rows = q.exec();
      if (table == "faces") forgotten = rows;
    }
  });
  impl_->forget_old_pages();
  return forgotten;
}

}  // namespace likeness::project
