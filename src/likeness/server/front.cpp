// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/run.h"
#include "likeness/server/server.h"
#include "likeness/server/web_files.h"

namespace likeness::server {
using nlohmann::json;
namespace {

bool is_api(const Request& r) { return !r.segments.empty() && r.segments[0] == "v1"; }
bool is_session(const Request& r) {
  return r.segments.size() == 2 && r.segments[0] == "v1" && r.segments[1] == "session";
}

}  // namespace

Front::Front(App& app, Gatekeeper& gate) : app_(app), gate_(gate) {
  add_routes(router_, app);
  // These two are answered before a session is asked for; here so that they are described.
  const auto here = [this](const Request& r) { return session(r); };
  router_.add("GET", "/v1/session", "the session of the cookie: {csrf, version, project}", here)
      .open = true;
  auto& login = router_.add("POST", "/v1/session",
                            "the token of the address, or the password, for a cookie", here);
  login.open = true;
  login.lane = Lane::kSlow;  // a password takes its time
  login.body =
      object_schema({gate.wants_password() ? "password: string" : "token: string of the address"});
  router_.add("DELETE", "/v1/session", "log out", [this](const Request& r) {
    Response out = Response::json({{"ended", true}});
    out.header("Set-Cookie", gate_.logout(r));
    return out;
  });
  auto& events = router_.add(
      "GET", "/v1/events", "WebSocket: every event, numbered", [](const Request&) -> Response {
        throw HttpError{426, "usage", "this is a WebSocket", "connect with ws://"};
      });
  events.query = {{"from", "the last number known"}, {"boot", "of the server run it is of"}};
}

bool Front::is_events(const Request& r) const {
  return r.segments.size() == 2 && r.segments[0] == "v1" && r.segments[1] == "events";
}

bool Front::is_live(const Request& r) const {
  return r.segments.size() == 4 && r.segments[1] == "projects" && r.segments[3] == "live";
}

const Route* Front::admit(Request& request) const {
  gate_.check_source(request);
  if (!is_api(request)) return nullptr;
  if (!is_session(request) || request.method == "DELETE") gate_.check_session(request);
  return &router_.match(request);
}

Response Front::session(const Request& r) const {
  std::string csrf, cookie;
  if (r.method == "POST") {
    const json body = r.json();
    if (const int64_t wait = gate_.wants_password() ? gate_.begin_try(r.client) : 0; wait > 0) {
      const std::string seconds = std::to_string(wait);
      Response late = Response::error(
          HttpError{429, "password", "too many tries", "try again in " + seconds + " s"});
      late.header("Retry-After", seconds);
      return late;
    }
    const auto login = gate_.wants_password()
                           ? gate_.login_with_password(body.at("password"), r.client)
                           : gate_.login(body.at("token"));
    csrf = login.csrf;
    cookie = login.set_cookie;
  } else if (const auto known = gate_.csrf_of(r)) {
    csrf = *known;
  } else {
    gate_.check_session(r);  // says what is missing
  }
  Response out = Response::json({{"csrf", csrf},
                                 {"version", app_.parts().version},
                                 {"boot", app_.events().boot()},
                                 {"password", gate_.wants_password()},
                                 {"project", project_.empty() ? json() : json(project_)}});
  if (!cookie.empty()) out.header("Set-Cookie", cookie);
  return out;
}

Response Front::answer(const Route* route, Request& request) const {
  try {
    if (!route) return static_response(request);
    if (!route->body.is_null()) check_body(request.json(), route->body);
    return route->handler(request);
  } catch (const HttpError& e) {
    return Response::error(e);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kInternal) log(LogLevel::kError, e.what());
    return Response::error(e);
  } catch (const json::exception& e) {  // a value of another type than the handler needs
    return Response::error(
        HttpError{422, "usage", "a value has the wrong type", "see /v1/openapi.json"});
  } catch (const std::bad_alloc&) {
    return Response::error(Error(ErrorCode::kNoSpace, "out of memory",
                                 "pause the running job, or close other programs"));
  } catch (const std::exception& e) {
    log(LogLevel::kError, request.method + " " + request.path + ": " + e.what());
    return Response::error(Error(ErrorCode::kInternal, "something went wrong inside",
                                 "please report this with the studio's output"));
  }
}

}  // namespace likeness::server
