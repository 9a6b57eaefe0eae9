// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"

#include "likeness/train/checkpoint.h"

LIKENESS_FUZZ_TARGET(bytes) { likeness::train::parse_checkpoint(bytes, "checkpoint"); }
