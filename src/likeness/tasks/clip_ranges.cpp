// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/clip_ranges.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <type_traits>

#include <nlohmann/json.hpp>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"

namespace likeness::tasks {
namespace {

constexpr float kSameBox = 0.4f;  ///< overlap of one face seen by two analyses of one frame
constexpr char kMagic[8] = {'L', 'K', 'R', 'A', 'N', 'G', 'E', '1'};
constexpr size_t kDigest = 64;
static_assert(std::is_trivially_copyable_v<face::Face>);

struct Head {
  char magic[8];
  uint64_t face_size, links, faces, json_size;
};

nlohmann::json to_json(const ClipRangePart& p) {
  nlohmann::json tracks = nlohmann::json::array(), damage = nlohmann::json::array();
  for (const auto& t : p.tracks)
    tracks.push_back({{"id", t.id},
                      {"first", t.first},
                      {"last", t.last},
                      {"embeddings", t.embeddings},
                      {"embedding", t.embedding}});
  for (const auto& d : p.damage) damage.push_back({d.time_s, d.frame, d.what});
  return {{"begin", p.begin},
          {"end", p.end},
          {"frames", p.frames},
          {"cuts", p.cuts},
          {"tracks", tracks},
          {"damage", damage},
          {"before", p.jitter_before_pct},
          {"after", p.jitter_after_pct}};
}

void from_json(const nlohmann::json& j, ClipRangePart& p) {
  p.begin = j.at("begin");
  p.end = j.at("end");
  p.frames = j.at("frames");
  p.cuts = j.at("cuts").get<std::vector<FrameIndex>>();
  for (const auto& t : j.at("tracks")) {
    face::Track track{.id = t.at("id"), .first = t.at("first"), .last = t.at("last")};
    track.embeddings = t.at("embeddings");
    track.embedding = t.at("embedding").get<face::Embedding>();
    p.tracks.push_back(track);
  }
  for (const auto& d : j.at("damage")) p.damage.push_back({d.at(0), d.at(1), d.at(2)});
  p.jitter_before_pct = j.at("before");
  p.jitter_after_pct = j.at("after");
}

}  // namespace

std::vector<std::pair<FrameIndex, FrameIndex>> split_clip(int64_t frames, FrameIndex range_frames) {
  LIKENESS_REQUIRE(range_frames > 0);
  const int64_t ranges = std::max<int64_t>(1, (frames + range_frames / 2) / range_frames);
  std::vector<std::pair<FrameIndex, FrameIndex>> out;
  for (int64_t i = 0; i < ranges; ++i)
    out.emplace_back(i * range_frames, i + 1 < ranges ? (i + 1) * range_frames : INT64_MAX);
  return out;
}

ClipRangePart analyse_range(const std::filesystem::path& clip, const face::FaceNets& nets,
                            const face::AnalysisOptions& options, FrameIndex begin, FrameIndex end,
                            Progress& progress, const Cancel& cancel) {
  ClipRangePart out;
  out.begin = begin;
  out.end = end;
  const auto inside = [&](FrameIndex frame) { return frame >= begin && frame < end; };
  face::ClipRange range;
  range.first = std::max<FrameIndex>(0, begin - kMargin);
  if (end != INT64_MAX) range.count = end + kMargin - range.first;
  Progress silent;
  face::ClipAnalysis a = face::analyse_clip(
      clip, nets, options, silent, cancel,
      [&](const media::Frame& frame, const std::vector<face::Face>&) {
        if (!inside(frame.index)) return;
        ++out.frames;
        progress.advance();
      },
      range);
  std::set<int> kept;
  for (face::Face& f : a.faces) {
    if (inside(f.frame)) {
      kept.insert(f.track);
      out.faces.push_back(f);
    } else if (f.frame < begin && f.frame >= begin - kLinkFrames) {
      out.links.push_back(f);
    }
  }
  for (face::Track t : a.tracks) {
    if (!kept.count(t.id)) continue;
    t.first = std::max(t.first, begin);
    if (end != INT64_MAX) t.last = std::min(t.last, end - 1);
    out.tracks.push_back(t);
  }
  std::copy_if(a.cuts.begin(), a.cuts.end(), std::back_inserter(out.cuts), inside);
  for (auto& d : a.damage)
    if (inside(d.frame)) out.damage.push_back(std::move(d));
  out.jitter_before_pct = a.jitter_before_pct;
  out.jitter_after_pct = a.jitter_after_pct;
  return out;
}

void write_part(const ClipRangePart& part, const std::filesystem::path& path) {
  const std::string text =
      to_json(part).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  Head head{{}, sizeof(face::Face), part.links.size(), part.faces.size(), text.size()};
  std::memcpy(head.magic, kMagic, sizeof kMagic);
  AtomicFile file(path);
  Sha256 digest;
  const auto put = [&](const void* data, size_t size) {
    digest.update(data, size);
    file.write(data, size);
  };
  put(&head, sizeof head);
  put(text.data(), text.size());
  put(part.links.data(), part.links.size() * sizeof(face::Face));
  put(part.faces.data(), part.faces.size() * sizeof(face::Face));
  const std::string hex = digest.hex();
  file.write(hex.data(), hex.size());
  file.commit();
}

bool read_part(const std::filesystem::path& path, ClipRangePart& part) {
  std::error_code ec;
  if (!std::filesystem::exists(path, ec)) return false;
  const MappedFile file(path);
  const auto bytes = file.bytes();
  Head head{};
  if (bytes.size() < sizeof head + kDigest) return false;
  const auto body = bytes.first(bytes.size() - kDigest);
  const std::string digest(reinterpret_cast<const char*>(body.data() + body.size()), kDigest);
  std::memcpy(&head, body.data(), sizeof head);
  if (std::memcmp(head.magic, kMagic, sizeof kMagic) != 0 || head.face_size != sizeof(face::Face) ||
      sha256(body) != digest)
    return false;
  const size_t rows = body.size() - sizeof head;
  if (head.json_size > rows || head.links > rows || head.faces > rows ||
      head.json_size + (head.links + head.faces) * sizeof(face::Face) != rows)
    return false;
  const uint8_t* at = body.data() + sizeof head;
  part = {};
  from_json(nlohmann::json::parse(at, at + head.json_size), part);
  at += head.json_size;
  part.links.resize(head.links);
  part.faces.resize(head.faces);
  // An empty vector has no address to copy to.
  if (head.links > 0) std::memcpy(part.links.data(), at, head.links * sizeof(face::Face));
  at += head.links * sizeof(face::Face);
  if (head.faces > 0) std::memcpy(part.faces.data(), at, head.faces * sizeof(face::Face));
  return true;
}

void RangeJoiner::add(const ClipRangePart& part) {
  std::map<int, int>& ids = ids_.emplace_back();
  std::set<int> taken;
  // The newest common frame decides; a face that was lost for a moment is met a frame earlier.
  for (FrameIndex frame = part.begin - 1; frame >= part.begin - kLinkFrames; --frame)
    for (const face::Face& mine : part.links) {
      if (mine.frame != frame || ids.count(mine.track)) continue;
      const face::Face* best = nullptr;
      float most = kSameBox;
      for (const face::Face& other : last_) {
        if (other.frame != frame || taken.count(other.track)) continue;
        const float overlap = intersection_over_union(mine.box, other.box);
        if (overlap > most) best = &other, most = overlap;
      }
      if (!best) continue;
      ids[mine.track] = best->track;
      taken.insert(best->track);
    }
  for (const face::Track& t : part.tracks) {
    const auto [it, fresh] = ids.try_emplace(t.id, next_id_);
    if (fresh) ++next_id_;
    auto [known, first] = tracks_.try_emplace(it->second, t);
    face::Track& whole = known->second;
    whole.id = it->second;
    if (first) continue;
    whole.first = std::min(whole.first, t.first);
    whole.last = std::max(whole.last, t.last);
    const float sum = static_cast<float>(std::max(1, whole.embeddings + t.embeddings));
    const float mine = static_cast<float>(t.embeddings) / sum;
    if (t.embeddings > 0)
      for (int k = 0; k < face::kEmbeddingSize; ++k)
        whole.embedding[k] += mine * (t.embedding[k] - whole.embedding[k]);
    whole.embeddings += t.embeddings;
  }
  last_.clear();
  for (const face::Face& f : part.faces)
    if (part.end != INT64_MAX && f.frame >= part.end - kLinkFrames) {
      last_.push_back(f);
      last_.back().track = ids.at(f.track);
    }
}

std::vector<face::Track> RangeJoiner::tracks() const {
  std::vector<face::Track> out;
  for (const auto& [id, track] : tracks_) out.push_back(track);
  face::cluster_tracks(out);
  return out;
}

}  // namespace likeness::tasks
