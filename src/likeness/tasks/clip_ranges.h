// SPDX-License-Identifier: Apache-2.0
// A film is analysed range by range, so that memory does not grow with its length and an
// interrupted analysis goes on at the last range. Each range lies in a file of the job's work
// folder.
//
// A range is analysed with kMargin frames on both sides that are dropped again: its first track has
// settled by then, smoothing sees both sides of every kept frame, and a face that comes or goes at
// the border is not taken for a false one. Tracks that meet at a border are one.
#pragma once

#include <functional>
#include <map>

#include "likeness/face/video_analysis.h"

namespace likeness::tasks {

inline constexpr FrameIndex kRangeFrames = 6000;  ///< up to 8 faces of 6.4 KB each
inline constexpr FrameIndex kMargin = 64;         ///< > smoothing's windows, > embed_every
inline constexpr FrameIndex kLinkFrames = 8;      ///< how far before a border tracks are compared

struct ClipRangePart {
  FrameIndex begin = 0, end = 0;  ///< end INT64_MAX: to the end of the clip
  int64_t frames = 0;             ///< that could be read
  std::vector<face::Face> links;  ///< of the kLinkFrames before `begin`, ids as in `faces`
  std::vector<face::Face> faces;  ///< frame in [begin, end), sorted by frame
  std::vector<face::Track> tracks;
  std::vector<FrameIndex> cuts;
  std::vector<media::Damage> damage;
  double jitter_before_pct = 0, jitter_after_pct = 0;
};

/// Borders for a clip: [0, b1), [b1, b2) .. [bn, INT64_MAX). The last range is between half and one
/// and a half times `range_frames` long.
std::vector<std::pair<FrameIndex, FrameIndex>> split_clip(int64_t frames, FrameIndex range_frames);

/// `progress` must have begun; it advances by the frames of the range.
ClipRangePart analyse_range(const std::filesystem::path& clip, const face::FaceNets& nets,
                            const face::AnalysisOptions& options, FrameIndex begin, FrameIndex end,
                            Progress& progress, const Cancel& cancel);

/// Atomic. Read back only by the program that wrote it (the work folder is named by its version);
/// false when the file is not there or not whole.
void write_part(const ClipRangePart& part, const std::filesystem::path& path);
bool read_part(const std::filesystem::path& path, ClipRangePart& part);

/// Gives the tracks of ranges that follow each other common ids.
class RangeJoiner {
 public:
  /// Parts in order. Remembers the part's last faces, not the part.
  void add(const ClipRangePart& part);
  /// Of part `index`: clip's id of a track of the part.
  int track_of(size_t index, int track) const { return ids_[index].at(track); }
  /// Clustered; call when all parts were added.
  std::vector<face::Track> tracks() const;

 private:
  std::vector<std::map<int, int>> ids_;
  std::map<int, face::Track> tracks_;
  std::vector<face::Face> last_;  ///< newest frames, ids of the clip
  int next_id_ = 0;
};

}  // namespace likeness::tasks
