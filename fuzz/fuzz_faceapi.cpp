// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fuzz.h"

#include "likeness/tensor/faceapi_weights.h"

// Input: the manifest, a NUL, the data.
LIKENESS_FUZZ_TARGET(bytes) {
  const auto split = std::find(bytes.begin(), bytes.end(), 0);
  const std::string manifest(bytes.begin(), split);
  const auto data = split == bytes.end() ? bytes.last(0) : bytes.subspan(split - bytes.begin() + 1);
  likeness::tensor::parse_faceapi_weights(manifest, data);
}
