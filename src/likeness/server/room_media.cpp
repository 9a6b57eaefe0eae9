// SPDX-License-Identifier: Apache-2.0
// Uploads, clips, frames, strips and waveforms.
#include <algorithm>

#include "likeness/base/atomic_file.h"
#include "likeness/server/app.h"
#include "likeness/server/ranges.h"
#include "likeness/tasks/media_library.h"

namespace likeness::server {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

/// A browser can play the file as it is.
bool is_playable(const media::VideoInfo& info) {
  const auto has = [](const std::string& text, std::initializer_list<const char*> any) {
    return std::any_of(any.begin(), any.end(),
                       [&](const char* s) { return text.find(s) != std::string::npos; });
  };
  const bool sound =
      !info.has_audio || has(info.audio_codec, {"aac", "mp3", "opus", "vorbis", "flac"});
  const bool box = has(info.container, {"mp4", "mov"});
  const bool web = has(info.container, {"webm", "matroska"}) && info.path.extension() == ".webm";
  const bool codec = (box && info.codec == "h264") || info.codec == "vp8" || info.codec == "vp9" ||
                     info.codec == "av1";
  return sound && codec && (box || web) && info.bit_depth == 8 &&
         has(info.pixel_format, {"yuv420p", "yuvj420p"});
}

struct Clip {
  std::shared_ptr<project::Project> project;
  project::MediaRow row;
  fs::path path;
};
Clip clip_of(App& app, const Request& r) {
  Clip c;
  c.project = app.project(r);
  c.row = tasks::media_row(*c.project, r.id("media"));
  c.path = tasks::media_file(*c.project, c.row);
  return c;
}

json uploaded(App& app, const Request& r) {
  const std::string id = r.param("project"), upload = r.param("upload");
  const auto p = app.project(r);
  const fs::path file = app.uploads().finish(id, upload);
  try {
    media::probe(file);  // before it gets a place in media/
    const fs::path target = tasks::free_name(p->folder() / "media", file.filename().string());
    std::error_code ec;
    fs::create_directories(target.parent_path(), ec);
    fs::rename(file, target, ec);
    if (ec) throw_errno(ec.value(), "cannot move the upload to " + target.string());
    project::MediaRow row;
    try {
      row = tasks::register_media(*p, target);
    } catch (...) {
      fs::remove(target, ec);
      throw;
    }
    app.uploads().drop(id, upload);
    const json shown = media_json(app, *p, row);
    app.events().publish("media", id, {{"media", shown}});
    return shown;
  } catch (...) {
    app.uploads().drop(id, upload);
    throw;
  }
}

void add_uploads(Router& router, App& app) {
  const std::string base = "/v1/projects/{project}/uploads";
  auto& begin = router.add("POST", base, "begin an upload", [&app](const Request& r) {
    const json body = r.json();
    const auto p = app.project(r);
    return Response::json(
        {{"upload", app.uploads().begin(r.param("project"), *p, body.at("name"), body.at("size"))},
         {"piece", kUploadPiece}},
        201);
  });
  begin.body = object_schema({"name: string of the file", "size: integer in bytes"});
  auto& put = router.add(
      "PUT", base + "/{upload}", "a piece of it, at most 8 MiB", [&app](const Request& r) {
        return Response::json(
            {{"received", app.uploads().put(r.param("project"), r.param("upload"),
                                            r.number("offset", 0, 0, INT64_MAX), r.body)}});
      });
  put.body_limit = kUploadPiece;
  put.query = {{"offset", "where in the file the piece begins"}};
  auto& done =
      router.add("POST", base + "/{upload}/done", "all of it was sent: it becomes a clip",
                 [&app](const Request& r) { return Response::json(uploaded(app, r), 201); });
  done.lane = Lane::kSlow;
  router.add("DELETE", base + "/{upload}", "give it up", [&app](const Request& r) {
    app.uploads().drop(r.param("project"), r.param("upload"));
    return Response::json({{"dropped", r.param("upload")}});
  });
}

json list(App& app, const project::Project& p) {
  json out = json::array();
  std::error_code ec;
  for (const auto& row : p.media()) {
    try {
      tasks::media_file(p, row);
    } catch (const Error&) {
      if (tasks::in_media_folder(p, row.path)) continue;  // in the trash; its rows wait for it
    }
    out.push_back(media_json(app, p, row));
  }
  return out;
}

void add_clips(Router& router, App& app) {
  const std::string base = "/v1/projects/{project}/media";
  router.add("GET", base, "the clips",
             [&app](const Request& r) { return Response::json(list(app, *app.project(r))); });
  router.add("DELETE", base + "/{media}", "to the trash, when it lies in the project",
             [&app](const Request& r) {
               const Clip c = clip_of(app, r);
               if (!tasks::in_media_folder(*c.project, c.path))
                 throw Error(ErrorCode::kUsage,
                             c.path.filename().string() + " does not lie in the project",
                             "files elsewhere are never deleted");
               const auto e =
                   c.project->move_to_trash(c.path, "media", id_of(c.path.stem().string()));
               app.changed(r.param("project"), "media");
               app.changed(r.param("project"), "trash");
               return Response::json({{"trash", e.id}});
             });
  auto& file =
      router.add("GET", base + "/{media}/file", "the clip itself, with byte ranges",
                 [&app](const Request& r) { return file_response(r, clip_of(app, r).path); });
  file.answer = "video/mp4";
}

void add_pictures(Router& router, App& app) {
  const std::string base = "/v1/projects/{project}/media/{media}";
  auto& frame = router.add("GET", base + "/frame/{n}", "one frame", [&app](const Request& r) {
    const Clip c = clip_of(app, r);
    const bool png = r.text("format") == "png";
    const int width = static_cast<int>(r.number("width", 0, 0, 16384));
    Response out;
    out.type = png ? "image/png" : "image/jpeg";
    const std::string tag = c.row.hash.substr(0, 20) + "-" + r.param("n") + "-" +
                            std::to_string(width) + (png ? "p" : "j");
    if (r.header("if-none-match").find(tag) == std::string::npos)
      out.body = app.frames().picture(c.path, r.id("n"), width, png);
    return with_etag(r, std::move(out), tag);
  });
  frame.query = {{"width", "of the picture, never enlarged"}, {"format", "jpg or png"}};
  frame.answer = "image/jpeg";
  auto& strip = router.add(
      "GET", base + "/strip", "frames evenly spread, side by side", [&app](const Request& r) {
        const Clip c = clip_of(app, r);
        const int count = static_cast<int>(r.number("count", 20, 1, 200)),
                  height = static_cast<int>(r.number("height", 48, 8, 240));
        int width = 0;
        Response out;
        out.type = "image/jpeg";
        out.body = app.frames().strip(c.path, count, height, width);
        out.header("X-Likeness-Strip", std::to_string(count) + "," + std::to_string(width) + "," +
                                           std::to_string(height));
        return with_etag(
            r, std::move(out),
            c.row.hash.substr(0, 20) + "-s" + std::to_string(count) + "-" + std::to_string(height));
      });
  strip.query = {{"count", "how many"}, {"height", "of each"}};
  strip.answer = "image/jpeg";
  strip.lane = Lane::kSlow;
  auto& wave = router.add(
      "GET", base + "/waveform", "loudest sample of each part of the sound",
      [&app](const Request& r) {
        const Clip c = clip_of(app, r);
        const int points = static_cast<int>(r.number("points", 800, 1, 10000));
        const auto peaks = tasks::waveform(c.path, points);
        const double seconds = app.frames().info(c.path).duration_s;
        Response out =
            Response::json({{"peaks", peaks}, {"rate", seconds > 0 ? points / seconds : 0}});
        out.headers.clear();
        return with_etag(r, std::move(out),
                         c.row.hash.substr(0, 20) + "-w" + std::to_string(points));
      });
  wave.query = {{"points", "how many"}};
  wave.lane = Lane::kSlow;
}

}  // namespace

