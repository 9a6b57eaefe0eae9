// SPDX-License-Identifier: Apache-2.0
// Facesets: the crops of a person, sorted, looked at and pruned.
#include <algorithm>
#include <cmath>
#include <mutex>

#include "likeness/base/sealed_file.h"
#include "likeness/face/analyse.h"
#include "likeness/faceset/faceset.h"
#include "likeness/server/app.h"
#include "likeness/server/ranges.h"
#include "likeness/tasks/consent_check.h"
#include "likeness/tasks/faceset_ops.h"

namespace likeness::server {
using nlohmann::json;
namespace {

/// One faceset is kept open: a page asks for a hundred of its crops one by one. The keys of a
/// person's set are held as long, at most a minute.
class OpenSet {
 public:
  struct Set {
    std::string key;
    std::chrono::steady_clock::time_point at;
    std::optional<trust::Grant> grant;
    faceset::Faceset faces;
  };
  std::shared_ptr<const Set> get(const project::Project& project, const std::string& subject) {
    const auto path = project.faceset_path(subject);
    const std::string key = path.string() + "|" + file_tag(path);
    std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (set_ && set_->key == key && now - set_->at < std::chrono::minutes(1)) return set_;
    set_.reset();
    std::error_code ec;
    if (!std::filesystem::exists(path, ec))
      throw Error(ErrorCode::kNotFound, "the project has no faceset of '" + subject + "'",
                  "make it with the task 'extract'");
    std::optional<trust::Grant> grant;
    for (const auto& s : project.subjects())
      if (s.name == subject && s.kind == project::SubjectKind::kPerson)
        grant = tasks::unlock_faceset(project, subject);
    set_ =
        std::make_shared<const Set>(Set{key, now, std::move(grant), faceset::Faceset::open(path)});
    return set_;
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<const Set> set_;
};

struct Row {
  size_t index = 0;
  double value = 0;
};

double value_of(const faceset::Item& i, const std::string& key) {
  if (key == "sharpness") return i.quality.sharpness;
  if (key == "yaw") return i.pose.yaw_rad;
  if (key == "pitch") return i.pose.pitch_rad;
  if (key == "exposure") return i.quality.exposure;
  if (key == "size") return i.quality.size_px;
  if (key == "occlusion") return i.quality.occlusion;
  return static_cast<double>(i.frame);
}

std::vector<Row> sorted(const faceset::Faceset& set, const std::string& key, bool descending,
                        const std::string& which) {
  static const std::vector<std::string> kKeys = {
      "frame", "sharpness", "yaw", "pitch", "exposure", "size", "occlusion", "similarity"};
  if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end())
    throw Error(ErrorCode::kUsage, "faces cannot be sorted by '" + key + "'",
                "one of frame, sharpness, yaw, pitch, exposure, size, occlusion, similarity");
  const face::Embedding mean =
      key == "similarity" ? faceset::mean_embedding(set) : face::Embedding{};
  std::vector<Row> rows;
  const auto& items = set.items();
  for (size_t i = 0; i < items.size(); ++i) {
    if ((which == "0" || which == "false") && items[i].excluded) continue;
    if ((which == "1" || which == "true") && !items[i].excluded) continue;
    double v = value_of(items[i], key);
    if (key == "similarity")
      v = items[i].has_embedding ? -face::embedding_distance(items[i].embedding, mean) : -9;
    rows.push_back({i, v});
  }
  std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
    if (a.value != b.value) return descending ? a.value > b.value : a.value < b.value;
    return std::pair(items[a.index].source, items[a.index].frame) <
           std::pair(items[b.index].source, items[b.index].frame);
  });
  return rows;
}

json list(const faceset::Faceset& set, const project::Project& p, const Request& r) {
  const auto rows =
      sorted(set, r.text("sort", "frame"), r.text("order", "asc") == "desc", r.text("excluded"));
  const auto offset = static_cast<size_t>(r.number("offset", 0, 0, 100'000'000)),
             limit = static_cast<size_t>(r.number("limit", 200, 1, 2000));
  std::map<std::string, int64_t> media;
  for (const auto& m : p.media()) media[m.hash] = m.id;
  json items = json::array();
  for (size_t k = offset; k < std::min(rows.size(), offset + limit); ++k) {
    const faceset::Item& i = set.items()[rows[k].index];
    const auto m = media.find(i.source_hash);
    items.push_back({{"id", i.id},
                     {"frame", i.frame},
                     {"track", i.track},
                     {"media", m == media.end() ? json() : json(m->second)},
                     {"source", i.source},
                     {"sharpness", i.quality.sharpness},
                     {"exposure", i.quality.exposure},
                     {"occlusion", i.quality.occlusion},
                     {"yaw_rad", i.pose.yaw_rad},
                     {"pitch_rad", i.pose.pitch_rad},
                     {"size_px", i.quality.size_px},
                     {"value", rows[k].value},
                     {"manual", i.manual},
                     {"excluded", i.excluded},
                     {"why", i.excluded ? json("excluded") : json()}});
  }
  return {{"total", rows.size()}, {"items", items}};
}

