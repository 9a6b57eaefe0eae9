// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/tasks/analyse_media.h"
#include "likeness/tasks/choose_tracks.h"
#include "likeness/tasks/extract.h"
#include "likeness/tasks/media_inputs.h"
#include "likeness/tasks/swap.h"
#include "likeness/tasks/swap_polygons.h"
#include "likeness/tasks/swap_segment.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
namespace {

bool writes_folder(const media::WriterOptions& o) { return o.codec == "png" || o.codec == "tiff"; }

void add_counts(SegmentCounts& sum, const SegmentCounts& c) {
  sum.frames += c.frames;
  sum.swapped += c.swapped;
  sum.no_face += c.no_face;
  sum.other_face += c.other_face;
  sum.failed += c.failed;
  for (const auto& f : c.failures)
    if (sum.failures.size() < 20) sum.failures.push_back(f);
  for (const auto& d : c.damage) sum.damage.push_back(d);
}

int64_t count_frames(const fs::path& path) { return media::VideoReader(path).count_frames(); }

}  // namespace

std::vector<SwapEntry> swap_entries(const project::Project& project, const std::string& model,
                                    const std::map<std::string, std::string>& map, bool any_face) {
  std::vector<SwapEntry> out;
  if (!model.empty()) {
    ModelInfo info = model_info(project, model);
    const std::string who = any_face ? "*" : info.performer;
    out.push_back({who, std::move(info)});
  }
  for (const auto& [who, name] : map) out.push_back({who, model_info(project, name)});
  return out;
}

std::vector<trust::SubjectUse> swap_subjects(const std::vector<SwapEntry>& entries) {
  std::vector<trust::SubjectUse> out;
  for (const auto& e : entries) {
    out.push_back({e.model.identity, trust::Role::kIdentity});
    if (!e.model.performer.empty()) out.push_back({e.model.performer, trust::Role::kPerformer});
  }
  return out;
}

SwapTask::SwapTask(const project::Project& project, fs::path target, fs::path out,
                   const std::string& model, const std::map<std::string, std::string>& map,
                   SwapTaskOptions options)
    : target_(std::move(target)), out_(std::move(out)), options_(std::move(options)) {
  validate_options(options_);
  entries_ = swap_entries(project, model, map, options_.any_face);
  if (entries_.empty())
    throw Error(ErrorCode::kUsage, "no model was named",
                "say --model NAME, or --map SUBJECT=NAME for several faces");
  std::error_code ec;
  if (fs::is_directory(out_, ec))
    throw Error(ErrorCode::kUsage, out_.string() + " is a folder that exists",
                "name a new file (or a new folder for png and tiff)");
  refuse_overwriting(out_, {target_});
  media::check_output(out_, options_.writer);
}

void SwapTask::set_ranges(const std::vector<SwapRange>& ranges) {
  ranges_ = checked_ranges(ranges);
  range_options_.clear();
  for (SwapRange& r : ranges_) {
    SwapTaskOptions here = options_;
    options_from_json(here, r.options);
    here.swap.device = options_.swap.device;
    here.swap.precision = options_.swap.precision;
    range_options_.push_back(here.swap);
    r.options = options_to_json(here.swap);
  }
  range_renderers_.assign(ranges_.size(), {});
}

void SwapTask::set_part(FrameIndex first, FrameIndex last) {
  if (first < 0 || last < first)
    throw Error(ErrorCode::kUsage,
                "frames " + std::to_string(first) + "-" + std::to_string(last) + " are no part",
                "the first counts from 0, the last is not before it");
  part_ = {first, last};
}

nlohmann::json SwapTask::options() const {
  nlohmann::json j = options_to_json(options_);
  j.erase("encoder_threads");
  j["encoder_threads"] = options_.writer.threads;
  for (const auto& e : entries_) j["map"][e.who] = e.model.name;
  j["output"] = fs::absolute(out_).lexically_normal().string();
  for (const SwapRange& r : ranges_)
    j["ranges"].push_back({{"first", r.first}, {"last", r.last}, {"options", r.options}});
  if (!polygons_.empty()) j["polygons"] = polygons_json(polygons_);
  if (part_) j["part"] = {{"first", part_->first}, {"last", part_->second}};
  return j;
}

trust::Request SwapTask::request() const {
  trust::Request r{.task = "swap", .operation = trust::Operation::kSwap};
  r.subjects = swap_subjects(entries_);
  r.label = options_.label.label;
  return r;
}

std::vector<std::string> SwapTask::locks() const {
  // Two swaps into one file would overwrite each other.
  return {"output-" + sha256(fs::absolute(out_).lexically_normal().string()).substr(0, 16)};
}

