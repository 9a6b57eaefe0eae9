// SPDX-License-Identifier: Apache-2.0
// Tasks, their command lines, and the queue.
#include "likeness/base/error_json.h"
#include "likeness/server/app.h"
#include "likeness/tasks/model_history.h"

namespace likeness::server {
using nlohmann::json;
namespace {

/// Errors about what was asked become 422 and name the option, so that a form can show it there.
template <typename F>
Response naming_option(F&& body) {
  try {
    return body();
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kUsage) throw;
    json error = error_json(e);
    const std::string what = e.what();
    for (const std::string word : {"option ", "argument "}) {
      if (what.rfind(word, 0) != 0) continue;
      const size_t end = what.find(' ', word.size());
      error["option"] = what.substr(word.size(), end - word.size());
    }
    return Response::json({{"error", error}}, 422);
  }
}

Response add(App& app, const Request& r) {
  const json body = r.json();
  const std::string project = r.param("project"), task = body.at("task");
  json arguments = body.value("arguments", json::object());
  const json options = body.value("options", json::object());
  const auto p = app.project(r);
  return naming_option([&] {
    if (task == "train" && arguments.is_object() && arguments.value("restart", json()) == true) {
      const jobs::Work work = app.parts().make_work(*p, task, arguments, options);
      if (work.authorise) work.authorise();  // before anything is moved
      const std::string model = arguments.at("model");
      std::error_code ec;
      if (std::filesystem::exists(p->model_folder(model), ec)) {
        tasks::discard_model(*p, model);
        app.changed(project, "trash");
      }
    }
    if (arguments.is_object()) arguments.erase("restart");  // once, not on every resume
    return Response::json(
        app.queue().add(project, task, arguments, options, body.value("draft", false)), 201);
  });
}

Response edit(App& app, const Request& r) {
  const json body = r.json();
  app.open_id(r.param("project"));
  return naming_option([&] {
    return Response::json(app.queue().edit(r.param("project"), r.id("job"),
                                           body.value("arguments", json::object()),
                                           body.value("options", json::object())));
  });
}

void add_actions(Router& router, App& app) {
  const std::string base = "/v1/projects/{project}/jobs";
  auto& put = router.add("PUT", base + "/{job}",
                         "other arguments and options for one that is not running and not done",
                         [&app](const Request& r) { return edit(app, r); });
  put.body = object_schema({"arguments: object", "options: object"});
  put.lane = Lane::kSlow;
  using Action = json (jobs::Queue::*)(const std::string&, int64_t);
  const auto action = [&](const char* name, const char* summary, Action what) {
    router.add("POST", base + "/{job}/" + name, summary, [&app, what](const Request& r) {
      app.open_id(r.param("project"));
      return Response::json((app.queue().*what)(r.param("project"), r.id("job")));
    });
  };
  action("cancel", "stop it; what is done is kept", &jobs::Queue::cancel);
  action("pause", "stop it in order, free the device, keep the job", &jobs::Queue::pause);
  action("resume", "let a paused one go on", &jobs::Queue::resume);
  action("retry", "try one again that failed or was cancelled", &jobs::Queue::retry);
  auto& order = router.add(
      "POST", base + "/order", "a new order of those that wait", [&app](const Request& r) {
        app.open_id(r.param("project"));
        const json body = r.json();
        std::vector<int64_t> ids;
        for (const auto& id : body.at("ids")) {
          if (!id.is_number_integer())
            throw Error(ErrorCode::kUsage, "ids must be numbers of jobs", "see the list of jobs");
          ids.push_back(id);
        }
        return Response::json(app.queue().order(r.param("project"), ids));
      });
  order.body = object_schema({"ids: array numbers of jobs, first to run first"});
  router.add("DELETE", base + "/{job}", "forget a finished one", [&app](const Request& r) {
    const auto p = app.project(r);
    std::vector<std::filesystem::path> uploads;  // of a job that failed: they show a person
    for (const auto& job : app.queue().jobs(r.param("project")))
      if (job["id"] == r.id("job")) uploads = uploads_of(job["arguments"]);
    app.queue().remove(r.param("project"), r.id("job"));
    std::error_code ec;
    for (const auto& folder : uploads) std::filesystem::remove_all(p->folder() / folder, ec);
    return Response::json({{"removed", r.id("job")}});
  });
  auto& log = router.add("GET", base + "/{job}/log", "its log lines", [&app](const Request& r) {
    app.open_id(r.param("project"));
    return Response::json(
        app.queue().log(r.param("project"), r.id("job"),
                        static_cast<size_t>(r.number("from", 0, 0, 1'000'000'000))));
  });
  log.query = {{"from", "number of the first line wanted"}};
  auto& report =
      router.add("GET", base + "/{job}/report", "the crash report, when the program ended under it",
                 [&app](const Request& r) {
                   app.open_id(r.param("project"));
                   return Response::bytes(app.queue().report(r.param("project"), r.id("job")),
                                          "text/plain; charset=utf-8");
                 });
  report.answer = "text/plain";
}

}  // namespace

void add_job_routes(Router& router, App& app) {
  router.add("GET", "/v1/tasks", "every task with its options, arguments and presets",
             [&app](const Request&) { return Response::json(app.parts().tasks); });
  const auto body = object_schema({"task: string", "arguments?: object", "options?: object"});
  const auto job = object_schema({"task: string", "arguments?: object", "options?: object",
                                  "draft?: boolean it waits until it is resumed"});
  auto& command = router.add(
      "POST", "/v1/projects/{project}/command", "the same as a command line",
      [&app](const Request& r) {
        const json b = r.json();
        const auto p = app.project(r);
        return naming_option([&] {
          return Response::json(
              {{"command",
                app.parts().command_line(*p, b.at("task"), b.value("arguments", json::object()),
                                         b.value("options", json::object()))}});
        });
      });
  command.body = body;
  router.add("GET", "/v1/projects/{project}/jobs", "unfinished in their order, then newest first",
             [&app](const Request& r) {
               app.open_id(r.param("project"));
               return Response::json(app.queue().jobs(r.param("project")));
             });
  auto& make = router.add("POST", "/v1/projects/{project}/jobs", "queue a job",
                          [&app](const Request& r) { return add(app, r); });
  make.body = job;
  make.lane = Lane::kSlow;
  add_actions(router, app);
}

}  // namespace likeness::server
