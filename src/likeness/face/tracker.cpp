// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/tracker.h"

#include <algorithm>
#include <cmath>

#include "likeness/face/geometry.h"

namespace likeness::face {
namespace {

constexpr float kKeepPresence = 0.5f;  ///< face-models.md: the printed skull has about 0, faces 1
constexpr float kBackPresence = 0.7f;  ///< going back in time nobody asked for: be surer
constexpr float kMostScaleChange = 1.5f;  ///< of a mesh from one frame to the next
constexpr int kRememberFrames = 50;       ///< a lost face may come back under its name this long
constexpr int kHideRounds = 2;  ///< false detections that may hide a true face behind them

float side_of(const Box& box) { return std::max(box.width(), box.height()); }

/// Where the crop would lie if the face kept its speed.
FaceNets::Crop predicted(const FaceNets::Crop& crop, const Points& now, const Points& before) {
  FaceNets::Crop out = crop;
  Point2 move{};
  for (int i : {33, 263, 4, 61, 291}) {
    move.x += (now[i].x - before[i].x) / 5;
    move.y += (now[i].y - before[i].y) / 5;
  }
  out.centre = out.centre + move;
  return out;
}

/// Did the mesh stay on its face? A jump or a change of size is the net taking hold of something
/// else.
bool follows(const Face& face, const Box& last) {
  const float ratio = side_of(face.box) / std::max(1.f, side_of(last));
  return ratio < kMostScaleChange && ratio > 1 / kMostScaleChange &&
         intersection_over_union(face.box, last) > 0.15f;
}

}  // namespace

Box box_of(const Points& points) {
  Box box{points[0].x, points[0].y, points[0].x, points[0].y};
  for (int i = 1; i < kMeshPoints; ++i) {
    box.x0 = std::min(box.x0, points[i].x), box.x1 = std::max(box.x1, points[i].x);
    box.y0 = std::min(box.y0, points[i].y), box.y1 = std::max(box.y1, points[i].y);
  }
  return box;
}

bool same_place(const Face& a, const Face& b) {
  if (intersection_over_union(a.box, b.box) < 0.2f) return false;
  // Boxes of two heads side by side overlap; their landmarks do not.
  float sum = 0;
  for (int i : {33, 263, 1, 61, 291, 152})
    sum += distance({a.points[i].x, a.points[i].y}, {b.points[i].x, b.points[i].y}) / 6;
  return sum < 0.3f * std::min(side_of(a.box), side_of(b.box));
}

Tracker::Tracker(FaceFinder finder, const AnalysisOptions& options, int held_frames)
    : finder_(std::move(finder)),
      options_(options),
      held_frames_(static_cast<size_t>(std::max(1, held_frames))) {}

void Tracker::begin_scene() {
  live_.clear();
  lost_.clear();
  scene_is_new_ = true;
}

bool Tracker::acceptable(const Face& face) const {
  return face.presence >= kKeepPresence && side_of(face.box) >= options_.min_face_px;
}

/// Moves every live face on to this frame; true when one was lost.
bool Tracker::follow(const PreparedFrame& prepared) {
  std::vector<Live> kept;
  bool lost = false;
  for (Live& live : live_) {
    const FaceNets::Crop crop = FaceNets::crop_of(live.face.points);
    Face face = finder_.mesh(prepared, crop);
    if (live.has_before && !(acceptable(face) && follows(face, live.face.box)))
      face = finder_.mesh(prepared, predicted(crop, live.face.points, live.before));
    if (acceptable(face) && follows(face, live.face.box)) {
      face.frame = prepared.index;
      face.track = live.face.track;
      kept.push_back({std::move(face), live.face.points, true, live.first});
    } else {
      lost = true;
      lost_.push_back({live.face, live.first});
    }
  }
  live_ = std::move(kept);
  std::erase_if(lost_,
                [&](const Lost& l) { return prepared.index - l.face.frame > kRememberFrames; });
  drop_merged();
  return lost;
}

/// Two meshes on one face: the one that had to move further for it slid there.
void Tracker::drop_merged() {
  const auto moved = [](const Live& live) {
    if (!live.has_before) return 1e9f;
    float sum = 0;
    for (int i : {33, 263, 1, 61, 291})
      sum += std::hypot(live.face.points[i].x - live.before[i].x,
                        live.face.points[i].y - live.before[i].y);
    return sum;
  };
  for (size_t a = 0; a < live_.size(); ++a)
    for (size_t b = a + 1; b < live_.size();) {
      if (!same_place(live_[a].face, live_[b].face)) {
        ++b;
        continue;
      }
      if (moved(live_[b]) < moved(live_[a])) std::swap(live_[a], live_[b]);
      live_.erase(live_.begin() + static_cast<std::ptrdiff_t>(b));
    }
}

bool Tracker::detection_due(const PreparedFrame& prepared, bool lost) const {
  if (prepared.index % options_.detect_every == 0) return true;
  if (scene_is_new_ || lost) return true;
  // Nobody there: look more often, so that short appearances are not missed.
  return live_.empty() && prepared.index % std::max(1, options_.detect_every / 3) == 0;
}

bool Tracker::is_known(const Detection& detection) const {
  for (const Live& live : live_) {
    const auto& p = live.face.points;
    // Detector key points: right eye, left eye, nose tip, mouth.
    const Point2 mine[4] = {{(p[33].x + p[133].x) / 2, (p[33].y + p[133].y) / 2},
                            {(p[263].x + p[362].x) / 2, (p[263].y + p[362].y) / 2},
                            {p[1].x, p[1].y},
                            {(p[13].x + p[14].x) / 2, (p[13].y + p[14].y) / 2}};
    float sum = 0;
    for (int k = 0; k < 4; ++k) sum += distance(mine[k], detection.keypoints[k]) / 4;
    if (sum < 0.3f * side_of(live.face.box)) return true;
  }
  return false;
}

std::optional<Face> Tracker::meet(const PreparedFrame& prepared, const Detection& detection) const {
  // Detection's crop is rough: a second look through the crop of the first mesh.
  Face face = finder_.mesh(prepared, FaceNets::crop_of(detection));
  if (face.presence < 0.2f) return std::nullopt;
  face = finder_.mesh(prepared, FaceNets::crop_of(face.points));
  if (!acceptable(face)) return std::nullopt;
  for (const Live& live : live_)
    if (same_place(face, live.face)) return std::nullopt;
  face.frame = prepared.index;
  return face;
}

void Tracker::find_new(const PreparedFrame& prepared) {
  std::vector<Detection> detections =
      prepared.detections ? *prepared.detections : finder_.detect(prepared);
  std::vector<Box> hidden;
  for (int round = 0; round <= kHideRounds; ++round) {
    bool rejected = false;
    std::sort(detections.begin(), detections.end(),
              [](const Detection& a, const Detection& b) { return a.box.area() > b.box.area(); });
    for (const Detection& detection : detections) {
      if (live_.size() >= static_cast<size_t>(options_.max_faces)) return;
      // Far too small even for the mesh's box, which is larger than the detector's.
      if (2 * side_of(detection.box) < options_.min_face_px || is_known(detection)) continue;
      if (auto face = meet(prepared, detection)) {
        admit(std::move(*face));
      } else {
        hidden.push_back(detection.box);
        rejected = true;
      }
    }
    if (!rejected || round == kHideRounds) return;
    detections = finder_.detect_without(prepared, hidden);
  }
}

/// Goes back through the held frames while the face is there. Gives the id of a lost face that it
/// meets, or -1.
int Tracker::follow_back(const Face& face, std::vector<std::pair<size_t, Face>>& found) const {
  Face now = face;
  for (size_t i = held_.size(); i-- > 0;) {
    const TrackedFrame& earlier = held_[i];
    const bool later_began = i + 1 < held_.size() && held_[i + 1].prepared->scene_begins;
    if (later_began) break;
    for (const Lost& lost : lost_)
      if (lost.face.frame == earlier.prepared->index && same_place(lost.face, now))
        return lost.face.track;
    Face back = finder_.mesh(*earlier.prepared, FaceNets::crop_of(now.points));
    if (!acceptable(back) || back.presence < kBackPresence || !follows(back, now.box)) break;
    for (const Face& other : earlier.faces)
      if (same_place(other, back)) return -1;
    if (earlier.faces.size() >= static_cast<size_t>(options_.max_faces)) break;
    back.frame = earlier.prepared->index;
    found.emplace_back(i, back);
    now = std::move(back);
  }
  return -1;
}

/// The id of a face lost near this place a short time before frame `at`, or -1.
int Tracker::known_id(const Face& face, FrameIndex at) const {
  int id = -1;
  FrameIndex latest = -1;
  for (const Lost& lost : lost_) {
    const float ratio = side_of(face.box) / std::max(1.f, side_of(lost.face.box));
    if (lost.face.frame < at && lost.face.frame > latest && ratio > 0.6f && ratio < 1.7f &&
        intersection_over_union(face.box, lost.face.box) > 0.25f)
      id = lost.face.track, latest = lost.face.frame;
  }
  return id;
}

void Tracker::admit(Face face) {
  std::vector<std::pair<size_t, Face>> found;
  int id = scene_is_new_ ? -1 : follow_back(face, found);
  const Face& earliest = found.empty() ? face : found.back().second;
  if (id < 0) id = known_id(earliest, earliest.frame);
  FrameIndex first = earliest.frame;
  if (id < 0) {
    id = next_id_++;
  } else {
    for (const Lost& lost : lost_)
      if (lost.face.track == id) first = lost.first;
    std::erase_if(lost_, [&](const Lost& lost) { return lost.face.track == id; });
  }
  face.track = id;
  Live live{std::move(face), {}, false, first};
  if (!found.empty()) live.before = found.front().second.points, live.has_before = true;
  for (auto& [i, back] : found) {
    back.track = id;
    held_[i].faces.push_back(std::move(back));
  }
  live_.push_back(std::move(live));
}

std::vector<TrackedFrame> Tracker::add(PreparedPtr prepared) {
  if (prepared->scene_begins) begin_scene();
  const bool lost = follow(*prepared);
  if (detection_due(*prepared, lost)) find_new(*prepared);
  scene_is_new_ = false;
  TrackedFrame now{std::move(prepared), {}};
  for (const Live& live : live_) now.faces.push_back(live.face);
  held_.push_back(std::move(now));
  std::vector<TrackedFrame> done;
  while (held_.size() > held_frames_) {
    done.push_back(std::move(held_.front()));
    held_.pop_front();
  }
  for (TrackedFrame& frame : done)
    std::sort(frame.faces.begin(), frame.faces.end(),
              [](const Face& a, const Face& b) { return a.track < b.track; });
  return done;
}

std::vector<TrackedFrame> Tracker::flush() {
  std::vector<TrackedFrame> done(std::make_move_iterator(held_.begin()),
                                 std::make_move_iterator(held_.end()));
  held_.clear();
  for (TrackedFrame& frame : done)
    std::sort(frame.faces.begin(), frame.faces.end(),
              [](const Face& a, const Face& b) { return a.track < b.track; });
  return done;
}

}  // namespace likeness::face
