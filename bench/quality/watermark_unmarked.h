// SPDX-License-Identifier: Apache-2.0
// Part of bench_watermark: how often the readers accept what nobody marked.
#pragma once

#include <filesystem>

#include "watermark_results.h"

namespace likeness::bench {

struct UnmarkedOptions {
  std::filesystem::path shared, folder;  ///< folder: for temporary files
  int windows = 0;                       ///< of the quick search
  int searches = 0;                      ///< windows that get the full search of crops and turns
};

void bench_unmarked_video(const UnmarkedOptions& options, Results& results);
void bench_unmarked_audio(const UnmarkedOptions& options, Results& results);

}  // namespace likeness::bench
