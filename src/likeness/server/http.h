// SPDX-License-Identifier: Apache-2.0
// A request and an answer as the handlers see them: no sockets, no Boost.
//
// Rules of the module: a handler gets a Request whose path and ids were checked by the router, and
// gives a Response or throws (likeness::Error, HttpError). Everything that came over the wire is
// foreign: lengths are bounded before anything is read, ids are never paths.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/error.h"

namespace likeness::server {

/// An answer that is an error of the protocol and not one of Likeness's.
struct HttpError {
  int status = 400;
  std::string code, what, hint;
};

struct Request {
  std::string method;                          ///< "GET"
  std::string path;                            ///< as sent, without the query
  std::vector<std::string> segments;           ///< of the path, percent-decoded
  std::map<std::string, std::string> query;    ///< decoded; the first of each name
  std::map<std::string, std::string> headers;  ///< names in lower case; the first of each name
  std::map<std::string, std::string> params;   ///< of the route's template
  std::string body;
  std::string client;  ///< whose tries to log in are counted together

  const std::string& param(const std::string& name) const;
  int64_t id(const std::string& name) const;  ///< a param that is a number; HttpError 404
  std::string header(const std::string& name) const;
  std::string text(const std::string& name, const std::string& otherwise = "") const;
  /// A whole number of the query; HttpError 400 when it is none or outside the range.
  int64_t number(const std::string& name, int64_t otherwise, int64_t low, int64_t high) const;
  bool flag(const std::string& name) const { return text(name) == "1" || text(name) == "true"; }
  /// The body as a JSON object; HttpError 400. An empty body is an empty object.
  nlohmann::json json() const;
};

/// Part of a file that is sent as it is on the disk.
struct FilePart {
  std::filesystem::path path;
  uint64_t offset = 0, length = 0;
};

struct Response {
  int status = 200;
  std::string type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<const std::string> body = std::make_shared<std::string>();
  std::optional<FilePart> file;  ///< instead of the body

  static Response json(const nlohmann::json& value, int status = 200);
  static Response bytes(std::string bytes, const std::string& type);
  static Response error(const HttpError& error);
  static Response error(const Error& error);
  void header(const std::string& name, const std::string& value) {
    headers.emplace_back(name, value);
  }
};

/// Splits and decodes a request target. HttpError 400: not a path, bad escapes, not UTF-8, control
/// characters, "." or ".." segments, a segment with a slash, over 4096 bytes.
void parse_target(std::string_view target, Request& request);
/// True for names that ids may have: 1..128 of [A-Za-z0-9_.-], not starting with a dot.
bool is_id(std::string_view text);
/// The nearest text that is an id: other characters become '_', at most 60 of them.
std::string id_of(std::string_view text);
bool is_utf8(std::string_view text);

/// If-None-Match; a 304 keeps the headers.
Response with_etag(const Request& request, Response response, const std::string& etag);
/// A file for the disk, not for the page.
void save_as(Response& response, const std::string& name);
std::string content_type(const std::filesystem::path& path);

}  // namespace likeness::server
