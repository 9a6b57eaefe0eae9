// SPDX-License-Identifier: Apache-2.0
// Tracks with names, faces with landmarks, and their correction by hand.
#include <algorithm>

#include "likeness/face/geometry.h"
#include "likeness/server/app.h"
#include "likeness/tasks/consent_check.h"
#include "likeness/tasks/correct_face.h"
#include "likeness/tasks/media_library.h"

namespace likeness::server {
using nlohmann::json;
namespace {

constexpr int64_t kMostFrames = 3000;

struct Clip {
  std::shared_ptr<project::Project> project;
  project::MediaRow row;
};
Clip clip_of(App& app, const Request& r) {
  Clip c{app.project(r), {}};
  c.row = tasks::media_row(*c.project, r.id("media"));
  return c;
}

json face_json(const face::Face& f) {
  json points = json::array();  // none of a person whose key is not here
  if (f.has_points)
    for (const Point2& p : face::landmarks68(f.points))
      points.push_back({std::round(p.x * 10) / 10, std::round(p.y * 10) / 10});
  // Pixels of the frame to the unit square of the aligned face: what drawn polygons are kept in.
  json aligned = json::array();
  try {
    for (float m : face::crop_from_image(f.points, face::CropType::kWhole, 1).m)
      aligned.push_back(m);
  } catch (const Error&) {  // a face of one point: nothing can be drawn on it
    aligned = nullptr;
  }
  return {{"frame", f.frame},
          {"track", f.track},
          {"face", f.track},
          {"face_from_frame", std::move(aligned)},
          {"excluded", false},
          {"box", {f.box.x0, f.box.y0, f.box.width(), f.box.height()}},
          {"score", f.presence},
          {"yaw_rad", f.pose.yaw_rad},
          {"pitch_rad", f.pose.pitch_rad},
          {"roll_rad", f.pose.roll_rad},
          {"landmarks", std::move(points)},
          {"sharpness", f.quality.sharpness},
          {"exposure", f.quality.exposure},
          {"occlusion", f.quality.occlusion},
          {"size_px", f.quality.size_px},
          {"manual", f.manual}};
}

json tracks_json(const project::Project& p, int64_t media) {
  struct Best {
    FrameIndex frame = -1;
    float score = -1;
    int64_t faces = 0;
  };
  std::map<int, Best> best;
  // In pieces: an hour of film has a hundred thousand faces of 6 KB.
  const auto tracks = p.tracks(media);
  FrameIndex last = -1;
  for (const auto& t : tracks) last = std::max(last, t.last);
  for (FrameIndex from = 0; from <= last; from += kMostFrames)
    for (const auto& f : p.faces(media, from, from + kMostFrames)) {
      Best& b = best[f.track];
      ++b.faces;
      const float score = f.quality.sharpness + 0.3f * std::cos(f.pose.yaw_rad);
      if (score > b.score) b = {f.frame, score, b.faces};
    }
  json out = json::array();
  for (const auto& t : tracks) {
    const Best& b = best[t.track];
    out.push_back({{"track", t.track},
                   {"first", t.first},
                   {"last", t.last},
                   {"cluster", t.cluster},
                   {"subject", t.subject.empty() ? json() : json(t.subject)},
                   {"face_frame", b.frame < 0 ? t.first : b.frame},
                   {"faces", b.faces}});
  }
  return out;
}

tasks::FaceCorrection correction_of(const json& body) {
  tasks::FaceCorrection c;
  if (const json box = body.value("box", json()); box.is_array()) {
    if (box.size() != 4) throw Error(ErrorCode::kUsage, "box is not [x, y, w, h]", "four numbers");
    c.box = Box{box[0], box[1], box[0].get<float>() + box[2].get<float>(),
                box[1].get<float>() + box[3].get<float>()};
  }
  const json points = body.value("landmarks", json::array());
  for (size_t i = 0; i < points.size() && points.is_array(); ++i) {
    const json& p = points[i];
    if (p.is_null()) continue;  // this one was not moved
    if (p.is_array() && p.size() == 2 && points.size() == 68)
      c.landmarks.push_back({static_cast<int>(i), {p[0], p[1]}});
    else if (p.is_array() && p.size() == 3)
      c.landmarks.push_back({p[0].get<int>(), {p[1], p[2]}});
    else
      throw Error(ErrorCode::kUsage, "landmarks are not understood",
                  "68 times [x, y] (null: not moved), or a list of [index, x, y]");
  }
  if (const json from = body.value("copy_from", json()); from.is_number_integer())
    c.copy_from = from.get<FrameIndex>();
  return c;
}

Response crop(App& app, const Request& r) {
  const Clip c = clip_of(app, r);
  const FrameIndex frame = r.id("frame");
  const int track = static_cast<int>(r.id("track")),
            size = static_cast<int>(r.number("size", 96, 16, 512));
  for (const auto& f : c.project->faces(c.row.id, frame, frame + 1)) {
    if (f.track != track) continue;
    Response out;
    out.type = "image/jpeg";
    const std::string tag = c.row.hash.substr(0, 16) + "-f" + std::to_string(frame) + "-" +
                            std::to_string(track) + "-" + std::to_string(size) + "-" +
                            std::to_string(std::lround(f.box.x0 * 8)) + "." +
                            std::to_string(std::lround(f.box.y1 * 8));
    if (r.header("if-none-match").find(tag) == std::string::npos) {
      const media::Frame picture = app.frames().frame(tasks::media_file(*c.project, c.row), frame);
      const float side = 1.3f * std::max(f.box.width(), f.box.height());
      const Point2 middle = f.box.centre();
      const Box around{middle.x - side / 2, middle.y - side / 2, middle.x + side / 2,
                       middle.y + side / 2};
      const Rect region = clip_rect(around, 0, picture.width(), picture.height());
      if (region.empty())
        throw Error(ErrorCode::kNotFound, "the face lies outside the frame", "correct its box");
      const Image8 cut = to_uint8(picture.rgb_float(region));
      out.body = std::make_shared<std::string>(
          media::encode_jpeg(media::Frame::from_rgb8(cut, 0, {25, 1}).rgb8_scaled(size), 85));
    }
    return with_etag(r, std::move(out), tag);
  }
  throw Error(ErrorCode::kNotFound, "there is no such face", "see the faces of the frame");
}

void add_faces(Router& router, App& app, const std::string& base) {
  auto& list = router.add("GET", base + "/faces", "faces of some frames", [&app](const Request& r) {
    const Clip c = clip_of(app, r);
    const FrameIndex from = r.number("from", 0, 0, INT64_MAX / 2);
    const FrameIndex to = std::min(r.number("to", from, 0, INT64_MAX / 2), from + kMostFrames);
    json out = json::array();
    for (const auto& f : tasks::UnlockedFaces(*c.project, c.row.id, from, to + 1).faces)
      out.push_back(face_json(f));
    return Response::json(out);
  });
  list.query = {{"from", "first frame"}, {"to", "last frame, inclusive; at most 3000 frames"}};
  auto& put = router.add("PUT", base + "/faces/{frame}/{track}",
                         "correct a face, or copy it from another frame", [&app](const Request& r) {
                           const Clip c = clip_of(app, r);
                           const auto corrected = tasks::correct_face(
                               *c.project, c.row.id, r.id("frame"), static_cast<int>(r.id("track")),
                               correction_of(r.json()));
                           app.changed(r.param("project"), "faces");
                           return Response::json(face_json(corrected));
                         });
  put.body = object_schema({"box?: array [x, y, w, h] in pixels of the frame",
                            "landmarks?: array 68 times [x, y] or null, or [index, x, y] of some",
                            "copy_from?: integer frame to take the track's face from"});
  router.add("DELETE", base + "/faces/{frame}/{track}", "back to what was detected",
             [&app](const Request& r) {
               const Clip c = clip_of(app, r);
               const bool was =
                   c.project->revert_face(c.row.id, r.id("frame"), static_cast<int>(r.id("track")));
               if (!was)
                 throw Error(ErrorCode::kNotFound, "this face was not corrected", "nothing to do");
               app.changed(r.param("project"), "faces");
               return Response::json({{"reverted", true}});
             });
  auto& picture = router.add("GET", base + "/face/{frame}/{track}", "the face alone",
                             [&app](const Request& r) { return crop(app, r); });
  picture.query = {{"size", "of the longer side"}};
  picture.answer = "image/jpeg";
}

}  // namespace

void add_face_routes(Router& router, App& app) {
  const std::string base = "/v1/projects/{project}/media/{media}";
  auto& list = router.add("GET", base + "/tracks", "who is seen from when to when",
                          [&app](const Request& r) {
                            const Clip c = clip_of(app, r);
                            return Response::json(tracks_json(*c.project, c.row.id));
                          });
  list.lane = Lane::kSlow;  // looks at every face of the clip
  auto& name =
      router.add("PATCH", base + "/tracks/{track}", "say who it is", [&app](const Request& r) {
        const Clip c = clip_of(app, r);
        const json subject = r.json().value("subject", json());
        const std::string who = subject.is_string() ? subject : "";
        // From here on the track's landmarks lie sealed under that person's key.
        std::optional<trust::Grant> unlocked;
        if (!who.empty() && c.project->subject(who).kind == project::SubjectKind::kPerson)
          unlocked = tasks::unlock_faceset(*c.project, who);
        c.project->name_track(c.row.id, static_cast<int>(r.id("track")), who);
        app.changed(r.param("project"), "faces");
        return Response::json({{"track", r.id("track")}, {"subject", subject}});
      });
  name.body = object_schema({"subject: any name of a subject, or null"});
  add_faces(router, app, base);
}

}  // namespace likeness::server
