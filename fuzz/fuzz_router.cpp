// SPDX-License-Identifier: Apache-2.0
// The studio's front: whatever a client sends as request line, headers and body. Input: the request
// line, header lines, an empty line, the body. "@cookie" and "@csrf" in header values stand for
// those of a valid session, so that the fuzzer gets past the door.
#include <filesystem>

#include <unistd.h>

#include "fuzz.h"

#include "likeness/server/ranges.h"
#include "likeness/server/server.h"

namespace {
using namespace likeness;
using namespace likeness::server;

struct World {
  std::filesystem::path folder = std::filesystem::temp_directory_path() /
                                 ("likeness-fuzz-router-" + std::to_string(::getpid()));
  std::unique_ptr<App> app;
  std::unique_ptr<Gatekeeper> gate;
  std::unique_ptr<Front> front;
  std::string cookie, csrf, project;

  World() {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    ::setenv("LIKENESS_HOME", (folder / "home").c_str(), 1);
    project::Project::create(folder / "film");
    AppParts parts;
    parts.version = "fuzz";
    parts.home = folder / "projects";
    parts.tasks = nlohmann::json::object();
    parts.make_work = [](project::Project&, const std::string&, const nlohmann::json&,
                         const nlohmann::json&) -> jobs::Work {
      throw Error(ErrorCode::kUsage, "no tasks here", "none");
    };
    parts.command_line = [](project::Project&, const std::string&, const nlohmann::json&,
                            const nlohmann::json&) { return std::string("likeness"); };
    parts.preview = [](const PreviewRequest&, FrameStore&) { return PreviewAnswer{}; };
    parts.forget_models = [] {};
    parts.doctor = [] { return nlohmann::json::object(); };
    app = std::make_unique<App>(std::move(parts));
    project = app->open(folder / "film").id;
    gate = std::make_unique<Gatekeeper>(8740, std::filesystem::path());
    front = std::make_unique<Front>(*app, *gate);
    const auto login = gate->login(gate->token());
    cookie = login.set_cookie.substr(0, login.set_cookie.find(';'));
    csrf = login.csrf;
  }
  ~World() {
    front.reset();
    app.reset();
    std::filesystem::remove_all(folder);
  }
};

void replace(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

std::string line_of(std::string& rest) {
  const size_t end = rest.find('\n');
  std::string line = rest.substr(0, end);
  rest.erase(0, end == std::string::npos ? rest.size() : end + 1);
  return line;
}

}  // namespace

LIKENESS_FUZZ_TARGET(bytes) {
  static World world;
  std::string rest(bytes.begin(), bytes.end());
  std::string first = line_of(rest);
  replace(first, "@project", world.project);
  Request request;
  const size_t space = first.find(' ');
  request.method = first.substr(0, space);
  for (std::string line = line_of(rest); !line.empty(); line = line_of(rest)) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    std::string value = line.substr(colon + 2);
    replace(value, "@cookie", world.cookie);
    replace(value, "@csrf", world.csrf);
    request.headers.emplace(line.substr(0, colon), value);
  }
  request.body = rest;
  try {
    parse_target(space == std::string::npos ? "" : first.substr(space + 1), request);
    const Route* route = world.front->admit(request);
    const Response response = world.front->answer(route, request);
    if (response.status < 200 || response.status > 599) std::terminate();
    // A file that is sent must lie in the project.
    if (response.file && response.file->path.string().rfind(world.folder.string(), 0) != 0)
      std::terminate();
  } catch (const HttpError& e) {
    if (e.status < 400 || e.status > 599) std::terminate();
  }
  ByteRange range;
  parse_range(first, bytes.size(), range);
}
