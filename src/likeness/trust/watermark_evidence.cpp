// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_evidence.h"

#include <algorithm>
#include <cmath>

#include "likeness/trust/watermark_search.h"

namespace likeness::trust {
namespace {

constexpr double kLeastScore = 3.5;  ///< of pilots, to be worth a decoding
constexpr size_t kTracks = 3;        ///< poses that are followed from block to block
constexpr int kFullBlocks = 3;       ///< blocks of an unmarked file that get the full search

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

struct EvidenceReader::Impl {
  Impl(const WatermarkKey& key, WatermarkSearch how)
      : plan(ChipPlan::video(key)), search(plan, kVideoChips), depth(how) {}

  const ChipPlan plan;
  const PilotSearch search;
  const WatermarkSearch depth;
  int width = 0, height = 0;
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
        std::fmod(p.shift * kSlotS / kSlotShifts + (p.phase + r.turn * plan.pilot_period) * kSlotS,
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

  void evaluate(const std::vector<SlotEvidence>& sets) {
    ++blocks;
    width = sets[0].width;
    height = sets[0].height;
    std::vector<FoldedEvidence> folded;
    for (const SlotEvidence& set : sets) folded.push_back(fold(set, plan.pilot_period));
    slots += static_cast<int>(sets[0].slot.size());
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

EvidenceReader::EvidenceReader(const WatermarkKey& key, WatermarkSearch search)
    : impl_(std::make_unique<Impl>(key, search)) {}
EvidenceReader::~EvidenceReader() = default;
EvidenceReader::EvidenceReader(EvidenceReader&&) noexcept = default;

void EvidenceReader::add(const std::vector<SlotEvidence>& sets) {
  if (!impl_->best.found && !sets.empty() && !sets[0].slot.empty()) impl_->evaluate(sets);
}
const VideoWatermarkResult& EvidenceReader::result() const { return impl_->best; }
int EvidenceReader::slots() const { return impl_->slots; }
void EvidenceReader::reset() {
  impl_->tracks.clear();
  impl_->best = {};
  impl_->slots = impl_->blocks = impl_->full_blocks = 0;
}

}  // namespace likeness::trust
