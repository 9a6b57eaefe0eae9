// SPDX-License-Identifier: Apache-2.0
// Models: curves, previews, checkpoints and the way back.
#include <algorithm>

#include "likeness/base/sealed_file.h"
#include "likeness/server/app.h"
#include "likeness/server/ranges.h"
#include "likeness/tasks/model_history.h"
#include "likeness/tasks/runner.h"

namespace likeness::server {
using nlohmann::json;
namespace {

json overview(App& app, const std::string& project_id, const project::Project& p,
              const std::string& model) {
  json j = tasks::model_overview(p, model);
  const json running = app.queue().running();
  if (running.is_object() && running["project"] == project_id && running["task"] == "train" &&
      running["arguments"].value("model", "") == model)
    j["state"] = "training";
  return j;
}

Response preview(App& app, const Request& r) {
  const auto p = app.project(r);
  const std::string model = r.param("model"), step = r.text("step", "latest");
  const auto picture = [&](const std::filesystem::path& path) {
    std::error_code ec;
    if (!std::filesystem::exists(path, ec) || !sealed_info(path)) return file_response(r, path);
    Response out;
    out.type = "image/png";
    out.body = std::make_shared<std::string>(tasks::preview_bytes(*p, model, path));
    return out;
  };
  if (step == "latest") return picture(p->model_folder(model) / "preview.png");
  const int64_t wanted = r.number("step", 0, 0, INT64_MAX);
  for (const auto& e : tasks::model_previews(*p, model))
    if (e.step == wanted) return picture(e.path);
  throw Error(ErrorCode::kNotFound, "there is no preview of step " + step,
              "see the list of previews");
}

json steps_json(const std::vector<tasks::HistoryEntry>& entries) {
  json out = json::array();
  for (const auto& e : entries) out.push_back({{"step", e.step}, {"at", e.at}});
  return out;
}

json checkpoints(const project::Project& p, const std::string& model) {
  const auto previews = tasks::model_previews(p, model);
  const auto all = tasks::model_checkpoints(p, model);
  json out = json::array();
  for (const auto& c : all) {
    json preview_step = nullptr;  // the nearest picture of the time
    int64_t best = INT64_MAX;
    for (const auto& v : previews)
      if (std::abs(v.step - c.step) < best) {
        best = std::abs(v.step - c.step);
        preview_step = v.step;
      }
    out.push_back({{"id", std::to_string(c.step)},
                   {"step", c.step},
                   {"at", c.at},
                   {"preview_step", preview_step},
                   {"current", c.step == all.back().step}});
  }
  return out;
}

Response restore(App& app, const Request& r) {
  const auto p = app.project(r);
  const std::string project = r.param("project"), model = r.param("model");
  const json id = r.json().at("id");
  const std::string text = id.is_string() ? id.get<std::string>() : id.dump();
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos)
    throw Error(ErrorCode::kNotFound, "there is no checkpoint '" + text + "'",
                "see the list of checkpoints");
  const json about = tasks::model_overview(*p, model);
  json done = tasks::restore_checkpoint(*p, model, std::stoll(text));
  // The weights that a swap uses are written anew from the checkpoint, by a job that makes no step.
  const json job = app.queue().add(
      project, "train",
      {{"model", model}, {"identity", about["identity"]}, {"performer", about["performer"]}},
      done["options"]);
  done.erase("options");
  done["job"] = job;
  app.changed(project, "models");
  app.changed(project, "trash");
  return Response::json(done);
}

}  // namespace

void add_model_routes(Router& router, App& app) {
  const std::string base = "/v1/projects/{project}/models";
  router.add("GET", base, "the models, finished or not", [&app](const Request& r) {
    const auto p = app.project(r);
    json out = json::array();
    for (const auto& name : tasks::model_folders(*p))
      out.push_back(overview(app, r.param("project"), *p, name));
    return Response::json(out);
  });
  auto& log =
      router.add("GET", base + "/{model}/log", "loss and held-out rows", [&app](const Request& r) {
        return Response::json(
            tasks::model_log(*app.project(r), r.param("model"), r.number("from", 0, 0, INT64_MAX),
                             static_cast<size_t>(r.number("max", 2000, 2, 100000))));
      });
  log.query = {{"from", "first step wanted"}, {"max", "most rows; thinned evenly"}};
  auto& picture = router.add("GET", base + "/{model}/preview", "the preview grid",
                             [&app](const Request& r) { return preview(app, r); });
  picture.query = {{"step", "a number of the history, or latest"}};
  picture.answer = "image/png";
  router.add(
      "GET", base + "/{model}/previews", "the history of previews", [&app](const Request& r) {
        return Response::json(steps_json(tasks::model_previews(*app.project(r), r.param("model"))));
      });
  router.add("GET", base + "/{model}/checkpoints", "saved states, oldest first",
             [&app](const Request& r) {
               return Response::json(checkpoints(*app.project(r), r.param("model")));
             });
  auto& back = router.add(
      "POST", base + "/{model}/restore",
      "back to a checkpoint: newer ones go to the trash, and a job writes the weights anew",
      [&app](const Request& r) { return restore(app, r); });
  back.body = object_schema({"id: any of the checkpoint"});
  router.add("DELETE", base + "/{model}", "to the trash", [&app](const Request& r) {
    const auto p = app.project(r);
    const std::string model = r.param("model");
    const auto e = tasks::discard_model(*p, model);
    app.changed(r.param("project"), "models");
    app.changed(r.param("project"), "trash");
    return Response::json({{"trash", e.id}});
  });
}

}  // namespace likeness::server
