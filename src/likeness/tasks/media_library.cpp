// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/media_library.h"

#include <algorithm>
#include <cmath>

#include "likeness/base/error.h"
#include "likeness/media/audio_samples.h"
#include "likeness/tasks/media_inputs.h"

namespace likeness::tasks {
namespace fs = std::filesystem;

project::MediaRow media_row(const project::Project& project, int64_t id) {
  for (auto& row : project.media())
    if (row.id == id) return row;
  throw Error(ErrorCode::kNotFound, "the project has no clip " + std::to_string(id),
              "see the list of its media");
}

fs::path media_file(const project::Project& project, const project::MediaRow& row) {
  std::error_code ec;
  fs::path path = row.path;
  if (fs::exists(path, ec)) return path;
  const fs::path moved = project.folder() / "media" / path.filename();
  if (fs::exists(moved, ec)) return moved;
  throw Error(ErrorCode::kNotFound, path.filename().string() + " is not there any more",
              "it was at " + path.string() + "; put it back, or into the project's media folder");
}

bool in_media_folder(const project::Project& project, const fs::path& path) {
  return path.lexically_normal().parent_path() == (project.folder() / "media").lexically_normal();
}

project::MediaRow register_media(project::Project& project, const fs::path& path) {
  const media::VideoInfo info = media::probe(path);
  project::MediaRow row;
  row.hash = hash_media(path);
  row.path = fs::absolute(path).lexically_normal().string();
  if (auto known = project.media_by_hash(row.hash)) {
    known->path = row.path;
    project.put_media(*known);
    return *known;
  }
  row.frames = info.is_still ? 1 : media::VideoReader(path).count_frames();
  row.info = {{"width", info.width},
              {"height", info.height},
              {"fps", info.frame_rate.value()},
              {"codec", info.codec},
              {"has_audio", info.has_audio},
              {"still", info.is_still},
              {"cuts", nlohmann::json::array()},
              {"damage", nlohmann::json::array()}};
  row.id = project.put_media(row);
  return row;
}

std::string safe_file_name(const std::string& name) {
  const size_t slash = name.find_last_of("/\\");
  std::string out;
  for (char c : slash == std::string::npos ? name : name.substr(slash + 1)) {
    const auto u = static_cast<unsigned char>(c);
    const bool bad =
        u < 0x20 || u == 0x7f || std::string_view("<>:\"|?*%#").find(c) != std::string_view::npos;
    out += bad ? '_' : c;
  }
  while (!out.empty() && (out.front() == '.' || out.front() == ' ' || out.front() == '-'))
    out.erase(0, 1);
  while (!out.empty() && (out.back() == '.' || out.back() == ' ')) out.pop_back();
  constexpr size_t kLongest = 200;
  if (out.size() > kLongest) {
    const std::string extension = fs::path(out).extension().string();
    size_t keep = kLongest - std::min(extension.size(), size_t{16});
    while (keep > 0 && (static_cast<unsigned char>(out[keep]) & 0xc0) == 0x80) --keep;
    out = out.substr(0, keep) + extension.substr(0, 16);
  }
  return out.empty() ? "clip" : out;
}

fs::path free_name(const fs::path& folder, const std::string& name) {
  std::error_code ec;
  fs::path path = folder / name;
  const std::string stem = path.stem().string(), extension = path.extension().string();
  for (int i = 2; fs::exists(fs::symlink_status(path, ec)); ++i)
    path = folder / (stem + "-" + std::to_string(i) + extension);
  return path;
}

std::vector<float> waveform(const fs::path& path, int points) {
  constexpr int kRate = 8000;
  const std::vector<float> samples = media::read_mono(path, kRate);
  std::vector<float> out;
  if (samples.empty() || points <= 0) return out;
  out.resize(static_cast<size_t>(points));
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t from = i * samples.size() / out.size(),
                 to = std::max(from + 1, (i + 1) * samples.size() / out.size());
    for (size_t k = from; k < to && k < samples.size(); ++k)
      out[i] = std::max(out[i], std::min(1.0f, std::fabs(samples[k])));
  }
  return out;
}

int longest_for_width(int frame_width, int frame_height, int width) {
  if (width <= 0 || width >= frame_width) return std::max(frame_width, frame_height);
  if (frame_width >= frame_height) return width;
  return std::max(
      1, static_cast<int>(std::lround(static_cast<double>(width) * frame_height / frame_width)));
}

}  // namespace likeness::tasks
