// SPDX-License-Identifier: Apache-2.0
// Video watermark: a 64-bit id in the luma plane, found without the original.
//
// One grid of chips (+-1 patches) is laid over every picture, centred, with about
// 640 chips whatever the size in pixels. Each slot of 1/8 s of presentation time has its own keyed
// pattern, so a still background cancels when slots are compared and a change of frame rate does
// not matter. A fifth of the chips are pilots, known to the reader, which finds scale, offset,
// rotation, mirror and the time offset with them; the others carry the message: version, id and
// CRC-16 in a convolutional code of rate 1/6 (fec.h), every code bit on many chips. Strength
// follows the activity of the picture; the PSNR of luma is 44 dB or better by construction.
// Spread-spectrum marking: I. J. Cox et al., "Secure spread spectrum watermarking for multimedia",
// IEEE Trans. Image Processing 6(12), 1997.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "likeness/media/video.h"
#include "likeness/trust/watermark_key.h"

namespace likeness::trust {

/// Marks frames. A pure function of (frame, time, id, key): chunks, threads and the order of calls
/// do not matter. One object may be used by several threads at once.
class VideoWatermarker {
 public:
  /// `width`, `height`: of the frames. Throws kUnsupported when the picture is too small, see
  /// fits().
  VideoWatermarker(uint64_t id, const WatermarkKey& key, int width, int height);
  ~VideoWatermarker();
  VideoWatermarker(VideoWatermarker&&) noexcept;
  VideoWatermarker& operator=(VideoWatermarker&&) noexcept;

  /// At least 96 px on the shorter side and 128 on the longer one: below that the chips would be
  /// smaller than what a codec keeps.
  static bool fits(int width, int height);

  /// Adds the mark to luma (to R, G and B alike in an RGB picture); chroma stays untouched.
  /// `time_s`: presentation time from the start of the output file. Throws kUsage when the size is
  /// not the constructor's.
  void embed(media::Frame& frame, double time_s) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Where the grid was found: frame point = centre + offset + scale * pitch * R(rotation) * chip.
struct WatermarkRegistration {
  double scale = 1;          ///< of a chip against an uncropped picture; 1.25: cropped to 80 %
  double rotation_deg = 0;   ///< clockwise on the screen
  bool mirrored = false;     ///< left and right exchanged
  double offset_x = 0;       ///< of the grid's centre, as part of the width
  double offset_y = 0;       ///< as part of the height
  double time_offset_s = 0;  ///< marked time - time in this file, modulo 8 s
};

struct VideoWatermarkResult {
  bool found = false;  ///< the whole id was read and verified
  uint64_t id = 0;
  /// Presence alone: pilots were found with certainty, though the id may be too weak to read.
  bool present = false;
  double confidence = 0;   ///< -log10 of the probability of a false accept; at least 9 if found
  double score = 0;        ///< correlation of all chips with the read message, in sigmas
  double pilot_score = 0;  ///< of the pilots alone, in sigmas
  WatermarkRegistration registration;
  int slots = 0;       ///< slots of 1/8 s that were looked at
  std::string reason;  ///< one sentence for people, in every case
};

/// kQuick: the picture as it was framed (any size, any codec, mirrored, cut in time) in
/// milliseconds. kFull: crops, shifts, scales 0.7 to 1.6 of the framing and +-3 degrees as well,
/// some seconds per 8 s of an unmarked file.
enum class WatermarkSearch { kQuick, kFull };

class VideoWatermarkReader {
 public:
  explicit VideoWatermarkReader(const WatermarkKey& key = WatermarkKey::product(),
                                WatermarkSearch search = WatermarkSearch::kFull);
  ~VideoWatermarkReader();
  VideoWatermarkReader(VideoWatermarkReader&&) noexcept;

  /// Frames in order of time. Memory is bounded: blocks of 8 s are evaluated and dropped; what they
  /// said adds up. Throws kUsage when the size changes or time runs backwards.
  void add(const media::Frame& frame, double time_s);
  /// True once the id was read: no need to add more.
  bool done() const;
  /// What is known so far; evaluates the frames of an unfinished block.
  VideoWatermarkResult result();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads at most `longest_s` of a file. Throws as media::VideoReader.
VideoWatermarkResult read_video_watermark(const std::filesystem::path& path,
                                          const WatermarkKey& key = WatermarkKey::product(),
                                          WatermarkSearch search = WatermarkSearch::kFull,
                                          double longest_s = 64);

}  // namespace likeness::trust
