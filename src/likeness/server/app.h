// SPDX-License-Identifier: Apache-2.0
// What the rooms share: the open projects, events, queue, frames, uploads. What needs the networks
// comes in as functions, so that this module has no libtorch in it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "likeness/jobs/queue.h"
#include "likeness/project/project.h"
#include "likeness/server/events.h"
#include "likeness/server/frames.h"
#include "likeness/server/live.h"
#include "likeness/server/router.h"
#include "likeness/server/uploads.h"

namespace likeness::server {

/// A swapped frame, asked for by the Swap room.
struct PreviewRequest {
  project::Project& project;
  int64_t media = 0;
  FrameIndex frame = 0;
  std::string model;
  std::map<std::string, std::string> map;
  nlohmann::json options;
  nlohmann::json polygons;  ///< drawn over the mask
  bool mask = false;        ///< the mask instead of the picture
  int width = 0;
};
struct PreviewAnswer {
  std::string jpeg, why;
  int faces = 0;
};

struct AppParts {
  std::string version;
  std::filesystem::path home;      ///< new projects are made here
  std::filesystem::path settings;  ///< studio.json: recent projects; empty = not kept
  nlohmann::json tasks;            ///< of /v1/tasks
  jobs::MakeWork make_work;
  std::function<std::string(project::Project&, const std::string& task,
                            const nlohmann::json& arguments, const nlohmann::json& options)>
      command_line;
  /// Decoding is done by the FrameStore's reader that is handed in.
  std::function<PreviewAnswer(const PreviewRequest&, FrameStore&)> preview;
  LiveWork live;
  /// A revocation: nothing of the person may stay in memory.
  std::function<void()> forget_models;
  std::function<nlohmann::json()> doctor;
};

class App {
 public:
  explicit App(AppParts parts);
  ~App();
  const AppParts& parts() const { return parts_; }

  struct Open {
    std::string id;
    std::shared_ptr<project::Project> project;
  };
  /// A folder the user named; becomes a recent project. Throws as Project::open, kIo when another
  /// studio has it.
  Open open(const std::filesystem::path& folder);
  /// Of a request's {project}: one of the recent ones or of the home folder. Throws kNotFound.
  Open open_id(const std::string& id);
  std::shared_ptr<project::Project> project(const Request& request);
  void forget(const std::string& id);
  /// [{id, name, path, exists, size_bytes, opened_at}], newest first
  nlohmann::json recents();
  void close() {
    live_.finish();
    queue_.stop();
  }
  void request_stop() { queue_.request_stop(); }

  Events& events() { return events_; }
  jobs::Queue& queue() { return queue_; }
  Live& live() { return live_; }
  FrameStore& frames() { return frames_; }
  Uploads& uploads() { return uploads_; }
  /// "project" event: something in it changed.
  void changed(const std::string& project, const std::string& what);
  /// Called twice a second by the server: new log rows and previews of what is being trained.
  void watch_training();

  /// Id of a folder: the same on every start.
  static std::string project_id(const std::filesystem::path& folder);

 private:
  std::map<std::string, std::filesystem::path> known_locked();
  void job_changed(const std::string& project, const nlohmann::json& job);

  AppParts parts_;
  Events events_;
  FrameStore frames_;
  Uploads uploads_;
  std::mutex mutex_;
  std::map<std::string, Open> open_;
  struct Watched {
    std::string key;
    uint64_t offset = 0;
    int64_t step = 0;
    std::string preview;
  };
  std::mutex watch_mutex_;
  Watched watched_;
  jobs::Queue queue_;  ///< its threads use the others
  Live live_;          ///< last: its thread uses the queue
};

/// The routes of each room.
void add_project_routes(Router& router, App& app);
void add_media_routes(Router& router, App& app);
void add_face_routes(Router& router, App& app);
void add_faceset_routes(Router& router, App& app);
void add_job_routes(Router& router, App& app);
void add_model_routes(Router& router, App& app);
void add_swap_routes(Router& router, App& app);
void add_consent_routes(Router& router, App& app);
void add_voice_routes(Router& router, App& app);
void add_output_routes(Router& router, App& app);
void add_doctor_routes(Router& router, App& app);
/// All of the above.
void add_routes(Router& router, App& app);

/// The upload that the body names goes to work/KIND of the project, outside its media; gives the
/// path below the project, work/KIND/SET/NAME. Uploads of one `set` lie together; without one the
/// upload begins its own. HttpError 400 when the body names none.
std::string keep_upload(App& app, const Request& request, const project::Project& project,
                        const std::string& kind, const std::string& set = "");
/// Folders of the files that were uploaded for a job with these arguments, below the project.
std::vector<std::filesystem::path> uploads_of(const nlohmann::json& arguments);
/// One clip as the API shows it.
nlohmann::json media_json(App& app, const project::Project& project, const project::MediaRow& row);

}  // namespace likeness::server
