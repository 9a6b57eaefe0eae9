// SPDX-License-Identifier: Apache-2.0
// Drawn polygons as the studio sends them, as a job keeps them, and as `--polygons` reads them: a
// list of
//   {"first": 0, "last": 99, "kind": "exclude", "include" or "erase", "on": "face" or "frame",
//    "track": 3, "radius": 0.05, "points": [[x, y], …]}
// "on" is "face" when it is left out; without "track" every changed face is meant; with "radius" it
// is the stroke of a round brush along the points, else a polygon.
#pragma once

#include <filesystem>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/swap/polygon.h"

namespace likeness::tasks {

/// Null is an empty list. Throws kUsage: another form, too few points, numbers beyond
/// kPolygonReach, more than kMostPolygons or kMostPolygonPoints, frames that are none.
std::vector<swap::Polygon> parse_polygons(const nlohmann::json& list);
nlohmann::json polygons_json(const std::vector<swap::Polygon>& polygons);
/// `source` is a file, or the list itself when it begins with '['. Throws kUsage, kNotFound.
std::vector<swap::Polygon> read_polygons(const std::string& source);

constexpr float kPolygonReach = 16;  ///< points lie in [-kPolygonReach, kPolygonReach]
constexpr size_t kMostPolygons = 1000, kMostPolygonPoints = 1000;

}  // namespace likeness::tasks