std::vector<std::string> ids_of(const Request& r) {
  const json body = r.json();
  std::vector<std::string> ids;
  for (const auto& id : body.at("ids")) ids.push_back(id);
  if (ids.empty()) throw Error(ErrorCode::kUsage, "no face was chosen", "select at least one");
  return ids;
}

}  // namespace

void add_faceset_routes(Router& router, App& app) {
  const auto open = std::make_shared<OpenSet>();
  const std::string base = "/v1/projects/{project}/facesets";
  router.add("GET", base, "the facesets", [&app](const Request& r) {
    const auto p = app.project(r);
    json out = json::array();
    for (auto set : tasks::faceset_list(*p)) {
      std::error_code ec;
      const auto path = p->faceset_path(set["subject"]);
      set["faces"] = set.value("crops", 0);
      set["sealed"] = sealed_info(path).has_value();
      out.push_back(std::move(set));
    }
    return Response::json(out);
  });
  auto& items = router.add("GET", base + "/{subject}", "its faces", [&app, open](const Request& r) {
    const auto p = app.project(r);
    return Response::json(list(open->get(*p, r.param("subject"))->faces, *p, r));
  });
  items.query = {{"sort", "frame, sharpness, yaw, pitch, exposure, size, occlusion, similarity"},
                 {"order", "asc or desc"},
                 {"excluded", "1: only the excluded ones, 0: only the others"},
                 {"offset", "first one wanted"},
                 {"limit", "how many"}};
  auto& face = router.add(
      "GET", base + "/{subject}/faces/{face}", "one crop", [&app, open](const Request& r) {
        const auto set = open->get(*app.project(r), r.param("subject"));
        const int size = static_cast<int>(r.number("size", 96, 16, 1024));
        const auto& all = set->faces.items();
        for (size_t i = 0; i < all.size(); ++i) {
          if (all[i].id != r.param("face")) continue;
          Response out;
          out.type = "image/jpeg";
          const std::string tag =
              all[i].id + "-" + std::to_string(size) + "-" + std::to_string(all[i].size);
          if (r.header("if-none-match").find(tag) == std::string::npos) {
            if (size >= set->faces.crop_size_px()) {
              const auto jpeg = set->faces.jpeg(i);
              out.body = std::make_shared<std::string>(reinterpret_cast<const char*>(jpeg.data()),
                                                       jpeg.size());
            } else {
              out.body = std::make_shared<std::string>(media::encode_jpeg(
                  media::Frame::from_rgb8(set->faces.image(i), 0, {25, 1}).rgb8_scaled(size), 85));
            }
          }
          return with_etag(r, std::move(out), tag);
        }
        throw Error(ErrorCode::kNotFound, "the faceset has no face " + r.param("face"),
                    "see the list of its faces");
      });
  face.query = {{"size", "of the picture in pixels"}};
  face.answer = "image/jpeg";
  const auto change = [&](const char* verb, const char* summary, bool exclude) {
    auto& route =
        router.add("POST", base + "/{subject}/" + verb, summary, [&app, exclude](const Request& r) {
          const auto p = app.project(r);
          const auto ids = ids_of(r);
          const json done = exclude ? tasks::faceset_exclude(*p, r.param("subject"), ids)
                                    : tasks::faceset_restore(*p, r.param("subject"), ids);
          app.changed(r.param("project"), "facesets");
          return Response::json(done);
        });
    route.body = object_schema({"ids: array of faces"});
  };
  router.add("DELETE", base + "/{subject}", "the whole faceset to the trash",
             [&app](const Request& r) {
               const auto p = app.project(r);
               const json done = tasks::faceset_delete(*p, r.param("subject"));
               for (const char* what : {"facesets", "trash"}) app.changed(r.param("project"), what);
               return Response::json(done);
             });
  change("exclude", "leave faces out of training (they stay in the file)", true);
  change("include", "take them back", false);
}

}  // namespace likeness::server