json media_json(App& app, const project::Project& p, const project::MediaRow& row) {
  json j = {{"id", row.id},
            {"name", fs::path(row.path).filename().string()},
            {"path", row.path},
            {"hash", row.hash},
            {"frames", row.frames},
            {"width", row.info.value("width", 0)},
            {"height", row.info.value("height", 0)},
            {"fps", row.info.value("fps", 0.0)},
            {"codec", row.info.value("codec", "")},
            {"audio", row.info.value("has_audio", false)},
            {"still", row.info.value("still", false)},
            {"damage", row.info.value("damage", json::array())},
            {"cuts", row.info.value("cuts", json::array())},
            {"analysed", !row.analysis.empty()},
            {"faces", p.count_faces(row.id)},
            {"tracks", p.tracks(row.id).size()},
            {"missing", false},
            {"bytes", 0},
            {"playable", false}};
  const double fps = j["fps"];
  j["duration_s"] = fps > 0 ? static_cast<double>(row.frames) / fps : 0.0;
  try {
    const fs::path path = tasks::media_file(p, row);
    std::error_code ec;
    j["in_project"] = tasks::in_media_folder(p, path);
    j["bytes"] = fs::is_directory(path, ec) ? 0 : fs::file_size(path, ec);
    const media::VideoInfo info = app.frames().info(path);
    j["playable"] = is_playable(info);
    if (info.duration_s > 0) j["duration_s"] = info.duration_s;
  } catch (const Error& e) {
    j["missing"] = true;
    j["why"] = e.what();
  }
  return j;
}

void add_media_routes(Router& router, App& app) {
  add_uploads(router, app);
  add_clips(router, app);
  add_pictures(router, app);
}

}  // namespace likeness::server
