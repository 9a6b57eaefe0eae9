// SPDX-License-Identifier: Apache-2.0
// Voices that can speak, and takes to be said in one of them. Speaking and converting are jobs.
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
}

}  // namespace likeness::server
