// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/http.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "likeness/base/error_json.h"
#include "likeness/base/json_depth.h"

namespace likeness::server {
namespace {

constexpr size_t kMaxTarget = 4096, kMaxSegments = 16;
constexpr int kMaxJsonDepth = 32;

[[noreturn]] void bad_target(const std::string& why) {
  throw HttpError{400, "bad_request", "the address is not valid: " + why, "check the address"};
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) bad_target("a % without two hex digits");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) bad_target("a control character");
    out += c;
  }
  if (!is_utf8(out)) bad_target("not UTF-8");
  return out;
}

}  // namespace

bool is_utf8(std::string_view s) {
  for (size_t i = 0; i < s.size();) {
    const auto c = static_cast<unsigned char>(s[i]);
    const size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (n == 0 || (n == 3 && c < 0xe0) || i + n > s.size()) return false;
    uint32_t code = n == 1 ? c : c & (0x7fu >> n);
    for (size_t k = 1; k < n; ++k) {
      const auto d = static_cast<unsigned char>(s[i + k]);
      if ((d & 0xc0) != 0x80) return false;
      code = code << 6 | (d & 0x3fu);
    }
    if ((n == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) ||
        (n == 4 && (code < 0x10000 || code > 0x10ffff)))
      return false;
    i += n;
  }
  return true;
}

bool is_id(std::string_view text) {
  if (text.empty() || text.size() > 128 || text[0] == '.') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
}

std::string id_of(std::string_view text) {
  std::string out(text.substr(0, 60));
  for (char& c : out)
    if (!is_id(std::string("a") + c)) c = '_';
  if (out.empty() || out[0] == '.') out = "_" + out;
  return out;
}

void parse_target(std::string_view target, Request& request) {
  if (target.size() > kMaxTarget) bad_target("it is too long");
  if (target.empty() || target[0] != '/') bad_target("it does not start with /");
  target = target.substr(0, target.find('#'));
  const size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  request.path = std::string(path);
  for (size_t at = 1; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string segment = decode(path.substr(at, end - at), false);
    if (segment == "." || segment == "..") bad_target("a segment with dots only");
    if (segment.find_first_of("/\\") != std::string::npos) bad_target("a slash inside a segment");
    if (segment.empty() && end != path.size()) bad_target("an empty segment");
    if (!segment.empty()) request.segments.push_back(segment);
    if (request.segments.size() > kMaxSegments) bad_target("too many segments");
    at = end + 1;
  }
  if (mark == std::string_view::npos) return;
  std::string_view query = target.substr(mark + 1);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const size_t equal = pair.find('=');
    const std::string name = decode(pair.substr(0, equal), true);
    const std::string value =
        equal == std::string_view::npos ? "" : decode(pair.substr(equal + 1), true);
    if (!name.empty()) request.query.emplace(name, value);
  }
}

const std::string& Request::param(const std::string& name) const {
  const auto it = params.find(name);
  LIKENESS_REQUIRE(it != params.end());
  return it->second;
}

int64_t Request::id(const std::string& name) const {
  const std::string& text = param(name);
  int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || value < 0)
    throw HttpError{404, "not_found", "there is no " + name + " '" + text + "'",
                    "ids are numbers; see the list"};
  return value;
}

std::string Request::header(const std::string& name) const {
  const auto it = headers.find(name);
  return it == headers.end() ? "" : it->second;
}

std::string Request::text(const std::string& name, const std::string& otherwise) const {
  const auto it = query.find(name);
  return it == query.end() ? otherwise : it->second;
}

int64_t Request::number(const std::string& name, int64_t otherwise, int64_t low,
                        int64_t high) const {
  const auto it = query.find(name);
  if (it == query.end()) return otherwise;
  int64_t value = 0;
  const char* last = it->second.data() + it->second.size();
  const auto [end, ec] = std::from_chars(it->second.data(), last, value);
  if (ec != std::errc() || end != last || value < low || value > high)
    throw HttpError{400, "usage", name + " cannot be '" + it->second + "'",
                    "wants a number from " + std::to_string(low) + " to " + std::to_string(high)};
  return value;
}

nlohmann::json Request::json() const {
  if (body.empty()) return nlohmann::json::object();
  if (json_is_deeper(body, kMaxJsonDepth))
    throw HttpError{400, "bad_request", "the JSON is nested too deeply", "send a flat object"};
  auto value = nlohmann::json::parse(body, nullptr, false);
  if (!value.is_object())
    throw HttpError{400, "bad_request", "the body is not a JSON object",
                    "send an object, as /v1/openapi.json describes it"};
  return value;
}

Response Response::json(const nlohmann::json& value, int status) {
  Response r;
  r.status = status;
  r.body = std::make_shared<std::string>(
      value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  r.header("Cache-Control", "no-store");
  return r;
}

Response Response::bytes(std::string bytes, const std::string& type) {
  Response r;
  r.type = type;
  r.body = std::make_shared<std::string>(std::move(bytes));
  return r;
}

Response Response::error(const HttpError& e) {
  return json({{"error", {{"code", e.code}, {"what", e.what}, {"hint", e.hint}}}}, e.status);
}

Response Response::error(const Error& e) {
  return json({{"error", error_json(e)}}, http_status(e.code()));
}

Response with_etag(const Request& request, Response response, const std::string& etag) {
  const std::string quoted = "\"" + etag + "\"";
  response.header("ETag", quoted);
  if (response.headers.end() ==
      std::find_if(response.headers.begin(), response.headers.end(),
                   [](const auto& h) { return h.first == "Cache-Control"; }))
    response.header("Cache-Control", "private, no-cache");
  const std::string known = request.header("if-none-match");
  if (!known.empty() && (known == "*" || known.find(quoted) != std::string::npos)) {
    response.status = 304;
    response.body = std::make_shared<std::string>();
    response.file.reset();
  }
  return response;
}

void save_as(Response& response, const std::string& name) {
  std::string safe;
  for (char c : name) safe += c == '"' || c == '\\' || c < 0x20 ? '_' : c;
  response.header("Content-Disposition", "attachment; filename=\"" + safe + "\"");
}

std::string content_type(const std::filesystem::path& path) {
  static constexpr std::array<std::pair<const char*, const char*>, 30> kTypes = {{
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".jpeg", "image/jpeg"},
      {".webp", "image/webp"},
      {".ico", "image/x-icon"},
      {".gif", "image/gif"},
      {".woff2", "font/woff2"},
      {".txt", "text/plain; charset=utf-8"},
      {".webmanifest", "application/manifest+json"},
      {".mp4", "video/mp4"},
      {".m4v", "video/mp4"},
      {".mov", "video/mp4"},  // the same box structure; browsers refuse video/quicktime
      {".webm", "video/webm"},
      {".mkv", "video/x-matroska"},
      {".avi", "video/x-msvideo"},
      {".ts", "video/mp2t"},
      {".mpg", "video/mpeg"},
      {".mpeg", "video/mpeg"},
      {".wav", "audio/wav"},
      {".flac", "audio/flac"},
      {".mp3", "audio/mpeg"},
      {".m4a", "audio/mp4"},
      {".ogg", "audio/ogg"},
  }};
  std::string e = path.extension().string();
  std::transform(e.begin(), e.end(), e.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const auto& [extension, type] : kTypes)
    if (e == extension) return type;
  return "application/octet-stream";
}

}  // namespace likeness::server
