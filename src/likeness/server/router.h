// SPDX-License-Identifier: Apache-2.0
// The table of routes. Dispatch and /v1/openapi.json are made from it, so that none can be missing
// in the other.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "likeness/server/http.h"

namespace likeness::server {

/// Where a handler runs, so that long ones never hold up short ones.
enum class Lane {
  kFast,     ///< database rows, small files, a frame
  kSlow,     ///< seconds: verify, hashing an upload, consent
  kPreview,  ///< rendering; the newest request wins
};

using Handler = std::function<Response(const Request&)>;

struct Route {
  std::string method, path;  ///< "/v1/projects/{project}/media/{media}"
  std::string summary;
  Handler handler;
  Lane lane = Lane::kFast;
  bool open = false;  ///< needs no session
  size_t body_limit = 1 << 20;
  /// JSON Schema of the body, null when there is none. Checked before the handler runs: required
  /// names, types of the properties, no unknown ones.
  nlohmann::json body;
  /// Name -> what it means, for the query.
  std::vector<std::pair<std::string, std::string>> query;
  std::string answer = "application/json";  ///< media type
  std::vector<std::string> segments;        ///< filled by add()
};

class Router {
 public:
  /// Gives the route back for details: `.lane`, `.body`.
  Route& add(const std::string& method, const std::string& path, const std::string& summary,
             Handler handler);
  /// Fills request.params. HttpError 404, 405, 400 (an id that is none).
  const Route& match(Request& request) const;
  /// Every room's routes; valid until the next add().
  const std::vector<std::unique_ptr<Route>>& routes() const { return routes_; }
  nlohmann::json openapi(const std::string& version) const;

 private:
  std::vector<std::unique_ptr<Route>> routes_;
};

/// HttpError 422 that names the property.
void check_body(const nlohmann::json& body, const nlohmann::json& schema);

/// {"type": "object", "required": [...], "properties": {name: {type, description}}} from
/// "name: string what it is" lines; a name with '?' may be left out.
nlohmann::json object_schema(const std::vector<std::string>& lines);

}  // namespace likeness::server
