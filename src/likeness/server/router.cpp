// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/router.h"

#include <algorithm>
#include <set>

namespace likeness::server {
namespace {

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> out;
  for (size_t at = 1; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (end > at) out.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

bool is_param(const std::string& s) { return s.size() > 2 && s.front() == '{' && s.back() == '}'; }

bool fits(const Route& route, const std::vector<std::string>& segments) {
  if (route.segments.size() != segments.size()) return false;
  for (size_t i = 0; i < segments.size(); ++i)
    if (!is_param(route.segments[i]) && route.segments[i] != segments[i]) return false;
  return true;
}

bool has_type(const nlohmann::json& value, const std::string& type) {
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  return true;
}

}  // namespace

Route& Router::add(const std::string& method, const std::string& path, const std::string& summary,
                   Handler handler) {
  auto route = std::make_unique<Route>();
  route->method = method;
  route->path = path;
  route->summary = summary;
  route->handler = std::move(handler);
  route->segments = split(path);
  routes_.push_back(std::move(route));
  return *routes_.back();
}

const Route& Router::match(Request& request) const {
  std::set<std::string> methods;
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  for (const auto& route : routes_) {
    if (!fits(*route, request.segments)) continue;
    if (route->method != method) {
      methods.insert(route->method);
      continue;
    }
    for (size_t i = 0; i < request.segments.size(); ++i) {
      if (!is_param(route->segments[i])) continue;
      const std::string name = route->segments[i].substr(1, route->segments[i].size() - 2);
      if (!is_id(request.segments[i]))
        throw HttpError{400, "bad_request", "that is not the id of a " + name,
                        "ids come from the lists of this interface; a path is never one"};
      request.params[name] = request.segments[i];
    }
    return *route;
  }
  if (methods.empty())
    throw HttpError{404, "not_found", "there is nothing at " + request.path,
                    "see /v1/openapi.json"};
  std::string allowed;
  for (const auto& m : methods) allowed += (allowed.empty() ? "" : ", ") + m;
  throw HttpError{405, "usage", request.method + " is not possible here", "use " + allowed};
}

void check_body(const nlohmann::json& body, const nlohmann::json& schema) {
  if (schema.is_null()) return;
  const auto& properties = schema.at("properties");
  for (const auto& name : schema.value("required", nlohmann::json::array()))
    if (!body.contains(name.get<std::string>()))
      throw HttpError{422, "usage", "'" + name.get<std::string>() + "' is missing",
                      "see /v1/openapi.json"};
  for (const auto& [name, value] : body.items()) {
    const auto it = properties.find(name);
    if (it == properties.end())
      throw HttpError{422, "usage", "'" + name.substr(0, 80) + "' is not known here",
                      "see /v1/openapi.json"};
    if (it->contains("type") && (*it)["type"].is_string() && !value.is_null() &&
        !has_type(value, (*it)["type"]))
      throw HttpError{422, "usage",
                      "'" + name + "' must be of type " + (*it)["type"].get<std::string>(),
                      "see /v1/openapi.json"};
  }
}

nlohmann::json object_schema(const std::vector<std::string>& lines) {
  nlohmann::json schema = {{"type", "object"},
                           {"additionalProperties", false},
                           {"required", nlohmann::json::array()},
                           {"properties", nlohmann::json::object()}};
  for (const std::string& line : lines) {
    const size_t colon = line.find(": ");
    LIKENESS_REQUIRE(colon != std::string::npos);
    std::string name = line.substr(0, colon);
    const size_t space = std::min(line.find(' ', colon + 2), line.size());
    const std::string type = line.substr(colon + 2, space - colon - 2);
    nlohmann::json property = nlohmann::json::object();
    if (type != "any") property["type"] = type;
    if (space < line.size()) property["description"] = line.substr(space + 1);
    if (name.back() == '?')
      name.pop_back();
    else
      schema["required"].push_back(name);
    schema["properties"][name] = std::move(property);
  }
  return schema;
}

nlohmann::json Router::openapi(const std::string& version) const {
  nlohmann::json paths = nlohmann::json::object();
  const nlohmann::json error = {
      {"description", "what happened and what to do next"},
      {"content", {{"application/json", {{"schema", {{"$ref", "#/components/schemas/Error"}}}}}}}};
  for (const auto& route : routes_) {
    nlohmann::json op = {{"summary", route->summary}, {"parameters", nlohmann::json::array()}};
    for (const std::string& s : route->segments)
      if (is_param(s))
        op["parameters"].push_back({{"name", s.substr(1, s.size() - 2)},
                                    {"in", "path"},
                                    {"required", true},
                                    {"schema", {{"type", "string"}}}});
    for (const auto& [name, what] : route->query)
      op["parameters"].push_back({{"name", name},
                                  {"in", "query"},
                                  {"description", what},
                                  {"schema", {{"type", "string"}}}});
    if (!route->body.is_null())
      op["requestBody"] = {{"content", {{"application/json", {{"schema", route->body}}}}}};
    else if (route->method == "PUT")
      op["requestBody"] = {{"content", {{"application/octet-stream", nlohmann::json::object()}}}};
    op["responses"] = {
        {"200",
         {{"description", "done"}, {"content", {{route->answer, nlohmann::json::object()}}}}},
        {"default", error}};
    op["security"] = route->open ? nlohmann::json::array()
                                 : nlohmann::json::array({{{"session", nlohmann::json::array()}}});
    std::string method = route->method;
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    paths[route->path][method] = std::move(op);
  }
  return {{"openapi", "3.1.0"},
          {"info", {{"title", "Likeness studio"}, {"version", version}}},
          {"paths", std::move(paths)},
          {"components",
           {{"securitySchemes",
             {{"session", {{"type", "apiKey"}, {"in", "cookie"}, {"name", "likeness_session"}}}}},
            {"schemas",
             {{"Error",
               {{"type", "object"},
                {"properties",
                 {{"error",
                   {{"type", "object"},
                    {"properties",
                     {{"code", {{"type", "string"}}},
                      {"what", {{"type", "string"}}},
                      {"hint", {{"type", "string"}}}}}}}}}}}}}}}};
}

}  // namespace likeness::server
