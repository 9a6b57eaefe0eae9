// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/swap_polygons.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/json_depth.h"

namespace likeness::tasks {
using nlohmann::json;
namespace {

constexpr uint64_t kMostBytes = 32 << 20;

/// A hundred thousandth of a face is far below a pixel; what is longer makes long command lines.
double short_number(double value) { return std::round(value * 1e5) / 1e5; }

[[noreturn]] void bad(size_t index, const std::string& why) {
  throw Error(ErrorCode::kUsage, "polygon " + std::to_string(index) + " of the list " + why,
              "a polygon is {\"first\": 0, \"last\": 99, \"kind\": \"exclude\", \"on\": \"face\", "
              "\"points\": [[x, y], …]}");
}

const json& member(const json& object, const char* name) {
  static const json none;
  const auto it = object.find(name);
  return it == object.end() ? none : *it;
}

int64_t whole(const json& value, size_t index, const char* name, int64_t most) {
  if (!value.is_number_integer() || value < 0 || value > most)
    bad(index, std::string("has no usable \"") + name + "\"");
  return value.get<int64_t>();
}

/// One of some words; gives which.
size_t word(const json& value, size_t index, const char* name,
            const std::vector<std::string>& words) {
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  const auto it = std::find(words.begin(), words.end(), text);
  if (it != words.end()) return static_cast<size_t>(it - words.begin());
  std::string all;
  for (const auto& w : words) all += (all.empty() ? "\"" : ", \"") + w + "\"";
  bad(index, std::string("has none of ") + all + " as \"" + name + "\"");
}

/// In the order of swap::Drawn.
const std::vector<std::string> kKinds = {"exclude", "include", "erase"};

float radius_of(const json& value, size_t index) {
  if (value.is_null()) return 0;
  const double number = value.is_number() ? short_number(value.get<double>()) : 0;
  if (!(number > 0 && number <= kPolygonReach)) bad(index, "has no usable \"radius\"");
  return static_cast<float>(number);
}

Point2 point(const json& value, size_t index) {
  Point2 p;
  for (size_t i = 0; i < 2; ++i) {
    if (!value.is_array() || value.size() != 2 || !value[i].is_number())
      bad(index, "has a point that is not [x, y]");
    const auto number = static_cast<float>(short_number(value[i].get<double>()));
    if (!(std::fabs(number) <= kPolygonReach)) bad(index, "has a point far outside");
    (i == 0 ? p.x : p.y) = number;
  }
  return p;
}

swap::Polygon polygon(const json& given, size_t index) {
  if (!given.is_object()) bad(index, "is no object");
  constexpr int64_t kLastFrame = std::numeric_limits<int64_t>::max() / 2;
  swap::Polygon out;
  out.first = whole(member(given, "first"), index, "first", kLastFrame);
  out.last = whole(member(given, "last"), index, "last", kLastFrame);
  if (out.last < out.first) bad(index, "ends before it begins");
  out.kind = static_cast<swap::Drawn>(word(member(given, "kind"), index, "kind", kKinds));
  if (const json& on = member(given, "on"); !on.is_null())
    out.on_face = word(on, index, "on", {"face", "frame"}) == 0;
  if (const json& track = member(given, "track"); !track.is_null())
    out.track = static_cast<int>(
        whole(track, index, "track", static_cast<int64_t>(std::numeric_limits<int>::max())));
  const json& points = member(given, "points");
  out.radius = radius_of(member(given, "radius"), index);
  if (!points.is_array() || points.empty()) bad(index, "has no points");
  if (out.radius == 0 && points.size() < 3)
    bad(index, "has fewer than three points and no \"radius\", which would make it a stroke");
  if (points.size() > kMostPolygonPoints) bad(index, "has too many points");
  for (const json& p : points) out.points.push_back(point(p, index));
  return out;
}

}  // namespace

std::vector<swap::Polygon> parse_polygons(const json& list) {
  if (list.is_null()) return {};
  if (!list.is_array() || list.size() > kMostPolygons)
    throw Error(ErrorCode::kUsage, "the polygons are no list, or too many",
                "give a list of at most " + std::to_string(kMostPolygons));
  std::vector<swap::Polygon> out;
  for (const json& given : list) out.push_back(polygon(given, out.size()));
  return out;
}

json polygons_json(const std::vector<swap::Polygon>& polygons) {
  json out = json::array();
  for (const auto& p : polygons) {
    json points = json::array();
    for (const Point2& at : p.points) points.push_back({short_number(at.x), short_number(at.y)});
    out.push_back({{"first", p.first},
                   {"last", p.last},
                   {"kind", kKinds.at(static_cast<size_t>(p.kind))},
                   {"on", p.on_face ? "face" : "frame"},
                   {"points", std::move(points)}});
    if (p.track >= 0) out.back()["track"] = p.track;
    if (p.radius > 0) out.back()["radius"] = short_number(static_cast<double>(p.radius));
  }
  return out;
}

std::vector<swap::Polygon> read_polygons(const std::string& source) {
  const bool inline_text = !source.empty() && source[0] == '[';
  const std::string text = inline_text ? source : read_file(source, kMostBytes);
  const json list =
      json_is_deeper(text, 8) ? json(json::value_t::discarded) : json::parse(text, nullptr, false);
  if (list.is_discarded() || list.is_null())
    throw Error(ErrorCode::kUsage, (inline_text ? "--polygons" : source) + " is no JSON",
                "the studio's \"Copy as command line\" writes such a list");
  return parse_polygons(list);
}

}  // namespace likeness::tasks
