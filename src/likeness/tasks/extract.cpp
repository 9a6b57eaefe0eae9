// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/extract.h"

#include <algorithm>
#include <map>
#include <set>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/threads.h"
#include "likeness/faceset/faceset.h"
#include "likeness/tasks/analyse_media.h"
#include "likeness/tasks/choose_tracks.h"
#include "likeness/tasks/crop_faces.h"
#include "likeness/tasks/media_inputs.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
namespace {

/// Frames per chunk of crops: what a kill costs at most.
constexpr FrameIndex kCropFrames = 1500;

nlohmann::json read_json(const fs::path& path) {
  return nlohmann::json::parse(read_file(path), nullptr, false);
}

/// The faceset that is there already, checked against the options.
std::optional<faceset::Faceset> existing_faceset(const fs::path& path, face::CropType type,
                                                 int size_px) {
  std::error_code ec;
  if (!fs::exists(path, ec)) return std::nullopt;
  auto set = faceset::Faceset::open(path);
  if (set.crop_type() != type || set.crop_size_px() != size_px)
    throw Error(ErrorCode::kUsage,
                path.filename().string() + " holds crops of another kind (" +
                    std::to_string(set.crop_size_px()) + " px)",
                "extract with the crop and size_px it was made with, or move it to the trash "
                "first: likeness faceset "
                "delete PROJECT NAME");
  return set;
}

}  // namespace

ExtractTask::ExtractTask(std::vector<fs::path> inputs, std::string subject, ExtractOptions options)
    : given_(std::move(inputs)), subject_(std::move(subject)), options_(std::move(options)) {
  validate_options(options_);
}

nlohmann::json ExtractTask::options() const {
  nlohmann::json j = options_to_json(options_);
  j["subject"] = subject_;
  return j;
}
trust::Request ExtractTask::request() const {
  return {.task = "extract",
          .operation = trust::Operation::kAnalyse,
          .subjects = {{subject_, trust::Role::kFootage}}};
}
std::vector<trust::Input> ExtractTask::inputs(project::Project&) const {
  if (files_.empty()) files_ = expand_media(given_, skipped_);
  return files_;
}

std::vector<Chunk> ExtractTask::plan(Run& run) {
  existing_faceset(run.project.faceset_path(subject_), face::crop_type(options_.crop),
                   options_.size_px);
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < files_.size(); ++i)
    chunks.push_back({"analysis-" + std::to_string(i),
                      ".json",
                      "analyse " + files_[i].path.filename().string(),
                      {{"kind", "analyse"}, {"file", i}}});
  chunks.push_back({"choice", ".json", "choose tracks", {{"kind", "decide"}}});
  for (size_t i = 0; i < files_.size(); ++i) {
    const FrameIndex frames =
        std::max<FrameIndex>(1, media::VideoReader(files_[i].path).count_frames());
    for (FrameIndex begin = 0; begin < frames; begin += kCropFrames)
      chunks.push_back({"crops-" + std::to_string(i) + "-" + std::to_string(begin),
                        ".faces",
                        "crop " + files_[i].path.filename().string(),
                        {{"kind", "crop"},
                         {"file", i},
                         {"begin", begin},
                         {"end", std::min(frames, begin + kCropFrames)}}});
  }
  return chunks;
}

void ExtractTask::run(const Chunk& chunk, const fs::path& out, Run& run) {
  const std::string kind = chunk.what.at("kind");
  if (kind == "analyse")
    analyse(chunk, out, run);
  else if (kind == "decide")
    decide(out, run);
  else
    crop(chunk, out, run);
}

void ExtractTask::analyse(const Chunk& chunk, const fs::path& out, Run& run) {
  const auto row = analyse_media(run, files_[chunk.what.at("file").get<size_t>()],
                                 options_.analysis, true, options_.again);
  write_file_atomic(out, nlohmann::json{{"media", row.id}}.dump());
}

