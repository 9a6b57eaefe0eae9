// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"

#include "likeness/train/appearance.h"

LIKENESS_FUZZ_TARGET(bytes) {
  likeness::train::Appearance::parse(std::string(bytes.begin(), bytes.end()));
}
