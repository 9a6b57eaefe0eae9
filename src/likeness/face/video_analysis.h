// SPDX-License-Identifier: Apache-2.0
// Analysis of a whole clip: detect, track, cut scenes, smooth, embed, cluster. Everything temporal
// is decided here, once, and stored; synthesis then needs no memory of other frames.
#pragma once

#include <functional>
#include <vector>

#include "likeness/base/options.h"
#include "likeness/base/run.h"
#include "likeness/face/analyse.h"
#include "likeness/media/video.h"

namespace likeness::face {

struct AnalysisOptions {
  int detect_every = 12;    ///< frames between full detections; lost tracks detect at once
  int embed_every = 12;     ///< frames between embeddings of a track
  double min_face_px = 40;  ///< smaller faces are not kept
  int max_faces = 8;
  double smooth = 1.0;     ///< landmark smoothing, 0 = off
  bool attention = false;  ///< irises and finer lips; off: steadier meshes (docs/benchmarks.md)
  bool quality = true;     ///< measure sharpness, exposure, occlusion
  double scene_threshold = 0.35;  ///< histogram distance that counts as a cut
};
template <typename V>
void visit(AnalysisOptions& o, V&& f) {
  using I = OptionInfo;
  f("detect_every", o.detect_every,
    I{.help = "frames between full face detections",
      .unit = "frames",
      .min = 1,
      .max = 1000,
      .level = OptionLevel::kAdvanced});
  f("embed_every", o.embed_every,
    I{.help = "frames between identity checks of a track",
      .unit = "frames",
      .min = 1,
      .max = 1000,
      .level = OptionLevel::kAdvanced});
  f("min_face_px", o.min_face_px,
    I{.help = "smallest face to keep", .unit = "px", .min = 16, .max = 4096});
  f("max_faces", o.max_faces, I{.help = "most faces to keep in a frame", .min = 1, .max = 64});
  f("smooth", o.smooth, I{.help = "landmark smoothing (0 = off)", .min = 0, .max = 4});
  f("attention", o.attention, I{.help = "use the finer net for eyes and lips"});
  f("quality", o.quality,
    I{.help = "measure sharpness, exposure and occlusion", .level = OptionLevel::kAdvanced});
  f("scene_threshold", o.scene_threshold,
    I{.help = "histogram change that counts as a cut",
      .min = 0.01,
      .max = 2,
      .level = OptionLevel::kAdvanced});
}

struct Track {
  int id = 0;
  FrameIndex first = 0, last = 0;
  int cluster = -1;       ///< identity cluster inside the clip
  Embedding embedding{};  ///< mean of its good frames
  int embeddings = 0;
};

struct ClipAnalysis {
  media::VideoInfo info;
  FrameIndex first_frame = 0;  ///< of the range
  int64_t frames = 0;          ///< that could be read
  std::vector<Face> faces;     ///< sorted by frame, then track
  std::vector<Track> tracks;
  std::vector<FrameIndex> cuts;  ///< first frame of each new scene
  std::vector<media::Damage> damage;
  float jitter_before_pct = 0, jitter_after_pct = 0;
};

/// Called per frame while its pixels are at hand (raw points, before smoothing; quality and
/// embeddings are there; tracks that the end of the analysis drops as false are still in), in frame
/// order, from one thread that is not the caller's. What it throws reaches the caller of the
/// analysis.
using FrameVisitor = std::function<void(const media::Frame&, const std::vector<Face>&)>;
/// Frames [first, first + count) of a clip; count < 0 = to the end. Memory grows with the number of
/// faces kept (about 8 KB each): go through films in ranges.
struct ClipRange {
  FrameIndex first = 0;
  int64_t count = -1;
};
/// The same result whatever the number of threads. Damage in the file is reported in `damage`, and
/// the frames that can be read are analysed. Throws what probe() throws, kCancelled.
ClipAnalysis analyse_clip(const std::filesystem::path& path, const FaceNets& nets,
                          const AnalysisOptions& options, Progress& progress, const Cancel& cancel,
                          const FrameVisitor& visitor = {}, const ClipRange& range = {});
/// Photos: each its own scene and nothing smoothed; frame i is photos[i]. One that cannot be read
/// is reported in `damage` (time_s = its number) and passed over. info is the first photo's.
ClipAnalysis analyse_photos(const std::vector<std::filesystem::path>& photos, const FaceNets& nets,
                            const AnalysisOptions& options, Progress& progress,
                            const Cancel& cancel, const FrameVisitor& visitor = {});

/// Agglomerative clustering by mean embedding, distance threshold 0.5; fills `cluster`.
void cluster_tracks(std::vector<Track>& tracks, float threshold = 0.5f);

}  // namespace likeness::face
