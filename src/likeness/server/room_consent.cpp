// SPDX-License-Identifier: Apache-2.0
// Consents: what there is, asking, recording and withdrawing.
#include "likeness/base/atomic_file.h"
#include "likeness/base/hash.h"
#include "likeness/server/app.h"
#include "likeness/tasks/consent_ops.h"
#include "likeness/trust/keys.h"

namespace likeness::server {
using nlohmann::json;
namespace {

Response request(App& app, const Request& r) {
  const auto p = app.project(r);
  json given = r.json().value("terms", json::object());
  int minutes = tasks::kDefaultPhraseMinutes;
  if (given.is_object() && given.contains("phrase_minutes")) {
    minutes = given["phrase_minutes"];
    given.erase("phrase_minutes");
  }
  trust::ConsentTerms terms;
  options_from_json(terms, given);
  const json out = tasks::consent_request(*p, r.param("subject"), terms, minutes);
  app.changed(r.param("project"), "consents");
  return Response::json(out, 201);
}

Response record(App& app, const Request& r) {
  const auto p = app.project(r);
  const json body = r.json();
  p->subject(r.param("subject"));
  json arguments = {{"subject", r.param("subject")}};
  for (const char* name : {"request", "reviewer", "words_confirmed", "words_reason"})
    if (body.contains(name) && !body[name].is_null()) arguments[name] = body[name];
  // It never becomes a clip of the project.
  if (!body.value("upload", "").empty())
    arguments["evidence"] = keep_upload(app, r, *p, "evidence");
  return Response::json(
      app.queue().add(r.param("project"), "consent-record", arguments, json::object()), 201);
}

}  // namespace

void add_consent_routes(Router& router, App& app) {
  const std::string base = "/v1/projects/{project}/consents";
  auto& list = router.add("GET", base, "every subject's consent, with the request that waits",
                          [&app](const Request& r) {
                            const auto p = app.project(r);
                            json rows = tasks::consent_show(*p, "");
                            const json pending = tasks::consent_pending(*p);
                            for (json& row : rows) {
                              row["pending"] = nullptr;
                              for (const json& one : pending)  // newest first
                                if (row["pending"].is_null() && one["subject"] == row["subject"])
                                  row["pending"] = one;
                            }
                            return Response::json(rows);
                          });
  list.lane = Lane::kSlow;
  auto& ask =
      router.add("POST", base + "/{subject}/request", "fix the terms and make the words to be read",
                 [&app](const Request& r) { return request(app, r); });
  ask.body = object_schema({"terms: object as /v1/tasks describes under 'consent'"});
  ask.lane = Lane::kSlow;
  auto& take = router.add("POST", base + "/{subject}/record",
                          "check the evidence and sign the record: a job",
                          [&app](const Request& r) { return record(app, r); });
  take.body = object_schema({"upload?: string all bytes sent, 'done' not called",
                             "request?: string its id; the newest when left out",
                             "reviewer?: string who listened or read",
                             "words_confirmed?: boolean exactly the words were heard",
                             "words_reason?: string why the recogniser does not understand them"});
  auto& revoke =
      router.add("POST", base + "/{subject}/revoke",
                 "withdraw it: destroys the key, cannot be undone", [&app](const Request& r) {
                   const auto p = app.project(r);
                   tasks::RevokeOptions options;
                   options.reason = r.json().at("reason");
                   app.live().stop(r.param("project"));
                   app.parts().forget_models();
                   const json out = tasks::consent_revoke(*p, r.param("subject"), options);
                   app.parts().forget_models();
                   app.frames().clear();
                   for (const char* what : {"consents", "facesets", "models", "faces", "subjects"})
                     app.changed(r.param("project"), what);
                   return Response::json(out);
                 });
  revoke.body = object_schema({"reason: string for the statement"});
  revoke.lane = Lane::kSlow;
  auto& file = router.add(
      "GET", base + "/{subject}/export", "the record as a file", [&app](const Request& r) {
        const auto p = app.project(r);
        const std::string subject = r.param("subject");
        const bool full = r.flag("full");
        const auto folder = p->folder() / "work" / "uploads" / hex(trust::random_bytes(8));
        const auto path = folder / "consent.json";
        std::error_code ec;
        std::filesystem::create_directories(folder, ec);
        const std::shared_ptr<void> gone(nullptr, [folder](void*) {
          std::error_code none;
          std::filesystem::remove_all(folder, none);
        });
        tasks::consent_export(*p, subject, path, full);
        Response out = Response::bytes(read_file(path, size_t{1} << 30), "application/json");
        out.header("Cache-Control", "no-store");
        save_as(out, subject + (full ? ".full.json" : ".consent.json"));
        return out;
      });
  file.query = {{"full", "1: with evidence and key, under the passphrase of the studio"}};
  file.lane = Lane::kSlow;
  auto& verify = router.add(
      "GET", base + "/{subject}/verify", "every rule, and whether it holds",
      [&app](const Request& r) {
        return Response::json(tasks::consent_verify(*app.project(r), r.param("subject")));
      });
  verify.lane = Lane::kSlow;
}

}  // namespace likeness::server
