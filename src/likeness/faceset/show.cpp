// SPDX-License-Identifier: Apache-2.0
// Looking at facesets: contact sheets and exported crops.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/faceset/faceset.h"
#include "likeness/media/video.h"

namespace likeness::faceset {
namespace {

constexpr size_t kMostThumbs = 4096;
constexpr uint8_t kGrey = 48;
constexpr int kGap_px = 2;

/// Area average; crops are square and shrink to `size_px`, or are repeated when it is larger.
void draw_thumb(const Image8& crop, int size_px, int x0, int y0, Image8& sheet) {
  for (int y = 0; y < size_px; ++y)
    for (int x = 0; x < size_px; ++x) {
      const int sx0 = x * crop.width / size_px, sy0 = y * crop.height / size_px;
      const int sx1 = std::max(sx0 + 1, (x + 1) * crop.width / size_px);
      const int sy1 = std::max(sy0 + 1, (y + 1) * crop.height / size_px);
      const int n = (sx1 - sx0) * (sy1 - sy0);
      for (int c = 0; c < 3; ++c) {
        int sum = n / 2;
        for (int sy = sy0; sy < sy1; ++sy)
          for (int sx = sx0; sx < sx1; ++sx) sum += crop.at(sx, sy, c);
        sheet.at(x0 + x, y0 + y, c) = static_cast<uint8_t>(sum / n);
      }
    }
}

}  // namespace

Image8 contact_sheet(const Faceset& set, const std::vector<size_t>& indices, int columns,
                     int thumb_px) {
  if (columns < 1 || columns > 256 || thumb_px < 8 || thumb_px > 1024)
    throw Error(ErrorCode::kUsage, "contact sheet size out of range",
                "use 1 to 256 columns and thumbnails of 8 to 1024 px");
  const size_t count = std::min(indices.size(), kMostThumbs);
  const int wide = std::max(1, std::min(columns, static_cast<int>(count)));
  const int rows = std::max(1, static_cast<int>((count + wide - 1) / wide));
  const int step = thumb_px + kGap_px;
  if (static_cast<int64_t>(wide) * step > 16384 || static_cast<int64_t>(rows) * step > 65536)
    throw Error(ErrorCode::kUsage, "the contact sheet would be too large",
                "use smaller thumbnails or fewer faces");
  Image8 sheet(wide * step + kGap_px, rows * step + kGap_px, 3, kGrey);
  for (size_t i = 0; i < count; ++i)
    draw_thumb(set.image(indices[i]), thumb_px, kGap_px + static_cast<int>(i % wide) * step,
               kGap_px + static_cast<int>(i / wide) * step, sheet);
  return sheet;
}

size_t export_crops(const Faceset& set, const std::vector<size_t>& indices,
                    const std::filesystem::path& folder, const std::string& format) {
  if (format != "jpg" && format != "png")
    throw Error(ErrorCode::kUsage, "cannot export crops as '" + format + "'", "use jpg or png");
  std::filesystem::create_directories(folder);
  Index rows;
  rows.crop_size_px = set.crop_size_px();
  rows.crop_type = set.crop_type();
  std::vector<std::string> files;
  for (size_t i : indices) {
    const Item& item = set.items().at(i);
    const auto path = folder / (item.id + "." + format);
    const Image8 crop = set.image(i);  // checks the bytes, also when they are copied
    if (format == "png") {
      media::write_image(path, crop);
    } else {
      const auto bytes = set.jpeg(i);
      write_file_atomic(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    rows.items.push_back(item);
    rows.digests.emplace_back();
    files.push_back(path.filename().string());
  }
  auto json = nlohmann::json::parse(index_to_json(rows));
  for (size_t i = 0; i < files.size(); ++i) {
    auto& row = json["items"][i];
    row["file"] = files[i];
    for (const char* key : {"offset", "size", "digest"}) row.erase(key);
    // Readable by other programs: landmarks as numbers, x y z in crop pixels.
    auto points = nlohmann::json::array();
    for (const Point3& p : rows.items[i].points) points.push_back({p.x, p.y, p.z});
    row["points"] = std::move(points);
    if (rows.items[i].has_embedding) row["embedding"] = rows.items[i].embedding;
  }
  write_file_atomic(folder / "faceset.json", json.dump(1));
  return files.size();
}

}  // namespace likeness::faceset