const trust::Input& SwapTask::target_input() const {
  LIKENESS_REQUIRE(!inputs_.empty());
  return inputs_[0];
}

std::vector<trust::Input> SwapTask::inputs(project::Project&) const {
  if (inputs_.empty()) {
    media::probe(target_);
    inputs_.push_back({fs::absolute(target_).lexically_normal(), hash_media(target_)});
    for (const auto& e : entries_)
      inputs_.push_back({e.model.weights, sha256_file(e.model.weights)});
  }
  return inputs_;
}

std::vector<Chunk> SwapTask::plan(Run& run) {
  std::vector<Chunk> chunks = {{"analysis", ".json", "analyse", {{"kind", "analyse"}}},
                               {"choice", ".json", "choose tracks", {{"kind", "choose"}}}};
  const int64_t frames = std::max<int64_t>(1, count_frames(target_));
  const std::string extension = writes_folder(options_.writer) ? "" : out_.extension().string();
  frames_left_ = 0;
  if (part_ && part_->second >= frames)
    throw Error(ErrorCode::kUsage,
                target_.string() + " has no frame " + std::to_string(part_->second),
                "it has the frames 0 to " + std::to_string(frames - 1));
  const FrameIndex from = part_ ? part_->first : 0, to = part_ ? part_->second + 1 : frames;
  for (FrameIndex begin = from; begin < to; begin += options_.chunk_frames) {
    const FrameIndex end = std::min<FrameIndex>(to, begin + options_.chunk_frames);
    chunks.push_back({"segment-" + std::to_string(begin),
                      extension,
                      "swap",
                      {{"kind", "segment"}, {"begin", begin}, {"end", end}}});
    std::error_code ec;
    if (!fs::exists(run.work / (chunks.back().name + extension), ec))
      frames_left_ += static_cast<double>(end - begin);
  }
  // Frames beyond the estimate (a damaged index) belong to the last segment.
  if (!part_) chunks.back().what["end"] = INT64_MAX;
  return chunks;
}

void SwapTask::run(const Chunk& chunk, const fs::path& out, Run& run) {
  run.grant.require(request());
  const std::string kind = chunk.what.at("kind");
  if (kind == "analyse") {
    const auto row = analyse_media(run, target_input(), {}, false, false);
    write_file_atomic(out, nlohmann::json{{"media", row.id}}.dump());
  } else if (kind == "choose") {
    choose(out, run);
  } else {
    segment(chunk, out, run);
  }
}

/// choice.json: per entry the tracks it is laid on, and why.
void SwapTask::choose(const fs::path& out, Run& run) const {
  const auto row = run.project.media_by_hash(target_input().hash);
  LIKENESS_REQUIRE(row.has_value());
  if (run.project.count_faces(row->id) == 0)
    throw Error(ErrorCode::kNoFace, "no face was found in " + target_.string(),
                "use footage where a face is at least 40 px wide");
  nlohmann::json choice = nlohmann::json::array();
  std::set<int> taken;
  for (const SwapEntry& e : entries_) {
    nlohmann::json mine = nlohmann::json::array();
    const WhoseTracks whose = tracks_of(run.project, row->id, e.who);
    for (int track : whose.tracks)
      if (taken.insert(track).second || whose.why == "named") mine.push_back(track);
    const std::string& why = whose.why;
    if (mine.empty())
      throw Error(
          ErrorCode::kNoFace,
          "'" + e.who + "' was not found in " + target_.filename().string() + ": " + why,
          "see the tracks with: likeness project show PROJECT --json; then say --map TRACK=" +
              e.model.name + ", or --any-face to change every face");
    if (e.who == e.model.performer)  // a person's embeddings lie sealed from now on
      for (int track : mine) run.project.seal_track(row->id, track, e.model.performer);
    choice.push_back({{"who", e.who}, {"model", e.model.name}, {"tracks", mine}, {"why", why}});
  }
  write_file_atomic(out, choice.dump());
}

const swap::Renderer* SwapTask::renderer_of(int range, size_t entry) {
  if (range < 0) return renderers_[entry].get();
  const auto r = static_cast<size_t>(range);
  auto& here = range_renderers_[r];
  while (here.size() <= entry)
    here.push_back(std::make_shared<swap::Renderer>(*renderers_[here.size()], range_options_[r]));
  return here[entry].get();
}