void ExtractTask::decide(const fs::path& out, Run& run) {
  std::vector<project::TrackRow> tracks;
  int64_t faces = 0;
  for (const auto& file : files_) {
    const auto row = run.project.media_by_hash(file.hash);
    LIKENESS_REQUIRE(row.has_value());
    for (auto& t : run.project.tracks(row->id)) tracks.push_back(std::move(t));
    faces += run.project.count_faces(row->id);
  }
  if (faces == 0)
    throw Error(ErrorCode::kNoFace,
                "no face was found in " + std::to_string(files_.size()) + " file(s)",
                "use footage where a face is at least 40 px wide, or lower --min-face-px");
  std::optional<face::Embedding> reference;
  const auto set = existing_faceset(run.project.faceset_path(subject_),
                                    face::crop_type(options_.crop), options_.size_px);
  if (set && std::any_of(set->items().begin(), set->items().end(),
                         [](const auto& i) { return i.has_embedding; }))
    reference = faceset::mean_embedding(*set);
  const TrackChoice choice = choose_for_subject(tracks, subject_, reference, options_.all_people);
  nlohmann::json people = nlohmann::json::array(), keep = nlohmann::json::array();
  for (const auto& p : choice.people) {
    nlohmann::json j = {{"faces", p.faces}, {"tracks", p.tracks}, {"chosen", p.chosen}};
    if (p.distance >= 0) j["distance"] = p.distance;
    people.push_back(std::move(j));
  }
  int64_t expected = 0;
  for (size_t i = 0; i < tracks.size(); ++i)
    if (choice.keep[i]) {
      keep.push_back({tracks[i].media, tracks[i].track});
      expected += (tracks[i].last - tracks[i].first) / options_.every + 1;
    }
  if (keep.empty())
    throw Error(ErrorCode::kNoFace,
                "none of the " + std::to_string(choice.people.size()) + " people found is '" +
                    subject_ + "': " + choice.why,
                "check the footage; to take every face use --all-people");
  // Hours of footage: fewer frames of it, spread evenly, so that the faceset fits into memory.
  const int64_t most = options_.max_crops;
  const int64_t every =
      options_.every * (most > 0 ? std::max<int64_t>(1, (expected + most - 1) / most) : 1);
  if (every != options_.every)
    log_info("more than " + std::to_string(most) + " faces: only those of every " +
             std::to_string(every) + "th frame become crops (--max-crops)");
  write_file_atomic(
      out, nlohmann::json{{"people", people}, {"keep", keep}, {"why", choice.why}, {"every", every}}
               .dump());
}

void ExtractTask::crop(const Chunk& chunk, const fs::path& out, Run& run) {
  const trust::Input& file = files_[chunk.what.at("file").get<size_t>()];
  const FrameIndex begin = chunk.what.at("begin"), end = chunk.what.at("end");
  const auto type = face::crop_type(options_.crop);
  const auto row = run.project.media_by_hash(file.hash);
  LIKENESS_REQUIRE(row.has_value());
  std::set<int> tracks;
  const nlohmann::json choice = read_json(run.work / "choice.json");
  for (const auto& k : choice.at("keep"))
    if (k.at(0) == row->id) tracks.insert(k.at(1).get<int>());
  const FrameIndex every = choice.at("every");
  std::multimap<FrameIndex, face::Face> wanted;
  for (auto& f : run.project.faces(row->id, begin, end))
    if (tracks.count(f.track) && f.has_points && f.frame % every == 0)
      wanted.emplace(f.frame, std::move(f));

  faceset::FacesetWriter writer(out, type, options_.size_px);
  if (wanted.empty()) return writer.finish();
  media::VideoReader reader(file.path);
  if (begin > 0) reader.seek(begin);
  const std::string source = file.path.filename().string();
  const int64_t pixels =
      std::max<int64_t>(1, static_cast<int64_t>(reader.info().width) * reader.info().height);
  const size_t batch_size = static_cast<size_t>(std::clamp<int64_t>(64'000'000 / pixels, 2, 32));
  std::vector<std::pair<media::Frame, const face::Face*>> batch;
  auto flush = [&] {
    std::vector<Crop> crops(batch.size());
    std::vector<std::string> jpegs(batch.size());
    parallel_for(0, static_cast<int>(batch.size()), [&](int i) {
      const auto k = static_cast<size_t>(i);
      crops[k] =
          crop_face(batch[k].first, *batch[k].second, type, options_.size_px, source, file.hash);
      jpegs[k] = media::encode_jpeg(crops[k].image, 95);
    });
    for (size_t k = 0; k < crops.size(); ++k)
      writer.add_encoded(std::move(crops[k].item),
                         {reinterpret_cast<const uint8_t*>(jpegs[k].data()), jpegs[k].size()});
    batch.clear();
  };
  const FrameIndex last = wanted.rbegin()->first;
  run.progress.begin(chunk.label, static_cast<double>(last - begin + 1), "frames");
  while (auto frame = reader.next()) {
    if (frame->index > last) break;
    run.cancel.check();
    run.progress.advance();
    auto [from, to] = wanted.equal_range(frame->index);
    for (auto it = from; it != to; ++it) batch.emplace_back(*frame, &it->second);
    if (batch.size() >= batch_size) flush();
  }
  flush();
  run.progress.end();
  writer.finish();
}

