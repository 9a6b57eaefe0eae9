// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/consent_check.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "likeness/base/error.h"
#include "likeness/face/analyse.h"
#include "likeness/faceset/faceset.h"
#include "likeness/media/video.h"
#include "likeness/tasks/consent_evidence.h"
#include "likeness/trust/content_gate.h"
#include "likeness/trust/ledger.h"

namespace likeness::tasks {

void check_material(const project::Project& project, const trust::Grant& grant) {
  for (const auto& [subject, agreed] : grant.faces()) {
    const auto path = project.faceset_path(subject);
    std::error_code ec;
    if (!std::filesystem::exists(path, ec)) continue;  // the task says so where it needs one
    const auto set = faceset::Faceset::open(path);
    face::Embedding with{};
    LIKENESS_REQUIRE(agreed.size() == with.size());
    std::copy(agreed.begin(), agreed.end(), with.begin());
    const bool known = std::any_of(set.items().begin(), set.items().end(),
                                   [](const auto& i) { return i.has_embedding; });
    const float d = known ? face::embedding_distance(faceset::mean_embedding(set), with) : 9.f;
    if (d > kMaxFaceDistance)
      throw Error(ErrorCode::kRefused,
                  "use of '" + subject +
                      "' is refused (consent-other-face): its faceset does not show the person who "
                      "agreed (distance " +
                      std::to_string(d).substr(0, 4) + ")",
                  "put only this person's footage into the faceset, or ask the other person too");
  }
}

namespace {

/// Whatever has pictures in it, under any name: a video called take.toml is footage too.
bool is_footage(const trust::Input& in) {
  try {
    media::probe(in.path);
    return true;
  } catch (const Error&) {  // a model, a text: no task can read pictures from it either
    return false;
  }
}

/// Hashes that this network found clean before.
std::set<std::string> found_clean(const trust::Ledger& book, const std::string& net) {
  std::set<std::string> out;
  for (const auto& e : book.read())
    if (e.type == "content-checked" && e.body.is_object() && e.body.value("net", "") == net)
      for (const auto& h : e.body.value("inputs", nlohmann::json::array()))
        if (h.is_string()) out.insert(h.get<std::string>());
  return out;
}

}  // namespace

void check_footage(const project::Project& project, const trust::Grant& grant,
                   const std::vector<trust::Input>& inputs, Progress& progress,
                   const Cancel& cancel) {
  if (grant.request().modality == "voice") return;  // sound and text have no pictures
  if (std::none_of(inputs.begin(), inputs.end(), is_footage)) return;
  static const trust::ContentNet net(face::models_folder());
  trust::Ledger book(trust::ledger_path(project));
  const auto clean = found_clean(book, net.hash());
  nlohmann::json passed = nlohmann::json::array();
  int64_t sampled = 0;
  for (const auto& in : inputs) {
    if (!is_footage(in) || clean.count(in.hash)) continue;
    const auto v = trust::check_content(in.path, net, progress, cancel);
    if (v.refused) {
      book.append("content-refused", {{"input", in.hash},
                                      {"net", net.hash()},
                                      {"grant", grant.id()},
                                      {"sampled", v.sampled},
                                      {"counted", v.counted}});
      throw Error(ErrorCode::kRefused,
                  in.path.filename().string() + " is refused (content-sexual): sexual content in " +
                      std::to_string(v.counted) + " of " + std::to_string(v.sampled) +
                      " frames looked at, most at " + std::to_string(std::lround(v.worst_time_s)) +
                      " s",
                  "use other footage; no consent allows this. When the network is wrong, cut the "
                  "passage out");
    }
    sampled += v.sampled;
    passed.push_back(in.hash);
  }
  if (!passed.empty())
    book.append("content-checked", {{"inputs", passed}, {"net", net.hash()}, {"sampled", sampled}});
}

trust::Grant unlock_faceset(const project::Project& project, const std::string& subject) {
  return trust::authorise(project, {.task = "faceset",
                                    .operation = trust::Operation::kAnalyse,
                                    .subjects = {{subject, trust::Role::kFootage}}});
}

UnlockedFaces::UnlockedFaces(const project::Project& project, int64_t media, FrameIndex begin,
                             FrameIndex end)
    : faces(project.faces(media, begin, end)) {
  const auto is_sealed = [](const face::Face& f) { return !f.has_points; };
  if (std::none_of(faces.begin(), faces.end(), is_sealed)) return;
  for (const auto& s : project.subjects()) {
    if (s.kind != project::SubjectKind::kPerson) continue;
    try {
      grants_.push_back(unlock_faceset(project, s.name));
    } catch (const Error& e) {  // revoked: theirs stay closed
      if (e.code() != ErrorCode::kRefused) throw;
    }
  }
  faces = project.faces(media, begin, end);
}

}  // namespace likeness::tasks
