// SPDX-License-Identifier: Apache-2.0
// Inside the watermark's reader: from the evidence of slots to a verdict. VideoWatermarkReader
// feeds it blocks of 8 s; bench/quality feeds it windows of what nobody marked.
#pragma once

#include <memory>
#include <vector>

#include "likeness/trust/watermark_slots.h"
#include "likeness/trust/watermark_video.h"

namespace likeness::trust {

inline constexpr int kSlotShifts = 3;  ///< slot boundaries are tried in steps of a third

class EvidenceReader {
 public:
  EvidenceReader(const WatermarkKey& key, WatermarkSearch search);
  ~EvidenceReader();
  EvidenceReader(EvidenceReader&&) noexcept;

  /// A span of one file: `sets` holds its slots once per shift of their boundaries
  /// (slot_evidence(frames, i * kSlotS / kSlotShifts), with width and height). First the poses that
  /// are known from earlier spans, then the framed ones, then, in the full search, all.
  void add(const std::vector<SlotEvidence>& sets);
  /// What is known so far; `reason` is empty.
  const VideoWatermarkResult& result() const;
  int slots() const;
  /// As new, for another file.
  void reset();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace likeness::trust
