// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"

#include "likeness/faceset/faceset.h"

LIKENESS_FUZZ_TARGET(bytes) { likeness::faceset::parse_index(bytes, 1 << 20); }
