// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/ranges.h"

#include <charconv>
#include <ctime>

#include <sys/stat.h>

#include "likeness/base/file_facts.h"
#include "likeness/base/hash.h"

namespace likeness::server {
namespace {

std::optional<uint64_t> number(std::string_view s) {
  uint64_t v = 0;
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (s.empty() || ec != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return v;
}

std::string tag_of(const std::filesystem::path& path, const struct stat& st) {
  return sha256(path.string() + ":" + file_stamp(st)).substr(0, 24);
}

std::string http_date(time_t t) {
  std::tm tm{};
  gmtime_r(&t, &tm);
  char text[64];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
  return text;
}

}  // namespace

RangeResult parse_range(std::string_view header, uint64_t size, ByteRange& range) {
  constexpr std::string_view kUnit = "bytes=";
  if (header.substr(0, kUnit.size()) != kUnit) return RangeResult::kWhole;
  header.remove_prefix(kUnit.size());
  while (!header.empty() && header.front() == ' ') header.remove_prefix(1);
  while (!header.empty() && header.back() == ' ') header.remove_suffix(1);
  const size_t dash = header.find('-');
  if (dash == std::string_view::npos || header.find(',') != std::string_view::npos)
    return RangeResult::kWhole;
  const auto from = number(header.substr(0, dash)), to = number(header.substr(dash + 1));
  const bool has_from = dash > 0, has_to = dash + 1 < header.size();
  if ((has_from && !from) || (has_to && !to) || (!has_from && !has_to)) return RangeResult::kWhole;
  if (!has_from) {  // the last so many bytes
    if (*to == 0 || size == 0) return RangeResult::kUnsatisfiable;
    range = {size - std::min(*to, size), size - 1};
    return RangeResult::kPart;
  }
  if (has_to && *to < *from) return RangeResult::kWhole;
  if (*from >= size) return RangeResult::kUnsatisfiable;
  range = {*from, has_to ? std::min(*to, size - 1) : size - 1};
  return RangeResult::kPart;
}

std::string file_tag(const std::filesystem::path& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return "";
  return tag_of(path, st);
}

Response file_response(const Request& request, const std::filesystem::path& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode))
    throw Error(ErrorCode::kNotFound, path.filename().string() + " is not there any more",
                "look for it where it was made; the list shows what there is");
  const auto size = static_cast<uint64_t>(st.st_size);
  const std::string tag = tag_of(path, st);
  Response r;
  r.type = content_type(path);
  r.header("Accept-Ranges", "bytes");
  r.header("Last-Modified", http_date(st.st_mtim.tv_sec));
  r.file = FilePart{path, 0, size};
  const std::string if_range = request.header("if-range");
  ByteRange range;
  RangeResult wanted = RangeResult::kWhole;
  if (if_range.empty() || if_range == "\"" + tag + "\"")
    wanted = parse_range(request.header("range"), size, range);
  if (wanted == RangeResult::kUnsatisfiable) {
    Response no = Response::error(HttpError{416, "usage", "the file has no such part",
                                            "it has " + std::to_string(size) + " bytes"});
    no.header("Content-Range", "bytes */" + std::to_string(size));
    return no;
  }
  if (wanted == RangeResult::kPart) {
    r.status = 206;
    r.file->offset = range.first;
    r.file->length = range.last - range.first + 1;
    r.header("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                  std::to_string(range.last) + "/" + std::to_string(size));
  }
  return with_etag(request, std::move(r), tag);
}

}  // namespace likeness::server
