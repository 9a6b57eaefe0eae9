// SPDX-License-Identifier: Apache-2.0
// `--polygons` of a swap: what was read is written so that it is read the same.
#include "fuzz.h"

#include "likeness/tasks/swap_polygons.h"

LIKENESS_FUZZ_TARGET(bytes) {
  using namespace likeness::tasks;
  const auto polygons = read_polygons("[" + std::string(bytes.begin(), bytes.end()));
  const auto list = polygons_json(polygons);
  if (polygons_json(read_polygons(list.dump())) != list) std::terminate();
}
