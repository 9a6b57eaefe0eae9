// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/analyse_media.h"

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/options.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
namespace {

/// Raised when the analysis itself changes, so that stored results of older programs are not
/// reused.
constexpr int kAnalysisVersion = 2;

std::string analysis_key(const face::AnalysisOptions& options) {
  return sha256(options_to_json(options).dump() + std::to_string(kAnalysisVersion)).substr(0, 16);
}

std::vector<project::TrackRow> track_rows(int64_t media, const std::vector<face::Track>& tracks) {
  std::vector<project::TrackRow> rows;
  for (const auto& t : tracks) {
    project::TrackRow row;
    row.media = media;
    row.track = t.id;
    row.first = t.first;
    row.last = t.last;
    row.cluster = t.cluster;
    if (t.embeddings > 0) row.embedding = t.embedding;
    rows.push_back(row);
  }
  return rows;
}

fs::path range_file(const Run& run, const trust::Input& input, FrameIndex begin) {
  return run.work / ("range-" + input.hash.substr(0, 16) + "-" + std::to_string(begin) + ".part");
}

/// One range, kept in its file; analysed unless an earlier run of the job did it.
ClipRangePart range_part(Run& run, const trust::Input& input, const face::AnalysisOptions& options,
                         FrameIndex begin, FrameIndex end) {
  const fs::path path = range_file(run, input, begin);
  ClipRangePart part;
  if (read_part(path, part) && part.begin == begin && part.end == end) {
    run.progress.advance(static_cast<double>(part.frames));
    return part;
  }
  static const face::FaceNets nets;
  part = analyse_range(input.path, nets, options, begin, end, run.progress, run.cancel);
  write_part(part, path);
  return part;
}

struct Summary {
  int64_t frames = 0;
  double before = 0, after = 0, weight = 0;
  nlohmann::json cuts = nlohmann::json::array(), damage = nlohmann::json::array();
  void add(const ClipRangePart& part, const fs::path& path) {
    frames += part.frames;
    const auto faces = static_cast<double>(part.faces.size());
    before += faces * part.jitter_before_pct;
    after += faces * part.jitter_after_pct;
    weight += faces;
    for (FrameIndex cut : part.cuts) cuts.push_back(cut);
    for (const auto& d : part.damage) {
      damage.push_back({{"time_s", d.time_s}, {"frame", d.frame}, {"what", d.what}});
      log_warning(path.string() + " is damaged at " + std::to_string(d.time_s) + " s: " + d.what);
    }
  }
};

nlohmann::json clip_info(const media::VideoInfo& info, const Summary& s) {
  const double weight = std::max(1.0, s.weight);
  return {{"width", info.width},
          {"height", info.height},
          {"fps", info.frame_rate.value()},
          {"codec", info.codec},
          {"has_audio", info.has_audio},
          {"still", info.is_still},
          {"cuts", s.cuts},
          {"damage", s.damage},
          {"jitter_before_pct", s.before / weight},
          {"jitter_after_pct", s.after / weight}};
}

}  // namespace

project::MediaRow analyse_media(Run& run, const trust::Input& input,
                                const face::AnalysisOptions& options, bool same_options, bool again,
                                FrameIndex range_frames) {
  const std::string key = analysis_key(options);
  auto known = run.project.media_by_hash(input.hash);
  if (known && !again && !known->analysis.empty() && (!same_options || known->analysis == key)) {
    if (known->path != input.path.string()) {
      known->path = input.path.string();
      run.project.put_media(*known);
    }
    return *known;
  }
  media::VideoReader reader(input.path);
  const int64_t frames = reader.count_frames();
  run.progress.begin("analyse " + input.path.filename().string(), static_cast<double>(frames),
                     "frames");
  RangeJoiner joiner;
  Summary summary;
  std::vector<fs::path> files;
  for (const auto& [begin, end] : split_clip(frames, range_frames)) {
    run.cancel.check();
    const ClipRangePart part = range_part(run, input, options, begin, end);
    files.push_back(range_file(run, input, begin));
    joiner.add(part);
    summary.add(part, input.path);
  }
  run.progress.end();
  project::MediaRow row;
  row.path = input.path.string();
  row.hash = input.hash;
  row.frames = summary.frames;
  row.info = clip_info(reader.info(), summary);
  // Without the key: a kill before put_faces leaves it "not analysed".
  row.id = run.project.put_media(row);
  size_t next = 0;
  run.project.put_faces_in_parts(
      row.id,
      [&]() -> std::vector<face::Face> {
        for (; next < files.size(); ++next) {
          ClipRangePart part;
          LIKENESS_REQUIRE(read_part(files[next], part));
          if (part.faces.empty()) continue;
          for (face::Face& f : part.faces) f.track = joiner.track_of(next, f.track);
          ++next;
          return std::move(part.faces);
        }
        return {};
      },
      track_rows(row.id, joiner.tracks()));
  row.analysis = key;
  run.project.put_media(row);
  return row;
}

}  // namespace likeness::tasks