namespace {

struct Merge {
  std::set<std::string> ids;
  std::map<std::pair<std::string, FrameIndex>, std::vector<faceset::Item>> places;
  int size_px;
  bool add(const faceset::Item& item) {
    auto& here = places[{item.source_hash, item.frame}];
    for (const auto& other : here)
      if (same_face(item, other, size_px)) return false;
    if (!ids.insert(item.id).second) return false;
    here.push_back(item);
    return true;
  }
};

/// Excludes near-duplicates (they stay in the file, known and restorable); gives how many.
size_t exclude_near_duplicates(const fs::path& path, double threshold) {
  const auto set = faceset::Faceset::open(path);
  std::vector<faceset::Item> rows = set.items();
  std::vector<size_t> active;
  for (size_t i = 0; i < rows.size(); ++i)
    if (!rows[i].excluded) active.push_back(i);
  for (size_t i : active) rows[i].excluded = true;
  size_t kept = 0;
  for (size_t i : faceset::without_near_duplicates(set, active, threshold)) {
    rows[i].excluded = false;
    ++kept;
  }
  faceset::rewrite(set, rows, path);
  return active.size() - kept;
}

}  // namespace

Result ExtractTask::join(const std::vector<fs::path>& parts, Run& run) {
  Result result;
  const fs::path path = run.project.faceset_path(subject_);
  const auto type = face::crop_type(options_.crop);
  Merge merge{.size_px = options_.size_px};
  std::map<std::string, int64_t> added_from;
  int64_t before = 0, added = 0, known = 0;
  const fs::path temporary = temporary_name(path);
  {
    faceset::FacesetWriter writer(temporary, type, options_.size_px);
    if (auto set = existing_faceset(path, type, options_.size_px)) {
      before = static_cast<int64_t>(set->items().size());
      for (size_t i = 0; i < set->items().size(); ++i)
        if (merge.add(set->items()[i])) writer.add_encoded(set->items()[i], set->jpeg(i));
    }
    for (const fs::path& part : parts) {
      if (part.extension() != ".faces") continue;
      const auto set = faceset::Faceset::open(part);
      for (size_t i = 0; i < set.items().size(); ++i) {
        if (!merge.add(set.items()[i])) {
          ++known;
          continue;
        }
        writer.add_encoded(set.items()[i], set.jpeg(i));
        ++added;
        ++added_from[set.items()[i].source_hash];
      }
    }
    writer.finish();
  }
  size_t dropped = 0;
  if (options_.near_duplicate > 0 && added > 0)
    dropped = exclude_near_duplicates(temporary, options_.near_duplicate);
  const nlohmann::json choice = read_json(run.work / "choice.json");
  for (const auto& k : choice.at("keep")) run.project.name_track(k.at(0), k.at(1), subject_);
  nlohmann::json files = nlohmann::json::array();
  for (const auto& file : files_) {
    const auto row = run.project.media_by_hash(file.hash);
    if (!row) continue;
    files.push_back({{"path", file.path.string()},
                     {"media", row->id},
                     {"frames", row->frames},
                     {"faces", run.project.count_faces(row->id)},
                     {"tracks", run.project.tracks(row->id).size()},
                     {"crops_added", added_from[file.hash]},
                     {"info", row->info}});
  }
  result.report = {{"subject", subject_},          {"files", files},
                   {"skipped", skipped_},          {"people", choice.at("people")},
                   {"choice", choice.at("why")},   {"every", choice.at("every")},
                   {"crops_before", before},       {"crops_added", added},
                   {"crops_known_already", known}, {"near_duplicates_excluded", dropped},
                   {"crops", before + added}};
  std::error_code ec;
  if (added > 0)
    result.outputs.push_back({"faceset", temporary, path});
  else
    fs::remove(temporary, ec);
  return result;
}

}  // namespace likeness::tasks
