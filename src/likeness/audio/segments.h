// SPDX-License-Identifier: Apache-2.0
// Cuts speech at its pauses, into pieces a voice can be learned from.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "likeness/audio/activity.h"

namespace likeness::audio {

struct SegmentOptions {
  double least_s = 1, most_s = 12;
  double wanted_s = 8;        ///< neighbours are put together up to this long
  double join_pause_s = 0.7;  ///< unless there is a longer pause between them
  double margin_s = 0.12;     ///< of what is around is kept at both ends, where it is quiet
};
/// Segments of `least_s` to `most_s`, in order, that do not overlap. Longer speech without a pause
/// is cut where it is quietest; what is shorter than `least_s` and stands alone is left out.
std::vector<Segment> cut_at_pauses(const Activity& activity, double duration_s,
                                   const SegmentOptions& options = {});

/// One recording of several sentences: where each begins and ends, or nothing when that is not
/// sure. The pauses between sentences must be the longest ones, clearly longer than those inside
/// them, and each part must be about as long as its share of `letters` lets expect.
std::vector<Segment> cut_by_sentences(const Activity& activity, double duration_s,
                                      const std::vector<size_t>& letters,
                                      const SegmentOptions& options = {});

/// Where a long sound is best cut: the middle of the longest pause that begins in [from_s, to_s];
/// the quietest place when there is none.
double best_cut_s(const Activity& activity, double from_s, double to_s);

}  // namespace likeness::audio
