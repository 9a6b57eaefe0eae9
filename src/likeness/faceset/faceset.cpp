// SPDX-License-Identifier: Apache-2.0
// Facesets on disk: opening, reading crops, writing.
#include "likeness/faceset/faceset.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/media/video.h"

namespace likeness::faceset {
namespace {

constexpr char kMagic[8] = {'L', 'K', 'F', 'A', 'C', 'E', 'S', 0};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kHeaderSize = 16, kTrailerSize = 56;
constexpr int kJpegQuality = 95;
constexpr size_t kDigestDigits = 16;

[[noreturn]] void damaged(const std::filesystem::path& path, const std::string& why) {
  throw Error(ErrorCode::kDamaged, path.string() + " is damaged: " + why,
              "run extract again for this subject, or copy the file from a backup");
}

uint64_t read_u64(const uint8_t* bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | bytes[i];
  return value;
}
void append_u64(std::string& out, uint64_t value) {
  for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i));
}

std::string digest_of(std::span<const uint8_t> bytes) {
  return sha256(bytes).substr(0, kDigestDigits);
}

/// JSON has no NaN: better to refuse one face now than the whole file later.
bool is_finite(const Item& item) {
  const auto& p = item.pose;
  const auto& q = item.quality;
  double sum = item.time_s + p.scale_px_per_cm + p.translation_px.x + p.translation_px.y +
               p.translation_z_px + p.yaw_rad + p.pitch_rad + p.roll_rad + q.sharpness + q.size_px +
               q.exposure + q.occlusion;
  for (float v : item.crop_from_image.m) sum += v;
  for (float v : p.rotation) sum += v;
  for (float v : item.embedding) sum += v;
  for (const Point3& point : item.points) sum += static_cast<double>(point.x) + point.y + point.z;
  return std::isfinite(sum);  // one NaN or infinity spoils it
}

}  // namespace

class FacesetMap {
 public:
  explicit FacesetMap(const std::filesystem::path& path) : path(path), file(path) {}
  std::filesystem::path path;
  MappedFile file;
  std::vector<std::string> digests;
};

Faceset Faceset::open(const std::filesystem::path& path) {
  Faceset set;
  set.map_ = std::make_shared<FacesetMap>(path);
  const auto bytes = set.map_->file.bytes();
  if (bytes.size() < kHeaderSize + kTrailerSize) damaged(path, "it is too short");
  if (std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0)
    throw Error(ErrorCode::kBadInput, path.string() + " is not a faceset",
                "give a file that extract wrote, with the ending .faces");
  const uint8_t* trailer = bytes.data() + bytes.size() - kTrailerSize;
  if (std::memcmp(trailer + 48, kMagic, sizeof kMagic) != 0) damaged(path, "its end is missing");
  const uint64_t offset = read_u64(trailer), size = read_u64(trailer + 8);
  const uint64_t limit = bytes.size() - kTrailerSize;
  if (offset < kHeaderSize || offset > limit || size != limit - offset)
    damaged(path, "its index lies outside the file");
  const auto json = bytes.subspan(static_cast<size_t>(offset), static_cast<size_t>(size));
  const auto hash = *hex_decode(sha256(json));
  if (std::memcmp(trailer + 16, hash.data(), hash.size()) != 0)
    damaged(path, "its index does not match its hash");
  try {
    Index index = parse_index(json, offset);
    set.items_ = std::move(index.items);
    set.crop_size_px_ = index.crop_size_px;
    set.crop_type_ = index.crop_type;
    set.map_->digests = std::move(index.digests);
  } catch (const Error& error) {
    throw Error(error.code(), path.string() + ": " + error.what(), error.hint());
  }
  return set;
}

std::span<const uint8_t> Faceset::jpeg(size_t index) const {
  const Item& item = items_.at(index);
  return map_->file.bytes().subspan(static_cast<size_t>(item.offset),
                                    static_cast<size_t>(item.size));
}

Image8 Faceset::image(size_t index) const {
  const auto bytes = jpeg(index);
  if (digest_of(bytes) != map_->digests[index])
    damaged(map_->path, "the crop " + items_[index].id + " has changed");
  Image8 crop = media::decode_image(bytes.data(), bytes.size());
  if (crop.width != crop_size_px_ || crop.height != crop_size_px_ || crop.channels != 3)
    damaged(map_->path, "the crop " + items_[index].id + " has the wrong size");
  return crop;
}

struct FacesetWriter::Impl {
  Impl(std::filesystem::path path, face::CropType type, int crop_size_px) : file(std::move(path)) {
    index.crop_size_px = crop_size_px;
    index.crop_type = type;
  }
  AtomicFile file;
  Index index;
};

FacesetWriter::FacesetWriter(std::filesystem::path path, face::CropType type, int crop_size_px) {
  if (crop_size_px < 16 || crop_size_px > 8192)
    throw Error(ErrorCode::kUsage, "crop size " + std::to_string(crop_size_px) + " is out of range",
                "use 64 to 1024 px");
  impl_ = std::make_unique<Impl>(std::move(path), type, crop_size_px);
  std::string header(kMagic, sizeof kMagic);
  append_u64(header, kVersion);
  impl_->file.write(header.data(), header.size());
}

FacesetWriter::~FacesetWriter() = default;

void FacesetWriter::add(Item item, const Image8& crop) {
  const int size = impl_->index.crop_size_px;
  if (crop.width != size || crop.height != size || crop.channels != 3)
    throw Error(ErrorCode::kInternal, "a crop does not have the faceset's size");
  const std::string jpeg = media::encode_jpeg(crop, kJpegQuality);
  add_encoded(std::move(item), {reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size()});
}

void FacesetWriter::add_encoded(Item item, std::span<const uint8_t> jpeg) {
  LIKENESS_REQUIRE(impl_ != nullptr);
  if (!is_finite(item))
    throw Error(ErrorCode::kBadInput,
                "frame " + std::to_string(item.frame) + " of " + item.source +
                    " has a face with impossible numbers",
                "leave this face out");
  item.offset = impl_->file.size();
  item.size = jpeg.size();
  impl_->file.write(jpeg.data(), jpeg.size());
  impl_->index.digests.push_back(digest_of(jpeg));
  impl_->index.items.push_back(std::move(item));
}

void FacesetWriter::finish() {
  LIKENESS_REQUIRE(impl_ != nullptr);
  const uint64_t offset = impl_->file.size();
  const std::string json = index_to_json(impl_->index);
  impl_->file.write(json.data(), json.size());
  std::string trailer;
  append_u64(trailer, offset);
  append_u64(trailer, json.size());
  const auto hash = *hex_decode(sha256(json));
  trailer.append(reinterpret_cast<const char*>(hash.data()), hash.size());
  trailer.append(kMagic, sizeof kMagic);
  impl_->file.write(trailer.data(), trailer.size());
  impl_->file.commit();
  impl_.reset();
}

void rewrite(const Faceset& set, const std::vector<Item>& rows, const std::filesystem::path& path,
             bool compact) {
  LIKENESS_REQUIRE(rows.size() == set.items().size());
  FacesetWriter writer(path, set.crop_type(), set.crop_size_px());
  for (size_t i = 0; i < rows.size(); ++i)
    if (!compact || !rows[i].excluded) writer.add_encoded(rows[i], set.jpeg(i));
  writer.finish();
}

}  // namespace likeness::faceset
