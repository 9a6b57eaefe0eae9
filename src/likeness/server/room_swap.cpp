// SPDX-License-Identifier: Apache-2.0
// The swap of one frame, while a slider moves.
#include "likeness/server/app.h"
#include "likeness/tasks/media_library.h"

namespace likeness::server {
using nlohmann::json;
namespace {

constexpr int kJpegQuality = 85;

Response preview(App& app, const Request& r) {
  const json body = r.json();
  const auto p = app.project(r);
  const auto row = tasks::media_row(*p, body.at("media"));
  const auto path = tasks::media_file(*p, row);
  const FrameIndex frame = body.at("frame");
  const int width = body.value("width", 0);
  if (width < 0 || width > 16384 || frame < 0)
    throw HttpError{422, "usage", "frame and width cannot be negative", "see /v1/openapi.json"};
  Response out;
  out.type = "image/jpeg";
  out.header("Cache-Control", "no-store");
  if (r.flag("original")) {  // at the size that the swapped one gets
    out.body = app.frames().picture(path, frame, width, false);
    return out;
  }
  if (row.analysis.empty())
    throw HttpError{409, "not_ready", "the faces of this clip are not known yet",
                    "find them first: queue 'analyse' or 'extract' for it"};
  PreviewRequest ask{.project = *p, .media = row.id, .frame = frame, .width = width};
  ask.model = body.value("model", "");
  const json map = body.value("map", json::object());
  for (const auto& [who, model] : map.items()) ask.map[who] = model;
  ask.options = body.value("options", json::object());
  ask.polygons = body.value("polygons", json());
  ask.mask = body.value("mask", false);
  PreviewAnswer answer = app.parts().preview(ask, app.frames());
  out.body = std::make_shared<std::string>(std::move(answer.jpeg));
  out.header("X-Likeness-Faces", std::to_string(answer.faces));
  out.header("X-Likeness-Preview", "1");
  if (!answer.why.empty()) out.header("X-Likeness-Why", answer.why);
  return out;
}

}  // namespace

void add_swap_routes(Router& router, App& app) {
  auto& route = router.add(
      "POST", "/v1/projects/{project}/preview",
      "one frame swapped; X-Likeness-Faces says how many faces were changed, X-Likeness-Why why "
      "none. A waiting request gives way to newer ones (409 cancelled)",
      [&app](const Request& r) { return preview(app, r); });
  route.body = object_schema({"media: integer", "frame: integer", "model?: string",
                              "map?: object subject or track -> model", "options?: object of swap",
                              "polygons?: array drawn over the mask, as the swap task takes it",
                              "mask?: boolean the mask that is used, in grey",
                              "width?: integer of the picture; never enlarged"});
  route.query = {{"original", "1: the untouched frame"}};
  route.answer = "image/jpeg";
  route.lane = Lane::kPreview;
}

}  // namespace likeness::server
