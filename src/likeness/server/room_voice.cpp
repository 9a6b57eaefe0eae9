// SPDX-License-Identifier: Apache-2.0
// Voices, the voice bank, live speaking, and the uploads that jobs about them work on. What is done
// with those are jobs.
#include "likeness/server/app.h"
#include "likeness/tasks/voice_bank.h"
#include "likeness/tasks/voice_ops.h"

namespace likeness::server {
using nlohmann::json;
namespace {

/// A take that was sent is read where it lies: it is kept, or sent again, by the next request.
struct Take {
  std::string upload, sentence;
  std::filesystem::path file;
  bool confirmed = false;
};
Take take_of(App& app, const Request& r) {
  const json body = r.json();
  Take out{body.at("upload"), body.at("sentence"), {}, body.value("words_confirmed", false)};
  if (!is_id(out.upload)) throw HttpError{400, "bad_request", "that is no upload", "begin one"};
  out.file = app.uploads().finish(r.param("project"), out.upload);
  return out;
}

void add_bank(Router& router, App& app) {
  const std::string base = "/v1/projects/{project}/voices/{subject}/bank";
  auto& state = router.add(
      "GET", base, "how far the voice bank is, and what to read next", [&app](const Request& r) {
        const auto p = app.project(r);
        return Response::json(tasks::bank_state(*p, r.param("subject"),
                                                static_cast<size_t>(r.number("next", 5, 0, 1000))));
      });
  state.query = {{"next", "how many sentences to name"}};
  state.lane = Lane::kSlow;
  auto& check = router.add(
      "POST", base + "/check", "is this take good? Nothing is kept", [&app](const Request& r) {
        const auto p = app.project(r);
        const Take take = take_of(app, r);
        return Response::json(
            tasks::bank_check(*p, r.param("subject"), take.file, take.sentence, take.confirmed)
                .to_json());
      });
  auto& keep =
      router.add("POST", base + "/takes", "check it again, and enrol it with its sentence as text",
                 [&app](const Request& r) {
                   const auto p = app.project(r);
                   const Take take = take_of(app, r);
                   Progress silent;
                   const Cancel never;
                   json out = tasks::bank_take(*p, r.param("subject"), take.file, take.sentence,
                                               take.confirmed, silent, never);
                   if (out["check"]["good"] == true)
                     app.uploads().drop(r.param("project"), take.upload);
                   out["state"] = tasks::bank_state(*p, r.param("subject"), 5);
                   app.changed(r.param("project"), "voices");
                   return Response::json(out, 201);
                 });
  for (Route* route : {&check, &keep}) {
    route->body = object_schema({"upload: string all bytes sent, 'done' not called",
                                 "sentence: string its id",
                                 "words_confirmed?: boolean somebody has listened to it"});
    route->lane = Lane::kSlow;
  }
}

void add_upload(Router& router, App& app, const char* kind, const char* name, const char* summary) {
  auto& route = router.add(
      "POST", std::string("/v1/projects/{project}/") + kind, summary,
      [&app, kind, name](const Request& r) {
        const auto p = app.project(r);
        const std::filesystem::path kept = keep_upload(app, r, *p, kind, r.json().value("set", ""));
        return Response::json(
            {{name, kept.string()}, {"set", kept.parent_path().filename().string()}}, 201);
      });
  route.body = object_schema({"upload: string its id", "set?: string of the one before"});
  route.lane = Lane::kSlow;
}

}  // namespace

void add_voice_routes(Router& router, App& app) {
  auto& list =
      router.add("GET", "/v1/projects/{project}/voices",
                 "the voices that can speak here, then the enrolled ones with their minutes",
                 [&app](const Request& r) {
                   return Response::json(tasks::list_project_voices(*app.project(r)));
                 });
  list.lane = Lane::kSlow;
  add_bank(router, app);
  add_upload(
      router, app, "takes", "take",
      "a finished upload as the take of a voice-convert job; it is removed when that is done");
  add_upload(router, app, "recordings", "recording",
             "a finished upload as a recording, or a text of one, for a voice-enroll job; those of "
             "one set go together, and are removed when the job is done");
  add_upload(router, app, "files", "file",
             "a finished upload for any other job whose arguments take a file; those of one set go "
             "together, and are removed when the job is done");
  router.add("GET", "/v1/projects/{project}/live",
             "who speaks live now, or null. As a WebSocket: speak in a voice while you speak",
             [&app](const Request& r) {
               app.open_id(r.param("project"));
               return Response::json(app.live().now());
             });
}

}  // namespace likeness::server
