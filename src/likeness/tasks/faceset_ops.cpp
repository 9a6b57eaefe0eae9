// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/faceset_ops.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/media/video.h"
#include "likeness/tasks/consent_check.h"
#include "likeness/tasks/runner.h"
#include "likeness/trust/finish.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using faceset::Faceset;
using faceset::Item;
namespace {

constexpr double kDegrees = 180 / 3.14159265358979323846;

fs::path existing_path(const project::Project& project, const std::string& subject) {
  const fs::path path = project.faceset_path(subject);
  std::error_code ec;
  if (!fs::exists(path, ec)) {
    std::string known;
    for (const auto& f : fs::directory_iterator(path.parent_path(), ec))
      if (f.path().extension() == ".faces")
        known += (known.empty() ? "" : ", ") + f.path().stem().string();
    throw Error(ErrorCode::kNotFound, "the project has no faceset of '" + subject + "'",
                known.empty() ? "make it with: likeness extract PROJECT VIDEO --subject " + subject
                              : "known facesets: " + known);
  }
  return path;
}
/// The keys of a person's faceset; a subject of another kind, or one that is gone, has none.
std::optional<trust::Grant> unlock(const project::Project& project, const std::string& subject) {
  for (const auto& s : project.subjects())
    if (s.name == subject && s.kind == project::SubjectKind::kPerson)
      return unlock_faceset(project, subject);
  return std::nullopt;
}
Faceset open(const project::Project& project, const std::string& subject) {
  return Faceset::open(existing_path(project, subject));
}

/// The clips that crops are of, by hash. Where the project still knows the file and it has content
/// credentials these go along, so that a crop of synthetic media says that it is one.
std::map<std::string, trust::Input> footage_of(const project::Project& project, const Faceset& set,
                                               const std::vector<size_t>& indices) {
  std::map<std::string, trust::Input> out;
  for (const size_t i : indices) {
    const std::string& hash = set.items()[i].source_hash;
    if (out.count(hash)) continue;
    trust::Input& in = out[hash] = {set.items()[i].source, hash};
    std::error_code ec;
    if (const auto row = project.media_by_hash(hash);
        row && fs::is_regular_file(row->path, ec) && trust::carries_manifest(row->path))
      in.path = row->path;
  }
  return out;
}

void write_sheet(const project::Project& project, const Faceset& set,
                 const std::vector<size_t>& shown, int columns, int thumb_px, const fs::path& path,
                 const std::optional<trust::Grant>& grant) {
  const fs::path temporary = temporary_name(path);
  media::write_image(temporary, faceset::contact_sheet(set, shown, columns, thumb_px));
  trust::Delivery sheet{{"sheet", temporary, path}, {}};
  for (auto& [hash, in] : footage_of(project, set, shown)) sheet.inputs.push_back(std::move(in));
  trust::deliver({sheet}, grant ? &*grant : nullptr);
}

const char* crop_name(face::CropType type) {
  switch (type) {
    case face::CropType::kHalf:
      return "half";
    case face::CropType::kFull:
      return "full";
    case face::CropType::kWhole:
      return "whole";
    case face::CropType::kHead:
      return "head";
  }
  return "whole";
}

void rewrite(const project::Project& project, const std::string& subject, const Faceset& set,
             const std::vector<Item>& rows, bool without_excluded = false) {
  const fs::path path = project.faceset_path(subject);
  faceset::rewrite(set, rows, path, without_excluded);
  trust::record_change(project, "faceset", path);
}

size_t count_excluded(const std::vector<Item>& items) {
  return static_cast<size_t>(
      std::count_if(items.begin(), items.end(), [](const Item& i) { return i.excluded; }));
}

nlohmann::json spread(const std::vector<Item>& items,
                      const std::function<double(const Item&)>& value) {
  double sum = 0, low = INFINITY, high = -INFINITY;
  size_t n = 0;
  for (const Item& i : items) {
    if (i.excluded) continue;
    const double v = value(i);
    sum += v;
    low = std::min(low, v);
    high = std::max(high, v);
    ++n;
  }
  if (n == 0) return nullptr;
  return {{"mean", sum / static_cast<double>(n)}, {"min", low}, {"max", high}};
}

/// Share of the crops in each 15 degree bin of yaw, from -90 to 90.
nlohmann::json yaw_histogram(const std::vector<Item>& items) {
  std::vector<int> bins(12);
  for (const Item& i : items)
    if (!i.excluded)
      ++bins[static_cast<size_t>(
          std::clamp((static_cast<double>(i.pose.yaw_rad) * kDegrees + 90) / 15, 0.0, 11.0))];
  return bins;
}

nlohmann::json set_excluded(const project::Project& project, const std::string& subject,
                            const std::vector<std::string>& ids, bool excluded,
                            bool all_when_empty) {
  ProjectLock lock(project, "faceset-" + subject);
  const auto unlocked = unlock(project, subject);
  const Faceset set = open(project, subject);
  std::set<std::string> wanted(ids.begin(), ids.end());
  std::vector<Item> rows = set.items();
  int64_t changed = 0;
  for (Item& row : rows) {
    const bool named = wanted.erase(row.id) > 0 || (ids.empty() && all_when_empty);
    if (!named || row.excluded == excluded) continue;
    row.excluded = excluded;
    ++changed;
  }
  if (!wanted.empty())
    throw Error(ErrorCode::kNotFound,
                "the faceset of '" + subject + "' has no crop " + *wanted.begin(),
                "see the ids with: likeness faceset sort PROJECT " + subject + " --by time --json");
  if (changed > 0) rewrite(project, subject, set, rows);
  return {{"subject", subject},
          {excluded ? "excluded" : "restored", changed},
          {"crops", rows.size() - count_excluded(rows)}};
}

}  // namespace