void SwapTask::segment(const Chunk& chunk, const fs::path& out, Run& run) {
  const FrameIndex begin = chunk.what.at("begin"), end = chunk.what.at("end");
  const auto row = run.project.media_by_hash(target_input().hash);
  LIKENESS_REQUIRE(row.has_value());
  const auto choice = nlohmann::json::parse(read_file(run.work / "choice.json"));
  for (size_t i = renderers_.size(); i < entries_.size(); ++i)  // once for all segments: seconds
    renderers_.push_back(
        std::make_shared<swap::Renderer>(entries_[i].model.weights, options_.swap));
  if (!progress_begun_)
    run.progress.begin("swap " + target_.filename().string(), frames_left_, "frames");
  progress_begun_ = true;
  std::optional<trust::OutputVideo> writer;
  const media::VideoInfo info = media::probe(target_);
  const auto write = [&](const media::Frame& frame) {
    if (!writer)
      writer.emplace(run.grant, run.watermark, out, info, options_.writer, options_.label.label);
    writer->write(frame);
  };
  SegmentCounts counts;
  for (const SwapSpan& span : swap_spans(ranges_, begin, end)) {
    Segment s{target_, span.begin, span.end, {}, polygons_, {}};
    for (size_t i = 0; i < entries_.size(); ++i)
      s.layers.emplace_back(renderer_of(span.range, i),
                            choice.at(i).at("tracks").get<std::vector<int>>());
    s.faces =
        run.project.faces(row->id, span.begin - 1, span.end == INT64_MAX ? span.end : span.end + 1);
    std::erase_if(s.faces, [](const face::Face& f) { return !f.has_points; });  // somebody else's
    add_counts(counts, render_segment(s, write, run.progress, run.cancel));
  }
  const nlohmann::json j = {{"frames", counts.frames},
                            {"swapped", counts.swapped},
                            {"no_face", counts.no_face},
                            {"other_face", counts.other_face},
                            {"failed", counts.failed},
                            {"failures", counts.failures},
                            {"damage", counts.damage},
                            {"encoder", writer ? writer->encoder_name() : ""},
                            {"mark_s", writer ? writer->mark_s() : 0.0}};
  write_file_atomic(run.work / (chunk.name + ".counts.json"),
                    j.dump());  // before the part: where it is, this is
  if (writer)
    writer->finish();
  else
    write_file_atomic(out, "");  // a damaged end: nothing could be decoded here
}

Result SwapTask::join(const std::vector<fs::path>& parts, Run& run) {
  if (progress_begun_) run.progress.end();
  std::vector<fs::path> videos;
  nlohmann::json failures = nlohmann::json::array(), damage = nlohmann::json::array();
  std::map<std::string, int64_t> sums;
  std::string encoder;
  double mark_s = 0;
  for (const fs::path& part : parts) {
    const std::string name = part.filename().string();
    if (name.rfind("segment-", 0) != 0) continue;
    const auto counts =
        nlohmann::json::parse(read_file(run.work / (part.stem().string() + ".counts.json")));
    for (const char* key : {"frames", "swapped", "no_face", "other_face", "failed"})
      sums[key] += counts.at(key).get<int64_t>();
    mark_s += counts.value("mark_s", 0.0);
    for (const auto& f : counts.at("failures")) failures.push_back(f);
    for (const auto& d : counts.at("damage"))
      if (std::find(damage.begin(), damage.end(), d) == damage.end()) damage.push_back(d);
    if (counts.at("frames") == 0) continue;
    encoder = counts.at("encoder");
    videos.push_back(part);
  }
  if (videos.empty())
    throw Error(ErrorCode::kDamaged, target_.string() + " has no frame that can be decoded",
                "repair the file, or use another copy");
  const fs::path temporary = temporary_name(out_);
  const bool sound = !writes_folder(options_.writer) && media::probe(target_).has_audio;
  const auto concatenate = part_ ? media::concatenate_from_zero : media::concatenate;
  concatenate(videos, temporary, sound ? target_ : fs::path(),
              trust::label_tags(options_.label.label, run.watermark));
  const auto row = run.project.media_by_hash(target_input().hash);
  Result result;
  result.report = {{"output", out_.string()},
                   {"target", target_.string()},
                   {"media", row ? row->id : 0},
                   {"frames", sums["frames"]},
                   {"frames_swapped", sums["swapped"]},
                   {"frames_passed", sums["frames"] - sums["swapped"]},
                   {"passed",
                    {{"no_face", sums["no_face"]},
                     {"somebody_else", sums["other_face"]},
                     {"failed", sums["failed"]}}},
                   {"failures", failures},
                   {"damage", damage},
                   {"choice", nlohmann::json::parse(read_file(run.work / "choice.json"))},
                   {"encoder", encoder},
                   {"audio_copied", sound},
                   {"mark_s", mark_s}};
  if (part_) result.report["part"] = {{"first", part_->first}, {"last", part_->second}};
  result.outputs.push_back({"video", temporary, out_});
  return result;
}

}  // namespace likeness::tasks
