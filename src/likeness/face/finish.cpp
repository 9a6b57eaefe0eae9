// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/finish.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "likeness/face/geometry.h"
#include "likeness/face/smooth.h"

namespace likeness::face {
namespace {

constexpr float kChip_px = 200;  ///< resolution that embedding and quality ask for
constexpr float kEmbedYaw_rad = 0.8f;
constexpr float kEmbedOcclusion = 0.35f;
constexpr float kOtherPerson = 0.62f;  ///< embedding distance that ends a track

bool good_for_identity(const Face& face) {
  return std::fabs(face.pose.yaw_rad) < kEmbedYaw_rad &&
         std::fabs(face.pose.pitch_rad) < kEmbedYaw_rad && face.quality.occlusion < kEmbedOcclusion;
}

/// Indices into out.faces, by track, in frame order.
std::map<int, std::vector<size_t>> faces_by_track(const ClipAnalysis& out) {
  std::map<int, std::vector<size_t>> tracks;
  for (size_t i = 0; i < out.faces.size(); ++i) tracks[out.faces[i].track].push_back(i);
  return tracks;
}

Embedding mean_of(const std::vector<const Embedding*>& embeddings) {
  Embedding mean{};
  for (const Embedding* e : embeddings)
    for (int k = 0; k < kEmbeddingSize; ++k)
      mean[k] += (*e)[k] / static_cast<float>(embeddings.size());
  return mean;
}

/// The frame between two embeddings where the face moved most for its size: where a mesh slid from
/// one person to another.
size_t largest_jump(const ClipAnalysis& out, const std::vector<size_t>& faces, size_t from,
                    size_t to) {
  size_t where = to;
  float largest = -1;
  for (size_t k = from + 1; k <= to; ++k) {
    const Face &a = out.faces[faces[k - 1]], &b = out.faces[faces[k]];
    const float jump = distance(a.box.centre(), b.box.centre()) / std::max(1.f, b.quality.size_px) +
                       0.5f * (1 - b.presence);
    if (jump > largest) largest = jump, where = k;
  }
  return where;
}

/// Frames of the scene that a frame lies in.
int64_t scene_length(const ClipAnalysis& out, FrameIndex frame) {
  FrameIndex begin = out.first_frame, end = out.first_frame + out.frames;
  for (FrameIndex cut : out.cuts) {
    if (cut <= frame) begin = std::max(begin, cut);
    if (cut > frame) {
      end = std::min(end, cut);
      break;
    }
  }
  return end - begin;
}

/// Prints, hands and folds of cloth can look like a face: for a moment, or with a presence that
/// wavers around 0.85 where true faces seen from the front have 1.000 in most frames (measured on
/// all of shared/data). Somebody who is there for less than a fifth of a second is nobody's loss.
void drop_doubtful_tracks(ClipAnalysis& out) {
  constexpr size_t kShort = 5;
  constexpr int64_t kLongScene = 15;
  constexpr float kSurePresence = 0.95f, kFrontalYaw_rad = 0.8f;
  const auto median = [](std::vector<float> values) {
    auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
  };
  std::set<int> doubtful;
  for (const auto& [id, faces] : faces_by_track(out)) {
    std::vector<float> presence, yaw_rad;
    for (size_t i : faces) {
      presence.push_back(out.faces[i].presence);
      yaw_rad.push_back(std::fabs(out.faces[i].pose.yaw_rad));
    }
    const bool brief =
        faces.size() < kShort && scene_length(out, out.faces[faces[0]].frame) >= kLongScene;
    if (brief || (median(presence) < kSurePresence && median(yaw_rad) < kFrontalYaw_rad))
      doubtful.insert(id);
  }
  std::erase_if(out.faces, [&](const Face& face) { return doubtful.count(face.track) > 0; });
}

/// A track whose later embeddings belong to somebody else gets a new id from there on.
void split_changed_people(ClipAnalysis& out) {
  auto tracks = faces_by_track(out);
  int next_id = tracks.empty() ? 0 : tracks.rbegin()->first + 1;
  for (const auto& [id, faces] : tracks) {
    std::vector<size_t> known;  // positions in `faces` with an embedding that can be trusted
    for (size_t k = 0; k < faces.size(); ++k)
      if (out.faces[faces[k]].has_embedding && good_for_identity(out.faces[faces[k]]))
        known.push_back(k);
    std::vector<const Embedding*> run;
    for (size_t n = 0; n < known.size(); ++n) {
      const Embedding& now = out.faces[faces[known[n]]].embedding;
      // One bad embedding is a bad frame; two in a row are another person.
      const bool more = n + 1 < known.size();
      if (run.size() >= 2 && more) {
        const Embedding mean = mean_of(run);
        const Embedding& next = out.faces[faces[known[n + 1]]].embedding;
        if (embedding_distance(now, mean) > kOtherPerson &&
            embedding_distance(next, mean) > kOtherPerson &&
            embedding_distance(now, next) < kOtherPerson) {
          const size_t cut = largest_jump(out, faces, known[n - 1], known[n]);
          for (size_t k = cut; k < faces.size(); ++k) out.faces[faces[k]].track = next_id;
          ++next_id;
          run.clear();
        }
      }
      run.push_back(&now);
    }
  }
}

void make_tracks(ClipAnalysis& out) {
  for (const auto& [id, faces] : faces_by_track(out)) {
    Track track{
        .id = id, .first = out.faces[faces.front()].frame, .last = out.faces[faces.back()].frame};
    std::vector<const Embedding*> good, any;
    for (size_t i : faces) {
      if (!out.faces[i].has_embedding) continue;
      any.push_back(&out.faces[i].embedding);
      if (good_for_identity(out.faces[i])) good.push_back(&out.faces[i].embedding);
    }
    const auto& used = good.empty() ? any : good;
    track.embedding = mean_of(used);
    track.embeddings = static_cast<int>(used.size());
    out.tracks.push_back(track);
  }
}

/// Smooths each run of consecutive frames and weighs the jitter by length.
void smooth_faces(ClipAnalysis& out, const std::vector<Motion>& motions, float strength) {
  double before = 0, after = 0, weight = 0;
  for (const auto& track : faces_by_track(out)) {
    const auto& faces = track.second;  // clang 14 does not capture a structured binding
    for (size_t begin = 0, end; begin < faces.size(); begin = end) {
      for (end = begin + 1; end < faces.size() &&
                            out.faces[faces[end]].frame == out.faces[faces[end - 1]].frame + 1;)
        ++end;
      const size_t n = end - begin;
      const auto read = [&](size_t k) -> const Points& {
        return out.faces[faces[begin + k]].points;
      };
      const double counts = static_cast<double>(n < 3 ? 0 : n - 2);
      before += counts * jitter_of_sequence(n, read);
      const auto write = [&](size_t k, const Points& points) {
        out.faces[faces[begin + k]].points = points;
      };
      smooth_sequence(n, strength, read, write);
      if (motions.size() == out.faces.size())
        steady_sequence(
            n, strength, read, [&](size_t k) -> const Motion& { return motions[faces[begin + k]]; },
            write);
      for (size_t k = 0; strength > 0 && k < n; ++k) {
        Face& face = out.faces[faces[begin + k]];
        face.pose = solve_pose(face.points);
        face.box = box_of(face.points);
      }
      after += counts * jitter_of_sequence(n, read), weight += counts;
    }
  }
  if (weight > 0) {
    out.jitter_before_pct = static_cast<float>(before / weight);
    out.jitter_after_pct = static_cast<float>(after / weight);
  }
}

}  // namespace

bool Finisher::embedding_due(const Face& face) const {
  const auto it = embedded_.find(face.track);
  if (it == embedded_.end()) return true;
  const FrameIndex since = face.frame - it->second;
  // A turned or covered face waits for a better frame, but not for ever.
  return since >= options_.embed_every &&
         (good_for_identity(face) || since >= 3 * options_.embed_every);
}

void Finisher::take(TrackedFrame& tracked) {
  if (tracked.prepared->scene_begins) {
    out_.cuts.push_back(tracked.prepared->index);
    meter_.forget_tracks();
    embedded_.clear();
  }
  for (Face& face : tracked.faces) {
    const float side = std::max(face.box.width(), face.box.height());
    const View view = view_of(*tracked.prepared, face.box.centre(), 1.4f * side, kChip_px);
    const Image8& image = view.own.empty() ? *view.image : view.own;
    const Points inside = view.into(face.points);
    face.pose = solve_pose(face.points);
    if (options_.quality) face.quality = meter_.measure(image, inside, face.track);
    face.quality.size_px = side;
    if (!embedding_due(face)) continue;
    face.embedding = nets_.embed(image, inside);
    face.has_embedding = true;
    embedded_[face.track] = face.frame;
  }
  if (options_.smooth > 0)
    for (const Motion& m : motion_meter_.measure(tracked.prepared, tracked.faces))
      motions_.push_back(m);
  if (visitor_) visitor_(tracked.prepared->frame, tracked.faces);
  out_.faces.insert(out_.faces.end(), tracked.faces.begin(), tracked.faces.end());
}

void finish_analysis(ClipAnalysis& out, const std::vector<Motion>& motions,
                     const AnalysisOptions& options) {
  // First of all, while the motions lie beside the faces.
  smooth_faces(out, motions, static_cast<float>(options.smooth));
  drop_doubtful_tracks(out);
  split_changed_people(out);
  make_tracks(out);
  cluster_tracks(out.tracks);
}

}  // namespace likeness::face
