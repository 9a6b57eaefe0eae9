// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/swap_polygons.h"

#include <gtest/gtest.h>

#include "likeness/base/error.h"

namespace likeness::tasks {
namespace {
using nlohmann::json;

TEST(SwapPolygons, GoThereAndBack) {
  const json list = json::parse(R"([
    {"first":0,"last":99,"kind":"exclude","on":"face","track":3,"points":[[0.1,0.5],[1.0,-2.0],[0.33333,1.0]]},
    {"first":7,"last":7,"kind":"include","on":"frame","points":[[0.0,0.0],[1.0,0.0],[1.0,1.0],[0.0,1.0]]},
    {"first":0,"last":9,"kind":"erase","on":"face","radius":0.125,"points":[[0.5,0.5]]}])");
  const auto polygons = parse_polygons(list);
  ASSERT_EQ(polygons.size(), 3u);
  EXPECT_EQ(polygons[0].kind, swap::Drawn::kExclude);
  EXPECT_EQ(polygons[0].radius, 0);
  EXPECT_TRUE(polygons[0].on_face);
  EXPECT_EQ(polygons[0].track, 3);
  EXPECT_EQ(polygons[0].points[1].y, -2);
  EXPECT_EQ(polygons[1].kind, swap::Drawn::kInclude);
  EXPECT_EQ(polygons[2].kind, swap::Drawn::kErase);
  EXPECT_EQ(polygons[2].radius, 0.125f);
  EXPECT_FALSE(polygons[1].on_face);
  EXPECT_EQ(polygons[1].track, -1);
  EXPECT_EQ(polygons_json(polygons), list);
  EXPECT_EQ(read_polygons(list.dump()).size(), 3u);
  EXPECT_TRUE(parse_polygons(nullptr).empty());
}

TEST(SwapPolygons, TheFaceIsWhereTheyLieUnlessTheySayTheFrame) {
  EXPECT_TRUE(parse_polygons(json::parse(
      R"([{"first":0,"last":0,"kind":"exclude","points":[[0,0],[1,0],[0,1]]}])"))[0]
                  .on_face);
}

/// Each line differs from a good polygon in one thing.
TEST(SwapPolygons, OtherFormsAreRefused) {
  const json good = json::parse(
      R"({"first":0,"last":9,"kind":"exclude","on":"face","points":[[0,0],[1,0],[0,1]]})");
  ASSERT_NO_THROW(parse_polygons(json::array({good})));
  const json changes = json::parse(R"([
    {"first":-1},{"first":10},{"first":0.5},{"first":"0"},{"first":null},{"last":null},
    {"last":9223372036854775807},{"kind":"both"},{"kind":null},{"kind":1},{"on":"hand"},{"on":2},
    {"track":-1},{"track":1.5},{"track":4294967296},{"points":[[0,0],[1,0]]},{"points":null},
    {"points":{}},{"points":[[0,0],[1,0],[0]]},{"points":[[0,0],[1,0],[0,1,2]]},
    {"points":[[0,0],[1,0],[0,"1"]]},{"points":[[0,0],[1,0],7]},{"points":[[0,0],[1,0],[0,17]]},
    {"points":[[0,0],[1,0],[0,1e300]]},{"points":[]},{"radius":0},{"radius":-1},{"radius":17},
    {"radius":1e-9},{"radius":"1"},{"radius":0.1,"points":[]}])");
  for (const json& change : changes) {
    json other = good;
    other.update(change);
    EXPECT_THROW(parse_polygons(json::array({other})), Error) << change;
  }
  for (const char* text : {"{}", "7", "[7]", "[[]]", "\"[]\""})
    EXPECT_THROW(parse_polygons(json::parse(text)), Error) << text;
  json many = good;
  many["points"] = json::array();
  for (size_t i = 0; i <= kMostPolygonPoints; ++i) many["points"].push_back({0.5, 0.5});
  EXPECT_THROW(parse_polygons(json::array({many})), Error);
  EXPECT_THROW(parse_polygons(json(kMostPolygons + 1, good)), Error);
  EXPECT_THROW(read_polygons("[[[[[[[[[["), Error);
  EXPECT_THROW(read_polygons("[{"), Error);
  EXPECT_THROW(read_polygons("/nowhere/polygons.json"), Error);
}

}  // namespace
}  // namespace likeness::tasks
