// SPDX-License-Identifier: Apache-2.0
// Voices, recordings to enrol one from, and takes to be said in one. What is done with them are
// jobs.
#include "likeness/server/app.h"
#include "likeness/tasks/voice_ops.h"

namespace likeness::server {
using nlohmann::json;

void add_voice_routes(Router& router, App& app) {
  auto& list =
      router.add("GET", "/v1/projects/{project}/voices",
                 "the voices that can speak here, then the enrolled ones with their minutes",
                 [&app](const Request& r) {
                   return Response::json(tasks::list_project_voices(*app.project(r)));
                 });
  list.lane = Lane::kSlow;
  auto& take = router.add(
      "POST", "/v1/projects/{project}/takes",
      "a finished upload as the take of a voice-convert job; it is removed when that is done",
      [&app](const Request& r) {
        const auto p = app.project(r);
        return Response::json({{"take", keep_upload(app, r, *p, "takes")}}, 201);
      });
  take.body = object_schema({"upload: string its id"});
  take.lane = Lane::kSlow;
  auto& recording = router.add(
      "POST", "/v1/projects/{project}/recordings",
      "a finished upload as a recording, or a text of one, for a voice-enroll job; those of one "
      "set go together, and are removed when the job is done",
      [&app](const Request& r) {
        const auto p = app.project(r);
        const std::filesystem::path kept =
            keep_upload(app, r, *p, "recordings", r.json().value("set", ""));
        return Response::json(
            {{"recording", kept.string()}, {"set", kept.parent_path().filename().string()}}, 201);
      });
  recording.body = object_schema({"upload: string its id", "set?: string of the recording before"});
  recording.lane = Lane::kSlow;
}

}  // namespace likeness::server
