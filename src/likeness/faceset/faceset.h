// SPDX-License-Identifier: Apache-2.0
// A faceset: the aligned crops of one subject, packed in one memory-mapped file, with their rows.
//
// File "<subject>.faces", little-endian: 16-byte header (magic "LKFACES\0", version u32, 0 u32),
// then JPEG (quality 95, 4:4:4) crops one after another, then a JSON index (rows; landmarks and
// embeddings as base64 of little-endian float32), then the 56-byte trailer {index offset u64, index
// size u64, sha256 of the index (32 bytes), magic}. Each row carries the start of its crop's
// sha256. Written atomically; appending rewrites to a new file. No pickled metadata, nothing in it
// can be executed.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "likeness/face/face.h"
#include "likeness/face/geometry.h"

namespace likeness::faceset {

/// One crop. `points` are in crop pixels; crop_from_image tells where it came from.
struct Item {
  std::string id;      ///< 16 hex digits: hash of source, frame and track
  std::string source;  ///< name of the media file
  std::string source_hash;
  FrameIndex frame = 0;
  double time_s = 0;
  int track = 0;
  Affine2 crop_from_image;
  face::Points points{};
  face::HeadPose pose;
  face::Quality quality;
  bool has_embedding = false;
  face::Embedding embedding{};
  bool manual = false;            ///< box or landmarks corrected by hand
  bool excluded = false;          ///< in the trash; kept until the faceset is compacted
  uint64_t offset = 0, size = 0;  ///< of the JPEG in the file
};

/// Hash that names a face: 16 hex digits of SHA-256 over source, frame and track.
std::string item_id(const std::string& source_hash, FrameIndex frame, int track);

/// The rows of a faceset file, apart from its pixels.
struct Index {
  int crop_size_px = 0;
  face::CropType crop_type = face::CropType::kWhole;
  std::vector<Item> items;
  std::vector<std::string> digests;  ///< first 16 hex digits of the sha256 of each crop
};
/// Parses the JSON index of a file whose crops lie in bytes [16, crops_end). Foreign bytes are
/// safe: throws kDamaged, nothing else.
Index parse_index(std::span<const uint8_t> json, uint64_t crops_end);
std::string index_to_json(const Index& index);

class Faceset {
 public:
  /// Throws kNotFound, kDamaged (bad magic, index hash, offsets outside the file).
  static Faceset open(const std::filesystem::path& path);
  const std::vector<Item>& items() const { return items_; }
  int crop_size_px() const { return crop_size_px_; }
  face::CropType crop_type() const { return crop_type_; }
  Image8 image(size_t index) const;  ///< decoded crop, RGB; throws kDamaged when its bytes changed
  std::span<const uint8_t> jpeg(size_t index) const;

 private:
  friend class FacesetWriter;
  std::shared_ptr<class FacesetMap> map_;
  std::vector<Item> items_;
  int crop_size_px_ = 0;
  face::CropType crop_type_ = face::CropType::kWhole;
};

class FacesetWriter {
 public:
  FacesetWriter(std::filesystem::path path, face::CropType type, int crop_size_px);
  ~FacesetWriter();
  void add(Item item, const Image8& crop);  ///< encodes; item.offset/size are set here
  void add_encoded(Item item, std::span<const uint8_t> jpeg);
  void finish();  ///< atomic

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The same crops with other rows (excluded, corrected by hand ...): rows[i] belongs to
/// set.items()[i]. `compact` leaves the excluded ones out. Atomic; `path` may be the file of `set`
/// itself.
void rewrite(const Faceset& set, const std::vector<Item>& rows, const std::filesystem::path& path,
             bool compact = false);

/// Keys: sharpness, yaw, pitch, size, exposure, occlusion, similarity (to the set's mean
/// embedding), time, brightness, hue, source. Gives the indices of all items that are not excluded,
/// stable; `descending` for best first. Throws kUsage for another key.
const std::vector<std::string>& sort_keys();
std::vector<size_t> sort_by(const Faceset& set, const std::string& key, bool descending);

struct Filter {
  double min_sharpness = 0, min_size_px = 0, max_occlusion = 1, min_exposure = 0;
  double min_yaw_deg = -180, max_yaw_deg = 180, min_pitch_deg = -180, max_pitch_deg = 180;
  double max_distance = 10;  ///< to the set's mean embedding; faces without one are kept
  double near_duplicate =
      0;         ///< drop items closer than this (mean abs difference of 16x16 luma, 0..1)
  int best = 0;  ///< keep at most this many, balanced over yaw and pitch; 0 = all
};
template <typename V>
void visit(Filter& o, V&& f);  // defined in faceset_options.h
/// Indices in file order; excluded items never pass.
std::vector<size_t> filter(const Faceset& set, const Filter& rules);
/// At most n indices, spread over yaw x pitch bins, sharpest first inside a bin.
std::vector<size_t> best(const Faceset& set, const std::vector<size_t>& candidates, int n);
/// Of each group of look-alikes the sharpest stays. Order of `in` is kept.
std::vector<size_t> without_near_duplicates(const Faceset& set, const std::vector<size_t>& in,
                                            double threshold);
/// Centre of the embeddings (geometric median, so that a few strangers do not move it); zeros when
/// there are none.
face::Embedding mean_embedding(const Faceset& set);

/// Grid of thumbnails, `columns` wide, on grey; at most 4096 crops.
Image8 contact_sheet(const Faceset& set, const std::vector<size_t>& indices, int columns,
                     int thumb_px);
/// Writes <id>.jpg (the stored bytes) or <id>.png, and faceset.json with a row for each. `format`
/// is "jpg" or "png". Returns the number of crops written.
size_t export_crops(const Faceset& set, const std::vector<size_t>& indices,
                    const std::filesystem::path& folder, const std::string& format);

}  // namespace likeness::faceset