nlohmann::json faceset_list(const project::Project& project) {
  nlohmann::json out = nlohmann::json::array();
  std::vector<fs::path> files;
  std::error_code ec;
  for (const auto& f : fs::directory_iterator(project.folder() / "facesets", ec))
    if (f.path().extension() == ".faces" && f.path().filename().string()[0] != '.')
      files.push_back(f.path());
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    nlohmann::json j = {{"subject", path.stem().string()}, {"bytes", fs::file_size(path, ec)}};
    try {
      const auto unlocked = unlock(project, path.stem().string());
      const Faceset set = Faceset::open(path);
      std::set<std::string> sources;
      for (const Item& i : set.items()) sources.insert(i.source);
      const size_t excluded = count_excluded(set.items());
      j.update({{"crops", set.items().size() - excluded},
                {"excluded", excluded},
                {"crop", crop_name(set.crop_type())},
                {"size_px", set.crop_size_px()},
                {"sources", sources}});
    } catch (const Error& e) {  // one damaged file must not hide the others
      j["error"] = e.what();
    }
    out.push_back(std::move(j));
  }
  return out;
}

nlohmann::json faceset_show(const project::Project& project, const std::string& subject,
                            const fs::path& sheet, int columns, int thumb_px) {
  const auto unlocked = unlock(project, subject);
  const Faceset set = open(project, subject);
  const auto& items = set.items();
  std::map<std::string, int64_t> sources;
  for (const Item& i : items)
    if (!i.excluded) ++sources[i.source];
  const size_t excluded = count_excluded(items);
  nlohmann::json out = {
      {"subject", subject},
      {"crops", items.size() - excluded},
      {"excluded", excluded},
      {"crop", crop_name(set.crop_type())},
      {"size_px", set.crop_size_px()},
      {"sources", sources},
      {"sharpness", spread(items, [](const Item& i) { return i.quality.sharpness; })},
      {"face_size_px", spread(items, [](const Item& i) { return i.quality.size_px; })},
      {"exposure", spread(items, [](const Item& i) { return i.quality.exposure; })},
      {"occlusion", spread(items, [](const Item& i) { return i.quality.occlusion; })},
      {"yaw_deg", spread(items, [](const Item& i) { return i.pose.yaw_rad * kDegrees; })},
      {"pitch_deg", spread(items, [](const Item& i) { return i.pose.pitch_rad * kDegrees; })},
      {"yaw_histogram_15_deg", yaw_histogram(items)}};
  if (!sheet.empty()) {
    auto order = faceset::sort_by(set, "yaw", false);
    // Enough to see everything at a glance: evenly over the range of yaw.
    std::vector<size_t> shown;
    const size_t most = static_cast<size_t>(columns) * 24;
    for (size_t i = 0; i < std::min(most, order.size()); ++i)
      shown.push_back(order[i * order.size() / std::min(most, order.size())]);
    write_sheet(project, set, shown, columns, thumb_px, sheet, unlocked);
    out["sheet"] = sheet.string();
  }
  return out;
}

nlohmann::json faceset_sort(const project::Project& project, const std::string& subject,
                            const std::string& key, bool descending, bool write,
                            const fs::path& sheet) {
  std::unique_ptr<ProjectLock> lock;
  if (write) lock = std::make_unique<ProjectLock>(project, "faceset-" + subject);
  const auto unlocked = unlock(project, subject);
  const Faceset set = open(project, subject);
  const std::vector<size_t> order = faceset::sort_by(set, key, descending);
  nlohmann::json rows = nlohmann::json::array();
  for (size_t i : order) {
    const Item& item = set.items()[i];
    rows.push_back({{"id", item.id},
                    {"source", item.source},
                    {"frame", item.frame},
                    {"sharpness", item.quality.sharpness},
                    {"size_px", item.quality.size_px},
                    {"yaw_deg", item.pose.yaw_rad * kDegrees},
                    {"pitch_deg", item.pose.pitch_rad * kDegrees}});
  }
  if (write) {
    faceset::FacesetWriter writer(project.faceset_path(subject), set.crop_type(),
                                  set.crop_size_px());
    for (size_t i : order) writer.add_encoded(set.items()[i], set.jpeg(i));
    for (size_t i = 0; i < set.items().size(); ++i)
      if (set.items()[i].excluded) writer.add_encoded(set.items()[i], set.jpeg(i));
    writer.finish();
    trust::record_change(project, "faceset", project.faceset_path(subject));
  }
  nlohmann::json out = {{"subject", subject},
                        {"key", key},
                        {"descending", descending},
                        {"written", write},
                        {"order", rows}};
  if (!sheet.empty()) {
    std::vector<size_t> first(
        order.begin(), order.begin() + static_cast<long>(std::min<size_t>(order.size(), 384)));
    write_sheet(project, set, first, 16, 96, sheet, unlocked);
    out["sheet"] = sheet.string();
  }
  return out;
}

