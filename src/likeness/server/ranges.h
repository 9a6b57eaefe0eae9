// SPDX-License-Identifier: Apache-2.0
// Files with byte ranges (RFC 9110): what a video element needs to seek.
#pragma once

#include <optional>

#include "likeness/server/http.h"

namespace likeness::server {

struct ByteRange {
  uint64_t first = 0, last = 0;  ///< inclusive
};
enum class RangeResult { kWhole, kPart, kUnsatisfiable };
/// Of a Range header and a file's size. Several ranges, other units and nonsense count as kWhole
/// (a server may ignore them).
RangeResult parse_range(std::string_view header, uint64_t size, ByteRange& range);

/// 200, 206, 304 or 416 with ETag, Last-Modified and Accept-Ranges. Throws kNotFound.
Response file_response(const Request& request, const std::filesystem::path& path);

/// Of a file's name, size and time of change: its ETag.
std::string file_tag(const std::filesystem::path& path);

}  // namespace likeness::server
