// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/voice_enroll_sources.h"

#include <algorithm>
#include <set>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/voice/phones.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMostTextBytes = 2000, kMostFileBytes = 64u << 20;

bool may_have_sound(const fs::path& path) {
  static const std::set<std::string> kKinds = {
      ".wav", ".flac", ".mp3", ".m4a", ".aac",  ".ogg", ".opus", ".oga", ".aif", ".aiff",
      ".wma", ".caf",  ".amr", ".mka", ".webm", ".mp4", ".mov",  ".mkv", ".m4v"};
  std::string kind = path.extension().string();
  std::transform(kind.begin(), kind.end(), kind.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return kKinds.count(kind) > 0;
}

/// Whether bytes are UTF-8 without control characters other than white space.
bool is_text(const std::string& s) {
  if (std::any_of(s.begin(), s.end(),
                  [](unsigned char c) { return c < 0x20 && c != '\t' && c != '\n' && c != '\r'; }))
    return false;
  try {
    voice::decode_utf8(s);
  } catch (const Error&) {
    return false;
  }
  return true;
}

std::string tidy(std::string text) {
  std::string out;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!space)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string read_text(const fs::path& path, size_t limit) {
  std::string text = read_file(path, limit);
  if (text.rfind("\xef\xbb\xbf", 0) == 0) text.erase(0, 3);
  if (!is_text(text))
    throw Error(ErrorCode::kBadInput, path.string() + " is not UTF-8 text", "save it as UTF-8");
  return text;
}

void add_text(std::map<std::string, std::string>& out, const fs::path& from, const std::string& id,
              const std::string& text) {
  std::string words = tidy(text);
  if (words.size() > kMostTextBytes)
    throw Error(ErrorCode::kBadInput,
                from.string() + ": the text of " + id + " is longer than 2000 bytes",
                "give each recording of a few sentences a text of its own");
  if (!id.empty() && !words.empty()) out[id] = std::move(words);
}

void read_table(const fs::path& path, std::map<std::string, std::string>& out) {
  const std::string all = read_text(path, kMostFileBytes);
  size_t line_number = 0;
  for (size_t at = 0; at < all.size(); ++line_number) {
    const size_t end = std::min(all.find('\n', at), all.size());
    const std::string line = all.substr(at, end - at);
    at = end + 1;
    if (tidy(line).empty()) continue;
    const size_t bar = line.find('|');
    if (bar == std::string::npos)
      throw Error(
          ErrorCode::kBadInput,
          path.string() + ", line " + std::to_string(line_number + 1) + ": there is no | in it",
          "write lines of the form a01|The text that is said.");
    const size_t next = std::min(line.find('|', bar + 1), line.size());
    add_text(out, path, fs::path(tidy(line.substr(0, bar))).filename().string(),
             line.substr(bar + 1, next - bar - 1));
  }
}

}  // namespace

std::vector<fs::path> list_recordings(const std::vector<fs::path>& given) {
  std::vector<fs::path> out;
  for (const fs::path& path : given) {
    std::error_code ec;
    if (!fs::exists(path, ec))
      throw Error(ErrorCode::kNotFound, path.string() + " does not exist", "check the path");
    if (!fs::is_directory(path, ec)) {
      if (!fs::is_regular_file(path, ec))
        throw Error(ErrorCode::kBadInput, path.string() + " is not a file", "name a recording");
      out.push_back(path);
      continue;
    }
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(path, ec))
      if (entry.is_regular_file(ec) && may_have_sound(entry.path())) found.push_back(entry.path());
    if (found.empty())
      throw Error(ErrorCode::kBadInput, path.string() + " holds no recording",
                  "name a folder with wav, flac, mp3 or m4a files in it");
    std::sort(found.begin(), found.end());
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

std::map<std::string, std::string> read_transcripts(const fs::path& path) {
  std::map<std::string, std::string> out;
  if (path.empty()) return out;
  std::error_code ec;
  if (!fs::exists(path, ec))
    throw Error(ErrorCode::kNotFound, path.string() + " does not exist",
                "name the folder with the texts, or metadata.csv");
  if (!fs::is_directory(path, ec)) {
    read_table(path, out);
    return out;
  }
  if (fs::exists(path / "metadata.csv", ec)) read_table(path / "metadata.csv", out);
  for (const auto& entry : fs::directory_iterator(path, ec))
    if (entry.path().extension() == ".txt" && entry.is_regular_file(ec))
      add_text(out, entry.path(), entry.path().stem().string(), read_text(entry.path(), 1u << 20));
  return out;
}

}  // namespace likeness::tasks
