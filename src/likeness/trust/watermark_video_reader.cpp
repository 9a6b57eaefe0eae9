// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <optional>

#include "likeness/base/error.h"
#include "likeness/trust/watermark_search.h"
#include "likeness/trust/watermark_slots.h"
#include "likeness/trust/watermark_video.h"

namespace likeness::trust {
namespace {

constexpr double kBlockS = 8.0;
constexpr size_t kMostFrames = 1200;  ///< of a block, 60 MB
constexpr int kShifts = 3;            ///< slot boundaries are tried in steps of a third
constexpr double kLeastScore = 3.5;   ///< of pilots, to be worth a decoding
constexpr size_t kTracks = 3;         ///< poses that are followed from block to block
constexpr int kFullBlocks = 3;        ///< blocks of an unmarked file that get the full search

FoldedEvidence fold(const SlotEvidence& slots, int period) {
  FoldedEvidence out;
  out.width = slots.width;
  out.height = slots.height;
  out.picture.resize(static_cast<size_t>(period));
  for (size_t i = 0; i < slots.slot.size(); ++i) {
    cv::Mat& sum = out.picture[static_cast<size_t>(((slots.slot[i] % period) + period) % period)];
    if (sum.empty())
      sum = slots.evidence[i].clone();
    else
      sum += slots.evidence[i];
  }
  return out;
}

/// A pose and everything its chips have said.
struct Track {
  GridPose pose;
  double log_poses;
  ChipSums sums;
  ChipSums::Reading reading;
};

}  // namespace

struct VideoWatermarkReader::Impl {
  Impl(const WatermarkKey& key, WatermarkSearch how)
      : plan(ChipPlan::video(key)), search(plan, kVideoChips), depth(how) {}

  const ChipPlan plan;
  const PilotSearch search;
  const WatermarkSearch depth;
  int width = 0, height = 0;
  double last_time = 0;
  std::vector<ReducedFrame> block;
  std::vector<Track> tracks;
  VideoWatermarkResult best;
  int slots = 0, blocks = 0, full_blocks = 0;

  void follow(Track& track, const std::vector<SlotEvidence>& sets) {
    const SlotEvidence& set = sets[static_cast<size_t>(track.pose.shift)];
    if (set.slot.empty()) return;
    const ChipSamples where =
        chips_of_pose(plan, track.pose, kVideoChips, width, height, set.evidence[0].size());
    for (size_t i = 0; i < set.slot.size(); ++i)
      track.sums.add(set.evidence[i], where, set.slot[i] + track.pose.phase);
    track.reading = track.sums.read();
    note(track);
  }

  void note(const Track& track) {
    const auto& r = track.reading;
    const double log_poses = track.log_poses + std::log(std::max(1, blocks));
    VideoWatermarkResult now;
    now.score = r.score;
    now.pilot_score = r.pilot_score;
    now.confidence = confidence_of_score(r.score, plan.id_bits, log_poses);
    now.found = r.valid && now.confidence >= kAcceptConfidence;
    now.present =
        now.found || confidence_of_score(r.pilot_score, 0, log_poses) >= kAcceptConfidence;
    if (now.found) now.id = r.id;
    if (!now.found)
      now.confidence = now.present ? confidence_of_score(r.pilot_score, 0, log_poses) : 0;
    const GridPose& p = track.pose;
    const double period_s = plan.slots * kSlotS;
    now.registration = {
        p.scale,
        p.rotation_rad * 180 / M_PI,
        p.mirrored,
        p.offset_x_px / width,
        p.offset_y_px / height,
        std::fmod(p.shift * kSlotS / kShifts + (p.phase + r.turn * plan.pilot_period) * kSlotS,
                  period_s)};
    const bool better = now.found != best.found       ? now.found
                        : now.present != best.present ? now.present
                                                      : now.pilot_score > best.pilot_score;
    if (better || best.slots == 0) best = now;
    best.slots = slots;
  }

  bool try_poses(const std::vector<GridPose>& poses, double log_poses, size_t most,
                 const std::vector<SlotEvidence>& sets, std::vector<Track>& fresh) {
    for (size_t i = 0; i < std::min(most, poses.size()); ++i) {
      const GridPose& p = poses[i];
      if (p.score < kLeastScore) continue;
      fresh.push_back({p, log_poses, ChipSums(plan), {}});
      follow(fresh.back(), sets);
      if (best.found) return true;
    }
    return false;
  }