nlohmann::json faceset_filter(const project::Project& project, const std::string& subject,
                              const faceset::Filter& rules, bool dry_run) {
  ProjectLock lock(project, "faceset-" + subject);
  const auto unlocked = unlock(project, subject);
  const Faceset set = open(project, subject);
  std::vector<Item> rows = set.items();
  std::vector<bool> pass(rows.size());
  for (size_t i : faceset::filter(set, rules)) pass[i] = true;
  int64_t excluded = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].excluded || pass[i]) continue;
    rows[i].excluded = true;
    ++excluded;
  }
  const size_t left = rows.size() - count_excluded(rows);
  if (left == 0 && excluded > 0)
    throw Error(ErrorCode::kUsage, "these rules would leave no crop of '" + subject + "'",
                "loosen a rule");
  if (!dry_run && excluded > 0) rewrite(project, subject, set, rows);
  return {{"subject", subject}, {"excluded", excluded}, {"crops", left}, {"dry_run", dry_run}};
}

nlohmann::json faceset_exclude(const project::Project& project, const std::string& subject,
                               const std::vector<std::string>& ids) {
  return set_excluded(project, subject, ids, true, false);
}
nlohmann::json faceset_restore(const project::Project& project, const std::string& subject,
                               const std::vector<std::string>& ids) {
  return set_excluded(project, subject, ids, false, true);
}

nlohmann::json faceset_compact(const project::Project& project, const std::string& subject) {
  ProjectLock lock(project, "faceset-" + subject);
  const auto unlocked = unlock(project, subject);
  const Faceset set = open(project, subject);
  const size_t excluded = count_excluded(set.items());
  if (excluded == set.items().size())
    throw Error(ErrorCode::kUsage, "every crop of '" + subject + "' is excluded",
                "restore some, or delete the faceset");
  if (excluded > 0) rewrite(project, subject, set, set.items(), true);
  return {{"subject", subject}, {"removed", excluded}, {"crops", set.items().size() - excluded}};
}

nlohmann::json faceset_export(const project::Project& project, const std::string& subject,
                              const fs::path& folder, const std::string& format) {
  // Out of the vault and out of the project: only with a consent that lets the face be used.
  std::optional<trust::Grant> unlocked;
  for (const auto& s : project.subjects())
    if (s.name == subject && s.kind == project::SubjectKind::kPerson)
      unlocked = trust::authorise(project, {.task = "faceset export",
                                            .operation = trust::Operation::kTrain,
                                            .subjects = {{subject, trust::Role::kIdentity}}});
  const Faceset set = open(project, subject);
  std::error_code ec;
  if (fs::exists(folder, ec) && !fs::is_empty(folder, ec))
    throw Error(ErrorCode::kUsage, folder.string() + " is not empty", "name a new or empty folder");
  std::vector<size_t> indices;
  for (size_t i = 0; i < set.items().size(); ++i)
    if (!set.items()[i].excluded) indices.push_back(i);
  if (unlocked) {
    const fs::path packed = project.faceset_path(subject);
    trust::record_grant(project, *unlocked, 0, {{packed, sha256_file(packed)}});
  }
  const size_t n = faceset::export_crops(set, indices, folder, format);
  const auto footage = footage_of(project, set, indices);
  std::vector<trust::Delivery> crops;
  for (const size_t i : indices) {
    const fs::path path = folder / (set.items()[i].id + "." + format);
    crops.push_back({{"crop", path, path}, {footage.at(set.items()[i].source_hash)}});
  }
  const trust::Grant* grant = unlocked ? &*unlocked : nullptr;
  trust::deliver(crops, grant);
  const fs::path list = folder / "faceset.json";
  trust::deliver({{{"document", list, list}, {}}}, grant);
  return {{"subject", subject}, {"crops", n}, {"folder", folder.string()}};
}

nlohmann::json faceset_delete(project::Project& project, const std::string& subject) {
  ProjectLock lock(project, "faceset-" + subject);
  const auto entry = project.move_to_trash(existing_path(project, subject), "faceset", subject);
  return {{"subject", subject}, {"trash", entry.id}};
}

}  // namespace likeness::tasks
