// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/media_inputs.h"

#include <algorithm>
#include <set>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/media/video.h"

namespace likeness::tasks {
namespace fs = std::filesystem;

void refuse_overwriting(const fs::path& out, const std::vector<fs::path>& read) {
  std::error_code ec;
  for (const fs::path& path : read)
    if (fs::equivalent(path, out, ec))
      throw Error(ErrorCode::kUsage, out.string() + " is the footage itself",
                  "name another file; footage is never overwritten");
}

std::string hash_media(const fs::path& path) {
  std::error_code ec;
  if (fs::is_regular_file(path, ec)) return sha256_file(path);
  // A pattern (frame%05d.png) stands for the images beside it.
  const fs::path folder = fs::is_directory(path, ec) ? path : path.parent_path();
  std::string list = path.filename().string() + "\n";
  for (const auto& f : media::list_media(folder.empty() ? "." : folder))
    list += f.filename().string() + " " + sha256_file(f) + "\n";
  return sha256(list);
}

std::vector<trust::Input> expand_media(const std::vector<fs::path>& given,
                                       nlohmann::json& skipped) {
  std::vector<trust::Input> out;
  std::set<std::string> seen;
  auto add = [&](const fs::path& path) {
    trust::Input in{fs::absolute(path).lexically_normal(), hash_media(path)};
    if (seen.insert(in.hash).second) out.push_back(std::move(in));
  };
  for (const fs::path& path : given) {
    std::error_code ec;
    if (!fs::is_directory(path, ec)) {
      media::probe(path);  // throws what is wrong with it
      add(path);
      continue;
    }
    const auto files = media::list_media(path);
    if (files.empty())
      throw Error(ErrorCode::kBadInput, path.string() + " holds no video and no picture",
                  "name a folder with media files in it");
    for (const auto& file : files) {
      try {
        media::probe(file);
        add(file);
      } catch (const Error& e) {
        skipped.push_back({{"path", file.string()}, {"why", e.what()}});
      }
    }
  }
  if (out.empty() && !skipped.empty())
    throw Error(ErrorCode::kBadInput,
                "none of the " + std::to_string(skipped.size()) +
                    " files can be read: " + skipped[0]["why"].get<std::string>(),
                "check the files");
  if (out.empty())
    throw Error(ErrorCode::kUsage, "no input was named", "name a video, a photo or a folder");
  return out;
}

}  // namespace likeness::tasks