  /// Evaluates the frames at hand. First the poses that are known, then the framed ones, then all.
  void evaluate() {
    if (block.empty()) return;
    ++blocks;
    std::vector<SlotEvidence> sets(kShifts);
    std::vector<FoldedEvidence> folded(kShifts);
    for (int i = 0; i < kShifts; ++i) {
      const auto n = static_cast<size_t>(i);
      sets[n] = slot_evidence(block, i * kSlotS / kShifts);
      sets[n].width = width;
      sets[n].height = height;
      folded[n] = fold(sets[n], plan.pilot_period);
    }
    slots += static_cast<int>(sets[0].slot.size());
    block.clear();
    for (Track& track : tracks) {
      follow(track, sets);
      if (best.found) return;
    }
    std::vector<Track> fresh;
    std::vector<GridPose> poses = search.framed(folded);
    // As framed first; a slightly better fit by chance is worse than the truth.
    const size_t framed = poses.size();
    for (size_t i = 0; i < framed; ++i)
      poses.push_back(search.refined(folded[static_cast<size_t>(poses[i].shift)], poses[i]));
    bool found = try_poses(poses, kLogPosesQuick, poses.size(), sets, fresh);
    if (!found && depth == WatermarkSearch::kFull && full_blocks < kFullBlocks && !best.present) {
      ++full_blocks;
      for (bool all_phases : {false, true}) {
        found = try_poses(search.anywhere(folded, all_phases), kLogPosesFull, 6, sets, fresh);
        if (found || best.present) break;
      }
    }
    for (Track& track : fresh) tracks.push_back(std::move(track));
    std::sort(tracks.begin(), tracks.end(), [](const Track& a, const Track& b) {
      return a.reading.pilot_score > b.reading.pilot_score;
    });
    if (tracks.size() > kTracks) tracks.erase(tracks.begin() + kTracks, tracks.end());
  }
};

VideoWatermarkReader::VideoWatermarkReader(const WatermarkKey& key, WatermarkSearch search)
    : impl_(std::make_unique<Impl>(key, search)) {}
VideoWatermarkReader::~VideoWatermarkReader() = default;
VideoWatermarkReader::VideoWatermarkReader(VideoWatermarkReader&&) noexcept = default;

void VideoWatermarkReader::add(const media::Frame& frame, double time_s) {
  Impl& m = *impl_;
  if (frame.empty() || !std::isfinite(time_s))
    throw Error(ErrorCode::kUsage, "an empty frame came to the watermark reader",
                "pass decoded frames with their times");
  if (m.width == 0) {
    m.width = frame.width();
    m.height = frame.height();
  } else {
    if (frame.width() != m.width || frame.height() != m.height)
      throw Error(ErrorCode::kUsage, "the size of the picture changes",
                  "use one reader per picture size");
    if (time_s < m.last_time)
      throw Error(ErrorCode::kUsage, "frames came to the watermark reader out of order",
                  "pass them in order of time");
  }
  m.last_time = time_s;
  if (m.best.found || !VideoWatermarker::fits(m.width, m.height)) return;
  if (!m.block.empty() &&
      (time_s - m.block.front().time_s >= kBlockS - 1e-6 || m.block.size() >= kMostFrames))
    m.evaluate();
  m.block.push_back({time_s, reduced_luma(frame, kVideoChips, kSamplesPerChip)});
}

bool VideoWatermarkReader::done() const { return impl_->best.found; }

VideoWatermarkResult VideoWatermarkReader::result() {
  Impl& m = *impl_;
  if (!m.best.found) m.evaluate();
  VideoWatermarkResult out = m.best;
  out.slots = m.slots;
  if (m.width > 0 && !VideoWatermarker::fits(m.width, m.height))
    out.reason = "too small: pictures under 128 x 96 pixels carry no watermark";
  else if (m.slots == 0)
    out.reason = "no frames were looked at";
  else if (out.found)
    out.reason = "watermark read and verified";
  else if (out.present)
    out.reason =
        "a watermark is present, but too weak or too short to read its id: about 2 to 8 "
        "seconds are needed, more after strong compression";
  else if (m.slots * kSlotS < 2)
    out.reason = "no watermark found; too short to be sure: the full id needs about 2 seconds";
  else
    out.reason = "no watermark found";
  return out;
}

VideoWatermarkResult read_video_watermark(const std::filesystem::path& path,
                                          const WatermarkKey& key, WatermarkSearch search,
                                          double longest_s) {
  media::VideoReader video(path);
  VideoWatermarkReader reader(key, search);
  while (auto frame = video.next()) {
    const double time_s = frame->time.value();
    if (time_s > longest_s || reader.done()) break;
    reader.add(*frame, time_s);
  }
  return reader.result();
}

}  // namespace likeness::trust
