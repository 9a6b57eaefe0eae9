// SPDX-License-Identifier: Apache-2.0
// Follows faces from frame to frame. Inside the face module only.
//
// A face is followed by its own landmarks: they place the next crop, and it lives as long as the
// mesh net says that there is a face. Detection runs on a fixed grid of frames, when a face is lost
// and when a scene begins; a face that detection finds late is followed backwards to where it
// appeared, through the frames that are still held. Everything depends on the frames alone, never
// on threads.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "likeness/face/scene.h"
#include "likeness/face/video_analysis.h"

namespace likeness::face {

/// A frame with what the stages need of it.
struct PreparedFrame {
  media::Frame frame;
  FrameIndex index = 0;
  int width = 0, height = 0;
  Image8 work;                ///< RGB, reduced when the frame is large
  float work_from_frame = 1;  ///< scale
  Image8 small;               ///< RGB for detection and scene cuts
  float small_from_frame = 1;
  SceneSignature signature;
  bool scene_begins = false;
  std::optional<std::vector<Detection>> detections;  ///< frame pixels; made ahead on grid frames
};
using PreparedPtr = std::shared_ptr<const PreparedFrame>;

/// The nets as the tracker sees them, in frame pixels; tests put their own behind it.
struct FaceFinder {
  std::function<std::vector<Detection>(const PreparedFrame&)> detect;
  /// Detects again with these boxes painted over.
  std::function<std::vector<Detection>(const PreparedFrame&, const std::vector<Box>& hidden)>
      detect_without;
  std::function<Face(const PreparedFrame&, const FaceNets::Crop&)> mesh;
};

struct TrackedFrame {
  PreparedPtr prepared;
  std::vector<Face> faces;
};

class Tracker {
 public:
  Tracker(FaceFinder finder, const AnalysisOptions& options, int held_frames);
  /// Takes the next frame; gives back frames that are finished, in order.
  std::vector<TrackedFrame> add(PreparedPtr prepared);
  std::vector<TrackedFrame> flush();

 private:
  struct Live {
    Face face;        ///< in the newest frame
    Points before{};  ///< one frame earlier
    bool has_before = false;
    FrameIndex first = 0;
  };
  void begin_scene();
  bool follow(const PreparedFrame& prepared);
  void drop_merged();
  bool detection_due(const PreparedFrame& prepared, bool lost) const;
  void find_new(const PreparedFrame& prepared);
  bool is_known(const Detection& detection) const;
  std::optional<Face> meet(const PreparedFrame& prepared, const Detection& detection) const;
  void admit(Face face);
  int follow_back(const Face& face, std::vector<std::pair<size_t, Face>>& found) const;
  int known_id(const Face& face, FrameIndex at) const;
  bool acceptable(const Face& face) const;

  FaceFinder finder_;
  AnalysisOptions options_;
  size_t held_frames_;
  std::deque<TrackedFrame> held_;
  std::vector<Live> live_;
  struct Lost {
    Face face;
    FrameIndex first = 0;
  };
  std::vector<Lost> lost_;  ///< of this scene, lately
  bool scene_is_new_ = true;
  int next_id_ = 0;
};

/// Do two meshes lie on the same face?
bool same_place(const Face& a, const Face& b);
Box box_of(const Points& points);

}  // namespace likeness::face
