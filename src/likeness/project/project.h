// SPDX-License-Identifier: Apache-2.0
// A project: a folder that explains itself. project.toml, project.db (SQLite, WAL), media/
// facesets/ models/ voices/ outputs/ trash/ logs/ work/. Copying the folder copies the project.
//
// Rules: everything throws likeness::Error. kDamaged when the database is not ours or broken, kIo
// when the folder cannot be written, kNoSpace when the disk is full. Deleting means moving to
// trash/. A Project may be used by several threads; calls are serialised.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/face/face.h"

namespace likeness::project {

enum class SubjectKind { kSynthetic, kLicensed, kPerson };
const char* subject_kind_name(SubjectKind kind);
SubjectKind subject_kind(const std::string& name);  ///< throws kUsage

struct Subject {
  std::string name;
  SubjectKind kind = SubjectKind::kSynthetic;
  std::string licence;      ///< reference to the licence document, for kLicensed (required there)
  std::string declared_by;  ///< who declared it: user@host
  std::string declared_at;  ///< ISO 8601 UTC
};

/// A media file as it was analysed. The file stays where it is; hash and path are kept.
struct MediaRow {
  int64_t id = 0;
  std::string path, hash;
  int64_t frames = 0;
  nlohmann::json info;   ///< probe, cuts, damage, jitter
  std::string analysis;  ///< hash of the analysis options; empty = not analysed
};

struct TrackRow {
  int64_t media = 0;
  int track = 0;
  FrameIndex first = 0, last = 0;
  int cluster = -1;
  std::string subject;  ///< empty = not named
  face::Embedding embedding{};
};

/// One finished or interrupted run of a task.
struct JobRow {
  int64_t id = 0;
  /// running, done, failed, cancelled; interrupted when it says running but its process is gone
  std::string task, state, started_at, ended_at;
  nlohmann::json options, result;
};

/// A job that waits to be run, or was; `jobs` decides what is in the entry.
struct QueueRow {
  int64_t id = 0, position = 0;  ///< lowest position first
  std::string state;
  nlohmann::json entry = nlohmann::json::object();
};

/// Something that was deleted and can be brought back.
struct TrashEntry {
  std::string id;          ///< name of its folder in trash/
  std::string kind, name;  ///< "subject" "ben", "faceset" "ben", "file" "out.mp4"
  std::string original;    ///< path inside the project, empty when there was no file
  std::string deleted_at;  ///< ISO 8601 UTC
};

/// Every call is one transaction; concurrent processes wait up to 10 s for each other.
class Project {
 public:
  static Project create(const std::filesystem::path& folder);  ///< throws kUsage when it exists
  static Project open(const std::filesystem::path& folder);    ///< throws kNotFound, kDamaged
  ~Project();
  Project(Project&&) noexcept;
  Project& operator=(Project&&) noexcept;
  const std::filesystem::path& folder() const;
  std::string name() const;
  /// project.toml as JSON: {"project": {...}, "swap": {...}}; tables named as tasks hold option
  /// values.
  nlohmann::json config() const;
  /// Reads every page of the database; throws kDamaged.
  void verify() const;

  void add_subject(const Subject& subject);
  std::vector<Subject> subjects() const;
  Subject subject(const std::string& name) const;  ///< throws kNotFound, and lists the known ones
  /// To the trash, with its faceset; its enrolled voice, with what was trained from it, is an entry
  /// of its own there ("voice"). Models made from its faceset stay.
  void remove_subject(const std::string& name);

  int64_t put_media(const MediaRow& row);  ///< insert or update by hash; gives the id
  std::optional<MediaRow> media_by_hash(const std::string& hash) const;
  std::vector<MediaRow> media() const;
  /// Replaces all faces and tracks of a clip, except faces marked manual, in one transaction.
  void put_faces(int64_t media, const std::vector<face::Face>& faces,
                 const std::vector<TrackRow>& tracks);
  /// The same for clips whose faces do not fit into memory: `next` gives some at a time, none at
  /// the end. It must not use this Project.
  void put_faces_in_parts(int64_t media, const std::function<std::vector<face::Face>()>& next,
                          const std::vector<TrackRow>& tracks);
  std::vector<face::Face> faces(int64_t media, FrameIndex begin = 0,
                                FrameIndex end = INT64_MAX) const;
  std::vector<TrackRow> tracks(int64_t media) const;
  /// Landmarks and embeddings of the track are sealed as the subject's faceset is; those of a
  /// person whose key no grant holds are removed.
  void name_track(int64_t media, int track, const std::string& subject);
  /// The same for a track that is the subject's without being named so.
  void seal_track(int64_t media, int track, const std::string& subject);
  int64_t count_faces(int64_t media) const;
  /// Manual correction: stored with manual = true. What was detected there is kept for revert_face.
  /// Throws kRefused when the face is a person's and no grant holds the key.
  void correct_face(int64_t media, const face::Face& face);
  /// The detected face instead of the corrected one, or none where none was detected. Gives whether
  /// there was a correction.
  bool revert_face(int64_t media, FrameIndex frame, int track);
  /// All faces of a track, corrected ones too, and the track itself. Gives how many faces it had.
  int64_t forget_track(int64_t media, int track);

  int64_t begin_job(const std::string& task, const nlohmann::json& options);
  void end_job(int64_t id, const std::string& state, const nlohmann::json& result);
  std::vector<JobRow> jobs() const;
  std::vector<QueueRow> queue() const;  ///< by position
  /// At the end; gives the id.
  int64_t add_to_queue(const std::string& state, const nlohmann::json& entry);
  void update_queue(const QueueRow& row);
  void remove_from_queue(int64_t id);
  nlohmann::json setting(const std::string& key) const;  ///< null when absent
  void set_setting(const std::string& key, const nlohmann::json& value);

  /// Moves a file or folder of the project to trash/ (any file system error leaves it where it
  /// was).
  TrashEntry move_to_trash(const std::filesystem::path& path, const std::string& kind,
                           const std::string& name);
  std::vector<TrashEntry> trash() const;  ///< newest first
  /// Puts it back. Throws kNotFound, kUsage when something else is in its place now.
  TrashEntry restore(const std::string& id);

  std::filesystem::path faceset_path(const std::string& subject) const;  ///< facesets/NAME.faces
  std::filesystem::path model_folder(const std::string& model) const;    ///< models/NAME
  std::filesystem::path work_folder(const std::string& key) const;  ///< work/KEY, chunk outputs
  std::filesystem::path outputs_folder() const;
  std::filesystem::path trash_folder() const;

 private:
  struct Impl;
  explicit Project(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Names of subjects, models and projects: 1..64 of [a-z A-Z 0-9 _ . -], not starting with '.'.
void check_name(const std::string& kind, const std::string& name);  ///< throws kUsage
std::string now_utc();

}  // namespace likeness::project
